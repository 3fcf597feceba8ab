// What boots from a CD: its boot catalogue (El Torito 1.0 §2; volume descriptors: ECMA-119 §8).
import { toText, viewOf } from '../base/bytes.ts';

export const CD_SECTOR = 2048;
/** Volume descriptors begin at sector 16; a CD has three or four. */
export const DESCRIPTORS = { offset: 16 * CD_SECTOR, bytes: 16 * CD_SECTOR } as const;

export interface CdBootEntry {
  readonly isBootable: boolean;
  readonly platform: 'bios' | 'efi' | 'other';
  /** The BIOS shall see a floppy or a hard disk in place of the CD. */
  readonly emulates: boolean;
  /** Of the first byte that is loaded: boot code, or the file system with UEFI's programs. */
  readonly offset: number;
}

const ENTRY_BYTES = 32;
const BOOT_RECORD = 0;
const TERMINATOR = 255;
const BOOTABLE = 0x88;
const EXTENSION = 0x44;
const SECTIONS = [0x90, 0x91];
const IS_CONTINUED = 0x20;
const PLATFORMS = new Map<number, CdBootEntry['platform']>([
  [0, 'bios'],
  [0xef, 'efi'],
]);

export function isCd(descriptors: Uint8Array): boolean {
  return toText(descriptors.subarray(1, 6)) === 'CD001';
}

/** Offset of the boot catalogue in bytes; undefined: nothing boots from this CD. */
export function catalogueAt(descriptors: Uint8Array): number | undefined {
  for (let at = 0; at + CD_SECTOR <= descriptors.length; at += CD_SECTOR) {
    const descriptor = descriptors.subarray(at, at + CD_SECTOR);
    if (!isCd(descriptor) || descriptor[0] === TERMINATOR) return undefined;
    const isBoot =
      descriptor[0] === BOOT_RECORD && /^EL TORITO SPEC/.test(toText(descriptor.subarray(7, 39)));
    if (isBoot) return viewOf(descriptor).getUint32(0x47, true) * CD_SECTOR;
  }
  return undefined;
}

/** The default entry first, then those of the sections; none when this is no catalogue. */
export function bootEntriesOf(catalogue: Uint8Array): readonly CdBootEntry[] {
  const records = Array.from({ length: Math.floor(catalogue.length / ENTRY_BYTES) }, (_, i) =>
    catalogue.subarray(i * ENTRY_BYTES, (i + 1) * ENTRY_BYTES),
  );
  const [validation, initial, ...sections] = records;
  if (validation === undefined || initial === undefined || !isValid(validation)) return [];
  const entries = [bootEntry(initial, validation[1])];
  let left = 0;
  let platform: number | undefined;
  let isExtension = false;
  for (const record of sections) {
    if (isExtension && record[0] === EXTENSION) isExtension = isContinued(record);
    else if (left > 0) {
      left -= 1;
      entries.push(bootEntry(record, platform));
      isExtension = isContinued(record);
    } else if (SECTIONS.includes(record[0] as number)) {
      platform = record[1];
      left = viewOf(record).getUint16(2, true);
    } else break;
  }
  return entries;
}

function isContinued(record: Uint8Array): boolean {
  return ((record[1] as number) & IS_CONTINUED) !== 0;
}

/** A header of 1, the key, and words whose sum is zero. */
function isValid(validation: Uint8Array): boolean {
  const view = viewOf(validation);
  let sum = 0;
  for (let at = 0; at < ENTRY_BYTES; at += 2) sum += view.getUint16(at, true);
  return validation[0] === 1 && view.getUint16(30, true) === 0xaa55 && (sum & 0xffff) === 0;
}

function bootEntry(record: Uint8Array, platform: number | undefined): CdBootEntry {
  return {
    isBootable: record[0] === BOOTABLE,
    platform: PLATFORMS.get(platform as number) ?? 'other',
    emulates: ((record[1] as number) & 0x0f) !== 0,
    offset: viewOf(record).getUint32(8, true) * CD_SECTOR,
  };
}
