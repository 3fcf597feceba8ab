// Disks made by hand that say what they boot on: tables, boot code, a system partition with programs.
import { fromText, viewOf } from '../../src/base/bytes.ts';
import { crc32 } from '../../src/imaging/crc32.ts';
import { ESP_TYPE } from '../../src/imaging/layout.ts';
import { type FatOptions, fatVolume } from './fat-volume.ts';

const SECTOR = 512;
const FIRST = 2048;

export interface BootDisk {
  readonly table: 'gpt' | 'mbr' | 'none';
  /** In the system partition; undefined: there is none. */
  readonly programs?: FatOptions['programs'];
  readonly bootCode?: boolean;
  readonly change?: (start: Uint8Array) => void;
}

/** Its system partition begins at 1 MiB and ends with the disk. */
export async function bootDisk({ table, programs, bootCode = false, change }: BootDisk): Promise<Uint8Array> {
  const volume = programs === undefined ? undefined : fatVolume({ bits: 16, programs });
  const sectors = (volume?.bytes ?? SECTOR) / SECTOR;
  const disk = new Uint8Array((FIRST + sectors) * SECTOR);
  const system = await volume?.read(0, volume.bytes);
  if (system !== undefined) disk.set(system, FIRST * SECTOR);
  if (bootCode) disk.set([0xeb, 0x63, 0x90]);
  if (table !== 'none') viewOf(disk).setUint16(510, 0xaa55, true);
  if (table === 'mbr') writeMbr(disk, volume === undefined ? 0x83 : 0xef, sectors);
  if (table === 'gpt') {
    writeMbr(disk, 0xee, sectors);
    writeGpt(disk, volume !== undefined, sectors);
  }
  change?.(disk);
  return disk;
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

/** The head of a program, with a certificate table of this size. */
export function program(certificateBytes: number): Uint8Array {
  const bytes = new Uint8Array(2_000);
  bytes.set(fromText('MZ'));
  bytes.set(fromText('PE'), 0x80);
  const view = viewOf(bytes);
  view.setUint32(0x3c, 0x80, true);
  view.setUint16(0x80 + 24, 0x20b, true);
  view.setUint32(0x80 + 24 + 112 + 4 * 8 + 4, certificateBytes, true);
  return bytes;
}
