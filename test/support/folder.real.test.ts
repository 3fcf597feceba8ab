// The tests' own view of a folder: what lies in it, and nothing that its links lead to.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeFolder, readFolder } from './folder.ts';

it('a folder is read as it was made, and no link is followed', () => {
  const home = mkdtempSync(join(tmpdir(), 'peerboot-folder-'));
  try {
    const list = { 'a-file': 'words', 'bin/run*': '#!', 'bin/self': '->.', 'home/': '', up: '->..' };
    makeFolder(join(home, 'tree'), { ...list, 'home/': null });
    expect(readFolder(join(home, 'tree'))).toEqual({ ...list, 'bin/': '' });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
