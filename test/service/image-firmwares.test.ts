// What a disk image says that it boots on: tables, boot code and system partitions made by hand.
import { describe, expect, it } from 'vitest';
import { fromText, viewOf } from '../../src/base/bytes.ts';
import { crc32 } from '../../src/imaging/crc32.ts';
import { ESP_TYPE } from '../../src/imaging/layout.ts';
import { imageFirmwares } from '../../src/service/image-firmwares.ts';
import { fatVolume } from '../support/fat-volume.ts';

const SECTOR = 512;
const FIRST = 2048;

interface Disk {
  readonly table: 'gpt' | 'mbr' | 'none';
  /** In the system partition; undefined: there is none. */
  readonly programs?: readonly string[];
  readonly bootCode?: boolean;
  readonly change?: (start: Uint8Array) => void;
}

async function firmwaresOf({ table, programs, bootCode = false, change }: Disk) {
  const volume = programs === undefined ? undefined : fatVolume({ bits: 16, programs });
  const sectors = (volume?.bytes ?? SECTOR) / SECTOR;
  const start = new Uint8Array(64 * SECTOR);
  if (bootCode) start.set([0xeb, 0x63, 0x90]);
  if (table !== 'none') viewOf(start).setUint16(510, 0xaa55, true);
  if (table === 'mbr') writeMbr(start, volume === undefined ? 0x83 : 0xef, sectors);
  if (table === 'gpt') {
    writeMbr(start, 0xee, sectors);
    writeGpt(start, volume !== undefined, sectors);
  }
  change?.(start);
  return imageFirmwares(
    async (offset, length) => {
      if (offset >= FIRST * SECTOR)
        return (await volume?.read(offset - FIRST * SECTOR, length)) as Uint8Array;
      const bytes = new Uint8Array(length);
      bytes.set(start.subarray(offset, offset + length));
      return bytes;
    },
    (FIRST + sectors) * SECTOR,
  );
}

function writeMbr(start: Uint8Array, type: number, sectors: number): void {
  const view = viewOf(start);
  view.setUint8(446 + 16 + 4, type);
  view.setUint32(446 + 16 + 8, FIRST, true);
  view.setUint32(446 + 16 + 12, sectors, true);
}

function writeGpt(start: Uint8Array, hasEsp: boolean, sectors: number): void {
  const entries = start.subarray(2 * SECTOR, 3 * SECTOR);
  if (hasEsp) entries.set(ESP_TYPE);
  else entries.fill(7, 0, 16);
  entries.fill(9, 16, 32);
  viewOf(entries).setUint32(32, FIRST, true);
  viewOf(entries).setUint32(40, FIRST + sectors - 1, true);
  const header = start.subarray(SECTOR, SECTOR + 92);
  header.set(fromText('EFI PART'));
  const view = viewOf(header);
  view.setUint32(12, 92, true);
  view.setUint32(72, 2, true);
  view.setUint32(80, 4, true);
  view.setUint32(84, 128, true);
  view.setUint32(88, crc32(entries), true);
  view.setUint32(16, crc32(header), true);
}

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
    expect(await imageFirmwares(async () => new Uint8Array(0), 0)).toEqual([]);
  });
});
