// CDs made by hand: volume descriptors, a boot catalogue, and what its entries point to.
import { fromText, viewOf } from '../../src/base/bytes.ts';

export const SECTOR = 2048;
const CATALOGUE = 20;
/** Where the first entry's boot code lies, and the next ones at distances that hold a FAT volume. */
const FIRST = 32;
const APART = 2048;

export interface CdEntry {
  /** 0: x86; 0xef: EFI. */
  readonly platform: number;
  /** 0: none; 1 to 3: a floppy; 4: a hard disk. */
  readonly media?: number;
  readonly bootable?: boolean;
  readonly bytes?: Uint8Array | undefined;
  /** Extension records behind it. */
  readonly extensions?: number;
}

export interface Cd {
  /** The default entry, and one section for each further one. */
  readonly entries?: readonly CdEntry[];
  readonly change?: (cd: Uint8Array) => void;
}

export function cdWith({ entries = [], change }: Cd): Uint8Array {
  const cd = new Uint8Array((FIRST + (entries.length + 1) * APART) * SECTOR);
  const descriptor = (sector: number, type: number, words = '') => {
    cd[sector * SECTOR] = type;
    cd.set(fromText(`CD001\x01${words}`), sector * SECTOR + 1);
  };
  descriptor(16, 1);
  if (entries.length > 0) descriptor(17, 0, 'EL TORITO SPECIFICATION');
  descriptor(entries.length > 0 ? 18 : 17, 255);
  viewOf(cd).setUint32(17 * SECTOR + 0x47, CATALOGUE, true);
  cd.set(catalogue(entries), CATALOGUE * SECTOR);
  entries.forEach(({ bytes }, i) => {
    if (bytes !== undefined) cd.set(bytes, (FIRST + i * APART) * SECTOR);
  });
  change?.(cd);
  return cd;
}

export function catalogue(entries: readonly CdEntry[]): Uint8Array {
  const records: Uint8Array[] = [validation(entries[0]?.platform ?? 0)];
  entries.forEach(({ platform, media = 0, bootable = true, extensions = 0 }, i) => {
    if (i > 0) records.push(Uint8Array.of(i === entries.length - 1 ? 0x91 : 0x90, platform, 1, 0));
    const record = new Uint8Array(32);
    record.set([bootable ? 0x88 : 0, media | (extensions > 0 ? 0x20 : 0)]);
    viewOf(record).setUint32(8, FIRST + i * APART, true);
    records.push(record);
    for (let n = 1; n <= extensions; n++) records.push(Uint8Array.of(0x44, n < extensions ? 0x20 : 0));
  });
  const bytes = new Uint8Array(SECTOR);
  records.forEach((record, i) => {
    bytes.set(record, i * 32);
  });
  return bytes;
}

function validation(platform: number): Uint8Array {
  const record = new Uint8Array(32);
  record.set([1, platform]);
  record.set([0x55, 0xaa], 30);
  const view = viewOf(record);
  let sum = 0;
  for (let at = 0; at < 32; at += 2) sum += view.getUint16(at, true);
  view.setUint16(28, (0x10000 - (sum & 0xffff)) & 0xffff, true);
  return record;
}
