// File systems and tables as real tools make them are recognised with their labels.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { describeDisk } from '../../src/imaging/signatures.ts';

const folder = mkdtempSync(join(tmpdir(), 'pb-signatures-'));
afterAll(() => rmSync(folder, { recursive: true }));

const rows: readonly (readonly [string, readonly string[], { filesystem: string; label?: string }])[] = [
  ['ext4', ['mkfs.ext4', '-q', '-L', 'store root'], { filesystem: 'ext4', label: 'store root' }],
  ['ext2 without a label', ['mkfs.ext2', '-q'], { filesystem: 'ext4' }],
  ['FAT32', ['mkfs.vfat', '-F', '32', '-n', 'EFI'], { filesystem: 'vfat', label: 'EFI' }],
  ['FAT16 without a label', ['mkfs.vfat', '-F', '16'], { filesystem: 'vfat' }],
  ['swap', ['mkswap', '-L', 'swap'], { filesystem: 'swap', label: 'swap' }],
];

it.each(rows)('%s', (name, [tool, ...words], expected) => {
  const path = join(folder, name);
  writeFileSync(path, '');
  truncateSync(path, 48 * 2 ** 20);
  execFileSync(tool as string, [...words, path], { stdio: 'ignore' });
  const bytes = readFileSync(path);
  const content = describeDisk('sdb', bytes.length, (offset, length) =>
    bytes.subarray(offset, offset + length),
  );
  expect(content).toEqual({
    blank: false,
    partitions: [{ name: 'sdb', sizeBytes: bytes.length, ...expected }],
  });
});
