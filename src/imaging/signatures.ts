// Recognises what lies on a disk by its first and last bytes: blank, tables, partitions, file systems.
import type { DiskContent } from '../api/identity.ts';
import { fromText, toText, viewOf } from '../base/bytes.ts';
import { parseGpt, TABLE_BYTES } from './layout.ts';
import { parseReceipt, RECEIPT_OFFSET } from './receipt.ts';

const SECTOR = 512;
/** Covers all magics below: btrfs has its own at 64 KiB. */
const PROBE_BYTES = 68 * 1024;
/** More partitions than a person reads, and than one check-in should carry. */
const MOST_PARTITIONS = 32;

/** Reads synchronously; fewer bytes than asked for at the end of the disk. */
export type ReadDisk = (offset: number, length: number) => Uint8Array;

interface Magic {
  readonly filesystem: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Where the label is: offset and length in bytes. */
  readonly label?: readonly [number, number];
}

const MAGICS: readonly Magic[] = [
  { filesystem: 'luks', offset: 0, bytes: Uint8Array.of(0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe) },
  { filesystem: 'lvm', offset: 512, bytes: fromText('LABELONE') },
  { filesystem: 'lvm', offset: 0, bytes: fromText('LABELONE') },
  { filesystem: 'ntfs', offset: 3, bytes: fromText('NTFS    ') },
  { filesystem: 'exfat', offset: 3, bytes: fromText('EXFAT   ') },
  { filesystem: 'bitlocker', offset: 3, bytes: fromText('-FVE-FS-') },
  { filesystem: 'vfat', offset: 82, bytes: fromText('FAT32   '), label: [71, 11] },
  { filesystem: 'vfat', offset: 54, bytes: fromText('FAT'), label: [43, 11] },
  { filesystem: 'xfs', offset: 0, bytes: fromText('XFSB'), label: [108, 12] },
  { filesystem: 'ext4', offset: 1080, bytes: Uint8Array.of(0x53, 0xef), label: [1144, 16] },
  { filesystem: 'btrfs', offset: 65_600, bytes: fromText('_BHRfS_M'), label: [65_835, 64] },
  { filesystem: 'swap', offset: 4086, bytes: fromText('SWAPSPACE2'), label: [1052, 16] },
  { filesystem: 'raid', offset: 4096, bytes: Uint8Array.of(0xfc, 0x4e, 0x2b, 0xa9) },
];

/** The file system in these first bytes, if it is a known one. ext2 and ext3 count as ext4. */
export function recogniseFilesystem(
  start: Uint8Array,
): { readonly filesystem: string; readonly label?: string } | undefined {
  const magic = MAGICS.find(({ offset, bytes }) => bytes.every((byte, i) => start[offset + i] === byte));
  if (magic === undefined) return undefined;
  const label = magic.label === undefined ? '' : textAt(start, ...magic.label);
  return { filesystem: magic.filesystem, ...(label === '' ? {} : { label }) };
}

/** What is on the disk called `name` (partitions are named as the kernel does). Blank: a MiB at each end is zero. */
export function describeDisk(name: string, sizeBytes: number, read: ReadDisk): DiskContent {
  const start = read(0, Math.min(TABLE_BYTES, sizeBytes));
  const tail = Math.min(TABLE_BYTES, sizeBytes);
  if (isBlank(start) && isBlank(read(sizeBytes - tail, tail))) return { blank: true, partitions: [] };
  const gpt = parseGpt(start);
  const found =
    gpt === undefined || gpt instanceof Error
      ? mbrPartitions(start)
      : gpt.partitions.map((partition) => ({
          number: partition.number,
          offset: partition.firstLba * SECTOR,
          sizeBytes: (partition.lastLba + 1 - partition.firstLba) * SECTOR,
        }));
  const whole = found === undefined ? recogniseFilesystem(start) : undefined;
  if (whole !== undefined) return { blank: false, partitions: [{ name, sizeBytes, ...whole }] };
  const partitions = (found ?? []).slice(0, MOST_PARTITIONS).map((partition) => {
    const room = Math.max(0, Math.min(PROBE_BYTES, sizeBytes - partition.offset));
    const known = recogniseFilesystem(room === 0 ? new Uint8Array(0) : read(partition.offset, room));
    return { name: partitionName(name, partition.number), sizeBytes: partition.sizeBytes, ...known };
  });
  const table = gpt !== undefined ? 'gpt' : found !== undefined ? 'mbr' : undefined;
  const receipt = parseReceipt(start.subarray(RECEIPT_OFFSET));
  return {
    blank: false,
    ...(table === undefined ? {} : { table }),
    partitions,
    ...(receipt === undefined ? {} : { receipt }),
  };
}

/** A loop, for it goes over megabytes of each disk at every check-in. */
function isBlank(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Primary entries of a partition table in the MBR; undefined when there is none. A boot sector alone is no table. */
function mbrPartitions(
  start: Uint8Array,
): { readonly number: number; readonly offset: number; readonly sizeBytes: number }[] | undefined {
  if (start[510] !== 0x55 || start[511] !== 0xaa) return undefined;
  const view = viewOf(start);
  const entries = [0, 1, 2, 3].flatMap((index) => {
    const at = 446 + index * 16;
    const active = start[at];
    const type = start[at + 4];
    const sectors = view.getUint32(at + 12, true);
    // File systems put code where the table would be: only entries in form count.
    if ((active !== 0 && active !== 0x80) || (type === 0 && sectors !== 0)) return [undefined];
    if (type === 0 || sectors === 0) return [];
    return [
      { number: index + 1, offset: view.getUint32(at + 8, true) * SECTOR, sizeBytes: sectors * SECTOR },
    ];
  });
  if (entries.length === 0 || entries.includes(undefined)) return undefined;
  return entries.filter((entry) => entry !== undefined);
}

/** `vda1`, but `nvme0n1p1` and `mmcblk0p1`: a digit at the end of the disk's name asks for a `p`. */
function partitionName(disk: string, number: number): string {
  return /\d$/.test(disk) ? `${disk}p${number}` : `${disk}${number}`;
}

function textAt(bytes: Uint8Array, offset: number, length: number): string {
  const field = bytes.subarray(offset, offset + length);
  const end = field.indexOf(0);
  const text = toText(end < 0 ? field : field.subarray(0, end)).trim();
  // FAT says so when it has none; unprintable bytes are no label but a lookalike.
  return text === 'NO NAME' || /[^\x20-\x7e\u00a0-\uffff]/.test(text) ? '' : text;
}
