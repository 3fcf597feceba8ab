// GUID partition tables (UEFI 2.10, chapter 5): reads one, and moves its backup to the end of a larger disk.
import { equalBytes, fromText, viewOf } from '../base/bytes.ts';
import { assert, WireError } from '../base/errors.ts';
import { crc32 } from './crc32.ts';

const SECTOR = 512;
const SIGNATURE = fromText('EFI PART');
const HEADER_BYTES = 92;
/** What the table of a disk may at most take from its start: more entries than any tool writes. */
export const TABLE_BYTES = 1024 * 1024;

/** EFI System Partition, as the GUID's 16 bytes lie on disk (first three fields little-endian). */
export const ESP_TYPE = guidBytes('c12a7328-f81f-11d2-ba4b-00a0c93ec93b');

export interface GptPartition {
  /** From 1, its place in the table. */
  readonly number: number;
  readonly type: Uint8Array;
  readonly guid: Uint8Array;
  readonly firstLba: number;
  /** Inclusive. */
  readonly lastLba: number;
  readonly name: string;
}

export interface Gpt {
  readonly header: Uint8Array;
  /** Raw bytes of the partition entries, as counted in the header. */
  readonly entries: Uint8Array;
  readonly entriesLba: number;
  readonly backupLba: number;
  readonly firstUsableLba: number;
  readonly lastUsableLba: number;
  readonly diskGuid: Uint8Array;
  readonly partitions: readonly GptPartition[];
}

/** Bytes to be written at an offset of the disk. */
export interface Patch {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * Reads the primary table from the disk's first bytes (as many as `TABLE_BYTES`, fewer on small disks).
 * Undefined when there is none; WireError when its checksums or bounds are wrong.
 */
export function parseGpt(start: Uint8Array): Gpt | WireError | undefined {
  const header = start.slice(SECTOR, 2 * SECTOR);
  if (header.length < SECTOR || !equalBytes(header.subarray(0, 8), SIGNATURE)) return undefined;
  const view = viewOf(header);
  const headerBytes = view.getUint32(12, true);
  if (headerBytes < HEADER_BYTES || headerBytes > SECTOR) return new WireError('GPT header of odd size', 524);
  const expected = view.getUint32(16, true);
  const blanked = header.slice(0, headerBytes);
  viewOf(blanked).setUint32(16, 0, true);
  if (crc32(blanked) !== expected) return new WireError('GPT header with a wrong checksum', 528);
  const entriesLba = lba(view, 72);
  const count = view.getUint32(80, true);
  const entryBytes = view.getUint32(84, true);
  if (entryBytes < 128 || entryBytes % 8 !== 0) return new WireError('GPT entries of odd size', 596);
  const from = entriesLba * SECTOR;
  if (from + count * entryBytes > start.length) return new WireError('GPT entries beyond reach', 592);
  const entries = start.slice(from, from + count * entryBytes);
  if (crc32(entries) !== view.getUint32(88, true))
    return new WireError('GPT entries with a wrong checksum', 600);
  return {
    header,
    entries,
    entriesLba,
    backupLba: lba(view, 32),
    firstUsableLba: lba(view, 40),
    lastUsableLba: lba(view, 48),
    diskGuid: header.slice(56, 72),
    partitions: readPartitions(entries, entryBytes),
  };
}

function readPartitions(entries: Uint8Array, entryBytes: number): GptPartition[] {
  const partitions: GptPartition[] = [];
  for (let at = 0; at + entryBytes <= entries.length; at += entryBytes) {
    const entry = entries.subarray(at, at + entryBytes);
    const type = entry.slice(0, 16);
    if (type.every((byte) => byte === 0)) continue;
    const view = viewOf(entry);
    partitions.push({
      number: at / entryBytes + 1,
      type,
      guid: entry.slice(16, 32),
      firstLba: lba(view, 32),
      lastLba: lba(view, 40),
      name: utf16Text(entry.subarray(56, 128)),
    });
  }
  return partitions;
}

/** The system partition that UEFI firmware boots from, if there is one. */
export function espOf(gpt: Gpt): GptPartition | undefined {
  return gpt.partitions.find((partition) => equalBytes(partition.type, ESP_TYPE));
}

/**
 * What to write so that the table read from `start` fits a disk of `diskBytes`: protective MBR, primary header,
 * backup entries and backup header. Nothing when there is no table or its backup already lies at the end.
 */
export function planBackupMove(start: Uint8Array, diskBytes: number): readonly Patch[] | WireError {
  const gpt = parseGpt(start);
  if (gpt === undefined) return [];
  if (gpt instanceof WireError) return gpt;
  const lastLba = Math.floor(diskBytes / SECTOR) - 1;
  if (gpt.backupLba === lastLba) return [];
  const entrySectors = Math.ceil(gpt.entries.length / SECTOR);
  const backupEntriesLba = lastLba - entrySectors;
  const lastUsableLba = backupEntriesLba - 1;
  const needed = Math.max(...gpt.partitions.map((partition) => partition.lastLba), gpt.firstUsableLba);
  if (lastUsableLba < needed) return new WireError('the disk ends before the last partition does');
  const primary = withFields(gpt.header, { own: 1, other: lastLba, lastUsableLba, entries: gpt.entriesLba });
  const backup = withFields(gpt.header, { own: lastLba, other: 1, lastUsableLba, entries: backupEntriesLba });
  const backupTable = new Uint8Array((entrySectors + 1) * SECTOR);
  backupTable.set(gpt.entries, 0);
  backupTable.set(backup, entrySectors * SECTOR);
  return [
    { offset: backupEntriesLba * SECTOR, bytes: backupTable },
    { offset: 0, bytes: protectiveMbr(start.slice(0, SECTOR), gpt.backupLba, lastLba) },
    { offset: SECTOR, bytes: primary },
  ];
}

interface HeaderFields {
  readonly own: number;
  readonly other: number;
  readonly lastUsableLba: number;
  readonly entries: number;
}

function withFields(header: Uint8Array, fields: HeaderFields): Uint8Array {
  const copy = header.slice();
  const view = viewOf(copy);
  const headerBytes = view.getUint32(12, true);
  view.setBigUint64(24, BigInt(fields.own), true);
  view.setBigUint64(32, BigInt(fields.other), true);
  view.setBigUint64(48, BigInt(fields.lastUsableLba), true);
  view.setBigUint64(72, BigInt(fields.entries), true);
  view.setUint32(16, 0, true);
  view.setUint32(16, crc32(copy.subarray(0, headerBytes)), true);
  return copy;
}

/**
 * The MBR's entry of type 0xEE covers the whole disk, as far as 32 bits count (UEFI 2.10, 5.2.3). Boot code stays,
 * and so does an entry that never reached the end: a hybrid MBR has others behind it.
 */
function protectiveMbr(mbr: Uint8Array, oldLastLba: number, lastLba: number): Uint8Array {
  assert(mbr.length === SECTOR, 'an MBR is one sector');
  const view = viewOf(mbr);
  for (const entry of [446, 462, 478, 494]) {
    if (mbr[entry + 4] !== 0xee) continue;
    const first = view.getUint32(entry + 8, true);
    if (first + view.getUint32(entry + 12, true) <= oldLastLba) continue;
    view.setUint32(entry + 12, Math.min(lastLba + 1 - first, 0xffffffff), true);
  }
  return mbr;
}

/** Disks of more than 2^53 sectors do not exist; a number is exact below that. */
function lba(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true));
}

function utf16Text(bytes: Uint8Array): string {
  const view = viewOf(bytes);
  let text = '';
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    const unit = view.getUint16(at, true);
    if (unit === 0) break;
    text += String.fromCharCode(unit);
  }
  return text;
}

/** The 16 bytes of a GUID as UEFI keeps it: the first three fields little-endian. */
export function guidBytes(text: string): Uint8Array {
  const hex = text.replaceAll('-', '');
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return Uint8Array.from(order, (at) => Number.parseInt(hex.slice(at * 2, at * 2 + 2), 16));
}
