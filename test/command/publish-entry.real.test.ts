// Programs and CDs as Debian ships them: what starts them, read from the files themselves.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeEntry } from '../../src/command/publish-entry.ts';
import { describePackages, fetchPackage, unpackPackage } from '../../tools/debian.ts';

const folder = mkdtempSync(join(tmpdir(), 'pb-debian-'));
beforeAll(async () => {
  for (const one of await describePackages(['memtest86+', 'grub-rescue-pc'], () => {}))
    await unpackPackage(await fetchPackage(one, () => {}), folder);
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true }));

it.each([
  ['boot/memtest86+x64.bin', 'memtest', ['bios']],
  ['boot/memtest86+x64.efi', 'memtest', ['bios', 'uefi-x64']],
  // For a BIOS it is a floppy.
  ['usr/lib/memtest86+/memtest86+x64.iso', 'iso', ['uefi-x64']],
  ['usr/lib/grub-rescue/grub-rescue-cdrom.iso', 'iso', ['bios']],
  ['usr/lib/grub-rescue/grub-rescue-floppy.img', 'iso', ['bios']],
] as const)('%s', async (path, boot, firmwares) => {
  expect(await describeEntry(join(folder, path), 'x', { boot })).toMatchObject({ firmwares });
});
