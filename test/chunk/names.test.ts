// Names of images and packages: what may be one, and the paths that stand for them in the catalogue.
import { describe, expect, it } from 'vitest';
import { WireError } from '../../src/base/errors.ts';
import {
  imageTargetPath,
  isImageName,
  isImageVersion,
  packageTargetPath,
  parseImageReference,
  parseImageTargetPath,
  parsePackageTargetPath,
} from '../../src/chunk/names.ts';

const till = { name: 'till', version: '12.1-RC' };

it.each([
  ['till', true, true],
  ['till_2.0-x', true, true],
  ['Till', false, true],
  ['', false, false],
  ['-till', false, false],
  ['a/b', false, false],
  ['..', false, false],
  ['a b', false, false],
  ['n'.repeat(63), true, true],
  ['n'.repeat(64), false, false],
])('%j may be a name: %s, a version: %s', (text, name, version) => {
  expect([isImageName(text), isImageVersion(text)]).toEqual([name, version]);
});

describe('catalogue paths', () => {
  it('come back as the names that they were made of, each of its own kind', () => {
    expect(imageTargetPath(till)).toBe('images/till/12.1-RC.json');
    expect(packageTargetPath(till)).toBe('packages/till/12.1-RC.json');
    expect(parseImageTargetPath(imageTargetPath(till))).toEqual(till);
    expect(parsePackageTargetPath(packageTargetPath(till))).toEqual(till);
    expect(parseImageTargetPath(packageTargetPath(till))).toBeUndefined();
    expect(parsePackageTargetPath(imageTargetPath(till))).toBeUndefined();
  });
  it.each(['', 'images/till.json', 'images/Till/1.json', 'images/till/-1.json', 'images/a/b/1.json'])(
    '%j is none',
    (path) => expect(parseImageTargetPath(path)).toBeUndefined(),
  );
});

it('a reference is a name, or a name and a version', () => {
  expect(parseImageReference('till')).toEqual({ name: 'till', version: undefined });
  expect(parseImageReference('till@1')).toEqual({ name: 'till', version: '1' });
  for (const text of ['', '@1', 'Till', 'till@', 'till@1@2', 'till@../1'])
    expect(parseImageReference(text), text).toBeInstanceOf(WireError);
});
