// The move of the backup GPT, judged by gdisk's own verification on real partition tables.
import {
  closeSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WireError } from '../../src/base/errors.ts';
import { planBackupMove, TABLE_BYTES } from '../../src/imaging/layout.ts';
import { run } from '../lab/process.ts';

const MIB = 2 ** 20;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pb-layout-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const verify = (path: string) => run('sgdisk', ['-v', path]);

const layouts: readonly (readonly [string, readonly string[]])[] = [
  ['an ESP and a root', ['-n', '1:2048:+8M', '-t', '1:ef00', '-n', '2:0:0']],
  ['a BIOS boot partition in front', ['-a', '1', '-n', '1:34:2047', '-t', '1:ef02', '-n', '2:2048:0']],
  ['a table of 256 entries', ['-S', '256', '-n', '1:2048:+4M', '-n', '200:0:0']],
  ['no partition', ['-o']],
];

// sgdisk sleeps for a second after it has written.
it.concurrent.each(layouts)(
  '%s: moved to the end of a larger disk, sgdisk finds no problem',
  async (name, words) => {
    const path = join(folder, `${name.replaceAll(' ', '-')}.raw`);
    const [from, to] = [33, 1000];
    writeFileSync(path, '');
    truncateSync(path, from * MIB);
    await run('sgdisk', [...words, path]);
    truncateSync(path, to * MIB);
    expect(await verify(path)).toMatch(/doesn't reside\s+at the end of the disk|Identified \d+ problems/);
    const fd = openSync(path, 'r+');
    const patches = planBackupMove(startOf(fd), to * MIB);
    if (patches instanceof WireError) throw patches;
    for (const { offset, bytes } of patches) writeSync(fd, bytes, 0, bytes.length, offset);
    expect(await verify(path)).toMatch(/No problems found/);
    // Nothing is left to move.
    expect(planBackupMove(startOf(fd), to * MIB)).toEqual([]);
    closeSync(fd);
  },
);

function startOf(fd: number): Uint8Array {
  const start = new Uint8Array(TABLE_BYTES);
  readSync(fd, start, 0, start.length, 0);
  return start;
}
