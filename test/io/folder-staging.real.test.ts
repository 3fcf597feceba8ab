// The switch that puts a package in its place: cut off between any two of its steps, the next run finishes it.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStaging } from '../../src/io/folder-staging.ts';
import { makeFolder, readFolder } from '../support/folder.ts';

let home: string;
let target: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'peerboot-staging-'));
  target = join(home, 'app');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** A whole tree with its receipt, beside an older one. */
function prepared() {
  makeFolder(target, { old: 'old' });
  const staging = openStaging(target);
  staging.prepare();
  makeFolder(staging.freshTree(), { 'bin/new*': 'new' });
  staging.complete({ version: '2' });
  return staging;
}

describe('the switch', () => {
  it.each([
    ['before it began', () => {}],
    ['when the old folder was moved away', () => renameSync(target, join(home, 'app.partial', 'old'))],
    [
      'when the new folder was in its place',
      () => {
        renameSync(target, join(home, 'app.partial', 'old'));
        renameSync(join(home, 'app.partial', 'tree'), target);
      },
    ],
  ])('cut off %s is finished', (_when, before) => {
    prepared();
    before();
    const next = openStaging(target);
    expect(next.completed()).toEqual({ version: '2' });
    next.switch(true);
    next.remove();
    expect(readFolder(target)).toEqual({ 'bin/': '', 'bin/new*': 'new' });
    expect(JSON.parse(readFileSync(join(home, 'app.receipt.json'), 'utf8'))).toEqual({ version: '2' });
    expect(existsSync(join(home, 'app.partial'))).toBe(false);
  });

  it('without permission leaves what lies there', () => {
    const staging = prepared();
    expect(() => staging.switch(false)).toThrow(expect.objectContaining({ code: 'PB-PACKAGE-EXISTS' }));
    expect(readFolder(target)).toEqual({ old: 'old' });
    expect(staging.isDone()).toBe(false);
  });

  it('puts a file in the place of a file in one step, and of a folder in two', () => {
    for (const old of ['file', 'folder']) {
      const path = join(home, old);
      if (old === 'file') writeFileSync(path, 'old');
      else mkdirSync(path);
      const staging = openStaging(path);
      staging.prepare();
      writeFileSync(staging.freshTree(), 'new');
      staging.complete({});
      staging.switch(true);
      expect(readFileSync(path, 'utf8')).toBe('new');
    }
  });
});
