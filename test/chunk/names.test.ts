// Names of images, packages and boot entries: what may be one, and the paths that stand for them in the catalogue.
import { describe, expect, it } from 'vitest';
import { WireError } from '../../src/base/errors.ts';
import {
  CONTENT_KINDS,
  isImageName,
  isImageVersion,
  parseImageReference,
  parseTargetPath,
  targetPath,
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
    expect(CONTENT_KINDS.map((kind) => targetPath(kind, till))).toEqual([
      'images/till/12.1-RC.json',
      'packages/till/12.1-RC.json',
      'boot-entries/till/12.1-RC.json',
    ]);
    for (const kind of CONTENT_KINDS) {
      for (const other of CONTENT_KINDS)
        expect(parseTargetPath(other, targetPath(kind, till))).toEqual(kind === other ? till : undefined);
    }
  });
  it.each([
    '',
    'images/till.json',
    'images/till/1',
    'images/Till/1.json',
    'images/till/-1.json',
    'images/a/b/1.json',
  ])('%j is none', (path) => expect(parseTargetPath('image', path)).toBeUndefined());
});

it('a reference is a name, or a name and a version', () => {
  expect(parseImageReference('till')).toEqual({ name: 'till', version: undefined });
  expect(parseImageReference('till@1')).toEqual({ name: 'till', version: '1' });
  for (const text of ['', '@1', 'Till', 'till@', 'till@1@2', 'till@../1'])
    expect(parseImageReference(text), text).toBeInstanceOf(WireError);
});
