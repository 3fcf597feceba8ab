// CDs and disks that iPXE shows a machine as a drive: which firmware starts them.
import { expect, it } from 'vitest';
import { driveFirmwares } from '../../src/service/drive-firmwares.ts';
import { bootDisk } from '../support/boot-disk.ts';
import { cdWith } from '../support/cd.ts';
import { fatVolume } from '../support/fat-volume.ts';

const read = (bytes: Uint8Array) =>
  driveFirmwares(async (offset, length) => bytes.slice(offset, offset + length), bytes.length);

const programs = (...names: string[]) => {
  const volume = fatVolume({ bits: 12, programs: names });
  return volume.read(0, volume.bytes);
};
const BIOS = { platform: 0 };
const X64 = { platform: 0xef, bytes: await programs('BOOTX64 EFI') };
const BOTH = { platform: 0xef, bytes: await programs('BOOTX64 EFI', 'BOOTAA64EFI') };
const FLOPPY = { platform: 0, media: 2 };

it.each([
  ['a CD for all', [BIOS, BOTH], ['bios', 'uefi-x64', 'uefi-arm64']],
  ['one for BIOS', [BIOS], ['bios']],
  ['one for UEFI', [X64], ['uefi-x64']],
  ['one whose file system for UEFI cannot be read', [BIOS, { platform: 0xef }], ['bios']],
  ['one of another computer', [{ platform: 2 }], []],
  ['one that has nothing to boot', [], []],
  // iPXE looks at nothing but the first entry.
  ['one whose entry for BIOS comes second', [X64, BIOS], ['uefi-x64']],
  ['one whose default entry does not boot', [{ ...BIOS, bootable: false }, BIOS, X64], ['uefi-x64']],
  ['one whose entry for UEFI does not boot', [BIOS, { ...X64, bootable: false }], ['bios']],
] as const)('%s', async (_, entries, firmwares) => {
  expect(await read(cdWith({ entries }))).toEqual({ firmwares });
});

it('one that emulates a floppy is none for BIOS, and says why', async () => {
  const why = expect.stringContaining('floppy');
  expect(await read(cdWith({ entries: [FLOPPY, X64] }))).toEqual({ firmwares: ['uefi-x64'], why });
  expect(await read(cdWith({ entries: [FLOPPY] }))).toEqual({ firmwares: [], why });
});

it('one whose catalogue or file system lies beyond its end has nothing', async () => {
  const entries = [X64];
  const change = (cd: Uint8Array) => cd.fill(0xff, 17 * 2048 + 0x47, 17 * 2048 + 0x4b);
  expect(await read(cdWith({ entries, change }))).toEqual({ firmwares: [] });
  expect(await read(cdWith({ entries }).subarray(0, 33 * 2048))).toEqual({ firmwares: [] });
});

it('disks are for what they say, floppies with boot code for BIOS', async () => {
  expect(await read(await bootDisk({ table: 'gpt', programs: ['BOOTX64 EFI'], bootCode: true }))).toEqual({
    firmwares: ['bios', 'uefi-x64'],
  });
  const floppy = new Uint8Array(1_474_560);
  expect(await read(floppy)).toEqual({ firmwares: [] });
  floppy.set([0x55, 0xaa], 510);
  expect(await read(floppy)).toEqual({ firmwares: [] });
  floppy.set([0xeb, 0x3c, 0x90]);
  expect(await read(floppy)).toEqual({ firmwares: ['bios'] });
  expect(await read(new Uint8Array(100))).toEqual({ firmwares: [] });
});
