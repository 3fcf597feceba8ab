// The receipt on an imaged disk: one sector in the gap before the first partition, for the next agent and the new system.
import type { Receipt } from '../api/identity.ts';
import { fromText, toText } from '../base/bytes.ts';
import type { Gpt } from './layout.ts';

const SECTOR = 512;
/**
 * The last sector of the first MiB. Partitions begin at or after a MiB, as every tool has aligned them since 2009, and the
 * table's own entries end at LBA 33: with a GPT nothing else lies there (GRUB has a partition of its own for its core).
 */
export const RECEIPT_LBA = 2047;
export const RECEIPT_OFFSET = RECEIPT_LBA * SECTOR;
const MAGIC = 'PEERBOOT-RECEIPT-1';

/** Is the sector nobody's, by this table? */
export function hasRoomForReceipt({ entries, entriesLba, partitions }: Gpt): boolean {
  const entriesEnd = entriesLba + Math.ceil(entries.length / SECTOR);
  const taken = partitions.some(({ firstLba, lastLba }) => firstLba <= RECEIPT_LBA && RECEIPT_LBA <= lastLba);
  return entriesEnd <= RECEIPT_LBA && !taken;
}

/** Lines of `key=value` after the magic, so that a shell can read them; the rest of the sector is zero. */
export function encodeReceipt({ ticket, machine, image, name }: Receipt): Uint8Array {
  const lines = [MAGIC, `ticket=${ticket}`, `machine=${machine}`, `image=${image}`];
  if (name !== undefined) lines.push(`name=${name}`);
  const sector = new Uint8Array(SECTOR);
  sector.set(fromText(`${lines.join('\n')}\n`).subarray(0, SECTOR));
  return sector;
}

/** Undefined when the sector holds none. Nothing in it is proved: it may only keep a disk from being written. */
export function parseReceipt(sector: Uint8Array): Receipt | undefined {
  const [magic, ...lines] = toText(sector.subarray(0, SECTOR)).replaceAll('\0', '').split('\n');
  if (magic !== MAGIC) return undefined;
  const fields = new Map(lines.map((line) => [line.split('=', 1)[0], line.slice(line.indexOf('=') + 1)]));
  const text = (key: string, most: number) => {
    const value = fields.get(key);
    return value !== undefined && value.length <= most && /^[\x21-\x7e]+$/.test(value) ? value : undefined;
  };
  const [ticket, machine, image, name] = [
    text('ticket', 64),
    text('machine', 64),
    text('image', 128),
    text('name', 63),
  ];
  if (ticket === undefined || machine === undefined || image === undefined) return undefined;
  return { ticket, machine, image, ...(name === undefined ? {} : { name }) };
}
