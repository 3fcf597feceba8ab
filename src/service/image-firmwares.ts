// On which firmware a disk image boots, and whether with Secure Boot, as far as its boot sector and its EFI system partition tell.
import type { BootFirmware } from '../api/boot-entry.ts';
import { isAllZero, viewOf } from '../base/bytes.ts';
import { WireError } from '../base/errors.ts';
import { isSigned } from '../boot/pe.ts';
import { espOf, parseGpt, TABLE_BYTES } from '../imaging/layout.ts';
import { fatFiles, type ReadAt } from './fat.ts';

const SECTOR = 512;
/** Boot code of an MBR lies before the disk's signature (UEFI 2.10, table 5.2). */
const BOOT_CODE_BYTES = 440;
const MBR_TABLE = 446;
const MBR_ENTRY_BYTES = 16;
const MBR_ESP = 0xef;
const MBR_PROTECTIVE = 0xee;
/** What firmware starts from a disk that it has no entry for (UEFI 2.10, section 3.5.1.1). */
const FALLBACKS: readonly (readonly [file: string, firmware: BootFirmware])[] = [
  ['BOOTX64.EFI', 'uefi-x64'],
  ['BOOTAA64.EFI', 'uefi-arm64'],
];

interface Stretch {
  readonly offset: number;
  readonly length: number;
}

export interface ImageFirmwares {
  /** Empty when it cannot be told: no partition table, or a system partition without a program that we know. */
  readonly firmwares: readonly BootFirmware[];
  /** Those of them whose program bears no signature: with Secure Boot enforcing, they refuse it. */
  readonly unsigned: readonly BootFirmware[];
}

export async function imageFirmwares(
  image: (offset: number, length: number) => Promise<Uint8Array>,
  imageBytes: number,
): Promise<ImageFirmwares> {
  const start = await image(0, Math.min(TABLE_BYTES, imageBytes));
  const esp = systemPartition(start);
  if (esp === 'unknown') return { firmwares: [], unsigned: [] };
  const isBios = !isAllZero(start.subarray(0, BOOT_CODE_BYTES));
  const bios = isBios ? (['bios'] as const) : [];
  if (esp === undefined) return { firmwares: bios, unsigned: [] };
  const read: ReadAt = async (offset, length) => {
    const isThere = offset + length <= esp.length && esp.offset + offset + length <= imageBytes;
    return isThere ? image(esp.offset + offset, length) : undefined;
  };
  const uefi = await fallbackPrograms(read);
  return { ...uefi, firmwares: uefi.firmwares.length === 0 ? [] : [...bios, ...uefi.firmwares] };
}

/** What firmware without a boot entry finds in this FAT file system. */
export async function fallbackPrograms(read: ReadAt): Promise<ImageFirmwares> {
  const files = (await fatFiles(read, ['EFI', 'BOOT'])) ?? [];
  const firmwares: BootFirmware[] = [];
  const unsigned: BootFirmware[] = [];
  for (const [name, firmware] of FALLBACKS) {
    const file = files.find((one) => one.name === name);
    if (file === undefined) continue;
    firmwares.push(firmware);
    if (bearsNoSignature(await file.head())) unsigned.push(firmware);
  }
  return { firmwares, unsigned };
}

/** False of what is no program, too: nobody can say that of it. */
function bearsNoSignature(head: Uint8Array): boolean {
  try {
    return !isSigned(head);
  } catch {
    return false;
  }
}

/** Where UEFI firmware looks; undefined when there is none, `unknown` when the disk has no table that we can read. */
function systemPartition(start: Uint8Array): Stretch | undefined | 'unknown' {
  const gpt = parseGpt(start);
  if (gpt instanceof WireError) return 'unknown';
  if (gpt === undefined) return mbrSystemPartition(start);
  const esp = espOf(gpt);
  if (esp === undefined) return undefined;
  return { offset: esp.firstLba * SECTOR, length: (esp.lastLba - esp.firstLba + 1) * SECTOR };
}

function mbrSystemPartition(start: Uint8Array): Stretch | undefined | 'unknown' {
  const view = viewOf(start);
  if (start.length < SECTOR || view.getUint16(510, true) !== 0xaa55) return 'unknown';
  const entries = [0, 1, 2, 3].map((number) => MBR_TABLE + number * MBR_ENTRY_BYTES);
  const types = entries.map((at) => view.getUint8(at + 4));
  // A protective entry without its GPT, or none at all: a table of another kind, or a file system from the first sector on.
  if (types.includes(MBR_PROTECTIVE) || types.every((type) => type === 0)) return 'unknown';
  const at = entries[types.indexOf(MBR_ESP)];
  if (at === undefined) return undefined;
  return { offset: view.getUint32(at + 8, true) * SECTOR, length: view.getUint32(at + 12, true) * SECTOR };
}
