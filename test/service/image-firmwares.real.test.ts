// What an image says that it boots on, read from file systems that mkfs.fat and mtools made.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { fatFiles } from '../../src/service/fat.ts';

const folder = mkdtempSync(join(tmpdir(), 'pb-fat-'));
afterAll(() => rmSync(folder, { recursive: true }));

it.each([
  [12, 2, []],
  [16, 20, ['-s', '1']],
  [32, 40, ['-s', '1']],
  [32, 300, ['-S', '4096', '-s', '1']],
] as const)('FAT%i of %i MiB', async (bits, mebibytes, words) => {
  const path = join(folder, `${bits}-${mebibytes}.fat`);
  writeFileSync(path, '');
  truncateSync(path, mebibytes * 2 ** 20);
  execFileSync('mkfs.fat', ['-F', String(bits), ...words, '-n', 'ESP', path]);
  const tool = (name: string, ...rest: string[]) => execFileSync(name, ['-i', path, ...rest]);
  tool('mmd', '::EFI', '::EFI/BOOT', '::EFI/Microsoft Windows');
  const source = join(folder, 'program');
  writeFileSync(source, Buffer.alloc(70_000, 'MZ'));
  // Many with long names first: the folder grows over several clusters.
  const small = join(folder, 'text');
  writeFileSync(small, 'MZ');
  for (let i = 0; i < 40; i++) tool('mcopy', small, `::EFI/BOOT/a language file ${i}.txt`);
  tool('mcopy', source, '::EFI/BOOT/bootx64.efi');
  const bytes = readFileSync(path);
  const read = async (offset: number, length: number) =>
    offset + length <= bytes.length ? bytes.subarray(offset, offset + length) : undefined;
  const files = await fatFiles(read, ['EFI', 'BOOT']);
  expect(files).toHaveLength(41);
  const last = files?.at(-1);
  expect(last).toMatchObject({ name: 'BOOTX64.EFI', sizeBytes: 70_000 });
  const head = await last?.head();
  expect(head?.length).toBeGreaterThanOrEqual(4_096);
  expect(
    readFileSync(source)
      .subarray(0, head?.length)
      .equals(head as Uint8Array),
  ).toBe(true);
});
