// What a disk image says that it boots on, and whether with Secure Boot: tables, boot code and system partitions made by hand.
import { describe, expect, it } from 'vitest';
import { fromText } from '../../src/base/bytes.ts';
import { imageFirmwares } from '../../src/service/image-firmwares.ts';
import { type BootDisk, bootDisk, program } from '../support/boot-disk.ts';

const SECTOR = 512;

async function bootOf(disk: BootDisk) {
  const bytes = await bootDisk(disk);
  return imageFirmwares(async (offset, length) => bytes.slice(offset, offset + length), bytes.length);
}
const firmwaresOf = async (disk: BootDisk) => (await bootOf(disk)).firmwares;

const X64 = 'BOOTX64 EFI';
const ARM64 = 'BOOTAA64EFI';

describe('a disk image says what it boots on', () => {
  it.each([
    ['a PC of today', { table: 'gpt', programs: [X64] }, ['uefi-x64']],
    ['both ways, as Debian', { table: 'gpt', programs: [X64], bootCode: true }, ['bios', 'uefi-x64']],
    ['arm64', { table: 'gpt', programs: [ARM64, 'FBAA64  EFI'] }, ['uefi-arm64']],
    [
      'a stick for all',
      { table: 'mbr', programs: [X64, ARM64], bootCode: true },
      ['bios', 'uefi-x64', 'uefi-arm64'],
    ],
    ['an old PC', { table: 'mbr', bootCode: true }, ['bios']],
    ['a GPT without a system partition', { table: 'gpt', bootCode: true }, ['bios']],
    ['data alone', { table: 'mbr' }, []],
    [
      'a system partition without a program that we know',
      { table: 'gpt', programs: ['GRUB    EFI'], bootCode: true },
      [],
    ],
    ['no table', { table: 'none', bootCode: true }, []],
  ] as const)('%s', async (_, disk, firmwares) => {
    expect(await firmwaresOf(disk)).toEqual(firmwares);
  });

  it('and nothing where its table is broken, or is none', async () => {
    const disk = { table: 'gpt', programs: [X64], bootCode: true } as const;
    const breaks = (offset: number) => (start: Uint8Array) => {
      start[offset] = (start[offset] as number) ^ 1;
    };
    // The checksum of the header; its signature, which leaves a protective entry alone.
    expect(await firmwaresOf({ ...disk, change: breaks(SECTOR + 16) })).toEqual([]);
    expect(await firmwaresOf({ ...disk, change: breaks(SECTOR) })).toEqual([]);
    // No partition at all: a file system from the first sector on looks like it.
    const empty = {
      table: 'mbr',
      bootCode: true,
      change: (start: Uint8Array) => start.fill(0, 446, 510),
    } as const;
    expect(await firmwaresOf(empty)).toEqual([]);
  });

  it('and nothing of a system partition beyond its end, or of no sector at all', async () => {
    const beyond = {
      table: 'mbr',
      programs: [X64],
      change: (start: Uint8Array) => start.fill(0xff, 470, 474),
    } as const;
    expect(await firmwaresOf(beyond)).toEqual([]);
    expect(await imageFirmwares(async () => new Uint8Array(0), 0)).toEqual({ firmwares: [], unsigned: [] });
  });
});

describe('and whether firmware with Secure Boot starts it', () => {
  const programs = (x64: Uint8Array, arm64: Uint8Array) => ({ [X64]: x64, [ARM64]: arm64 });
  it.each([
    ['signed for both', programs(program(1_480), program(1_480)), []],
    ['for one of them', programs(program(1_480), program(0)), ['uefi-arm64']],
    ['for none', programs(program(0), program(0)), ['uefi-x64', 'uefi-arm64']],
    [
      'not to be told: no program, or one that is cut off',
      programs(fromText('MZ'), program(0).subarray(0, 200)),
      [],
    ],
  ] as const)('%s', async (_, files, unsigned) => {
    const disk = { table: 'gpt', programs: files, bootCode: true } as const;
    expect(await bootOf(disk)).toEqual({ firmwares: ['bios', 'uefi-x64', 'uefi-arm64'], unsigned });
  });
});
