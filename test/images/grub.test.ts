// GRUB put on a disk by our own hand: what is patched, and what is left alone.
import { expect, it } from 'vitest';
import { placeBiosGrub } from '../../images/grub.ts';

const filled = (length: number, value: number) => new Uint8Array(length).fill(value);
const placed = placeBiosGrub(filled(512, 0xdd), { boot: filled(512, 0xbb), core: filled(1300, 0xcc) }, 2048);
const first = new DataView(placed.firstSector.buffer);
const core = new DataView(placed.core.buffer);

it('keeps the disk’s parameters and partition table, and takes GRUB’s code for the rest', () => {
  const from = Array.from(placed.firstSector, (byte, i) => ({ byte, i }));
  const kept = from.filter(({ byte }) => byte === 0xdd).map(({ i }) => i);
  expect([kept[0], kept.at(-1)]).toEqual([0x03, 0x1fd]);
  expect(kept.length).toBe(0x5a - 0x03 + (0x1fe - 0x1b8));
  expect(placed.firstSector.subarray(0x1fe)).toEqual(filled(2, 0xbb));
});

it('points the first sector at the core, and disarms the check of the drive number', () => {
  expect(first.getBigUint64(0x5c, true)).toBe(2048n);
  expect(first.getUint16(0x66, true)).toBe(0x9090);
});

it('tells the core where its rest lies: from the next sector on, all but its first', () => {
  expect(placed.core.length).toBe(3 * 512);
  expect(core.getBigUint64(500, true)).toBe(2049n);
  expect(core.getUint16(508, true)).toBe(2);
  expect(core.getUint16(510, true)).toBe(0x820);
});
