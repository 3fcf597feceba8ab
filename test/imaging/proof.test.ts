// Division of an image into pieces to prove, and the last writes that seal it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equalBytes } from '../../src/base/bytes.ts';
import { SliceTable, SliceTableWriter } from '../../src/chunk/manifest.ts';
import { EDGE_BYTES, isWithheld, pieces } from '../../src/imaging/proof.ts';
import { planSeal } from '../../src/imaging/seal.ts';
import { gptImage } from '../agent/content.ts';

const rows = fc.array(fc.record({ zero: fc.boolean(), length: fc.integer({ min: 1, max: 256 * 1024 }) }), {
  minLength: 1,
  maxLength: 60,
});

function table(list: readonly { readonly zero: boolean; readonly length: number }[]): SliceTable {
  const writer = new SliceTableWriter();
  for (const { zero, length } of list) {
    if (zero) writer.zero(length * 64);
    else writer.data(length, new Uint8Array(32), 0, 0);
  }
  return new SliceTable(writer.bytes());
}

describe('pieces', () => {
  it('cover every byte exactly once but for the withheld ends, each piece without a gap', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 256 * 1024, max: 4 * 2 ** 20 }), (list, pieceBytes) => {
        const slices = table(list);
        let next = 0;
        let zeros = 0;
        const withheld = [...slices].filter(
          (row) => row.kind === 'data' && isWithheld(row, slices.imageBytes),
        );
        const skip = () => {
          for (const row of withheld) if (row.offset === next) next += row.length;
        };
        for (const piece of pieces(slices, pieceBytes)) {
          skip();
          expect(piece.offset).toBe(next);
          for (const row of piece.rows) {
            expect(row.offset).toBe(next);
            next += row.length;
            if (row.kind === 'zero') zeros += row.length;
            else expect(isWithheld(row, slices.imageBytes)).toBe(false);
          }
          expect(piece.offset + piece.length).toBe(next);
          expect(piece.length).toBeLessThan(pieceBytes + 256 * 1024);
        }
        skip();
        expect(next).toBe(slices.imageBytes);
        expect(zeros).toBe([...slices].reduce((sum, row) => sum + (row.kind === 'zero' ? row.length : 0), 0));
      }),
    );
  });
});

describe('planSeal', () => {
  const imageBytes = 8 * 2 ** 20;
  const image = gptImage(imageBytes);
  const withheldOf = (bytes: Uint8Array) =>
    Array.from({ length: imageBytes / 65_536 }, (_, i) => ({
      kind: 'data' as const,
      offset: i * 65_536,
      length: 65_536,
      digest: 'sha256:' as const,
      chunk: 0,
      chunkOffset: 0,
    }))
      .filter((slice) => isWithheld(slice, imageBytes))
      .map((slice) => ({ slice, bytes: bytes.subarray(slice.offset, slice.offset + slice.length) }));

  /** A disk as it is before the seal: all of the image but its ends. */
  function disk(diskBytes: number): Uint8Array {
    const bytes = new Uint8Array(diskBytes);
    bytes.set(image.subarray(EDGE_BYTES, imageBytes - EDGE_BYTES), EDGE_BYTES);
    return bytes;
  }

  it('on a disk of the same size makes it the image, the first sectors last', () => {
    const target = disk(imageBytes);
    const plan = planSeal(target.subarray(0, EDGE_BYTES), withheldOf(image), imageBytes);
    for (const { offset, bytes } of plan.writes) target.set(bytes, offset);
    expect(equalBytes(target, image)).toBe(true);
    expect(plan.writes.at(-1)?.offset).toBe(0);
    expect(plan.gpt?.partitions.map((partition) => partition.name)).toEqual(['EFI', 'root']);
  });

  it('on a larger disk writes a table that knows its size, and leaves all partitions as in the image', () => {
    const diskBytes = 3 * imageBytes;
    const target = disk(diskBytes);
    const plan = planSeal(target.subarray(0, EDGE_BYTES), withheldOf(image), diskBytes);
    for (const { offset, bytes } of plan.writes) target.set(bytes, offset);
    expect(plan.gpt?.backupLba).toBe(diskBytes / 512 - 1);
    expect(plan.writes[0]?.offset).toBe(diskBytes - 33 * 512);
    expect(plan.writes.at(-1)?.offset).toBe(0);
    expect(equalBytes(target.subarray(1024, imageBytes), image.subarray(1024))).toBe(true);
  });

  it('leaves a damaged table as it is and says so', () => {
    const damaged = image.slice();
    damaged[600] = (damaged[600] as number) ^ 1;
    const plan = planSeal(disk(imageBytes * 2).subarray(0, EDGE_BYTES), withheldOf(damaged), imageBytes * 2);
    expect(plan.unread).toMatch(/checksum/);
    expect(plan.gpt).toBeUndefined();
  });
});
