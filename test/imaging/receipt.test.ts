// The receipt in the gap before the first partition: read back as written, found by the next agent, never in the way.
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { WireError } from '../../src/base/errors.ts';
import { parseGpt } from '../../src/imaging/layout.ts';
import { encodeReceipt, hasRoomForReceipt, parseReceipt, RECEIPT_OFFSET } from '../../src/imaging/receipt.ts';
import { describeDisk } from '../../src/imaging/signatures.ts';
import { gptImage } from '../agent/content.ts';

const receipt = { ticket: '0123abcd', machine: 'm-abcdefgh', image: 'debian-12@12.1', name: 'till-1' };

it('is read back as it was written', () => {
  expect(parseReceipt(encodeReceipt(receipt))).toEqual(receipt);
  const { name: _, ...nameless } = receipt;
  expect(parseReceipt(encodeReceipt(nameless))).toEqual(nameless);
});

it('a shell of the new system reads its name off it', () => {
  const command = "tr -d '\\0' | sed -n 's/^name=//p'";
  expect(execFileSync('sh', ['-c', command], { input: encodeReceipt(receipt), encoding: 'utf8' })).toBe(
    'till-1\n',
  );
});

it('anything else is none', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 512 }), (bytes) => {
      expect(parseReceipt(bytes)).toBeUndefined();
    }),
  );
  expect(
    parseReceipt(new TextEncoder().encode('PEERBOOT-RECEIPT-1\nticket=a b\nmachine=m\nimage=i\n')),
  ).toBeUndefined();
});

it('is told of a disk that holds it', () => {
  const disk = gptImage(4 * 2 ** 20);
  const gpt = parseGpt(disk.subarray(0, 2 ** 20));
  expect(gpt !== undefined && !(gpt instanceof WireError) && hasRoomForReceipt(gpt)).toBe(true);
  const read = (offset: number, length: number) => disk.subarray(offset, offset + length);
  expect(describeDisk('vda', disk.length, read)).not.toHaveProperty('receipt');
  disk.set(encodeReceipt(receipt), RECEIPT_OFFSET);
  expect(describeDisk('vda', disk.length, read)).toMatchObject({ blank: false, table: 'gpt', receipt });
});

it('has no room where a partition begins before the first MiB', () => {
  const gpt = parseGpt(gptImage(4 * 2 ** 20).subarray(0, 2 ** 20));
  if (gpt === undefined || gpt instanceof WireError) throw new Error('no table');
  const early = { ...gpt.partitions[0], firstLba: 63, lastLba: 4000 } as (typeof gpt.partitions)[number];
  expect(hasRoomForReceipt({ ...gpt, partitions: [early] })).toBe(false);
});
