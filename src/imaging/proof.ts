// Divides an image into pieces to be read back and proved: slices by their digest, empty stretches as zeros.
import type { SliceTable } from '../chunk/tables.ts';

/**
 * The boot sector and a partition table of the usual size. Slices that begin in here are withheld until all
 * others are proved, so that a disk which was not finished never looks bootable to its firmware.
 */
export const HEAD_BYTES = 34 * 512;

/** Contiguous bytes of the image, whole slices but for stretches of zeros, which may be divided anywhere. */
export interface Piece {
  readonly offset: number;
  readonly length: number;
  readonly stretches: readonly Stretch[];
}

export interface Stretch {
  readonly offset: number;
  readonly length: number;
  /** Row in the slice table; undefined for zeros. */
  readonly row: number | undefined;
}

/** Slice rows that are written last. */
export function withheldRows(slices: SliceTable): readonly number[] {
  const rows: number[] = [];
  for (let row = 0; row < slices.rows && slices.offset(row) < HEAD_BYTES; row++) {
    if (!slices.isZero(row)) rows.push(row);
  }
  return rows;
}

/** All but the withheld rows, in image order, in pieces of about `pieceBytes`, made one at a time. */
export function* pieces(slices: SliceTable, pieceBytes: number): Generator<Piece> {
  const withheld = new Set(withheldRows(slices));
  let stretches: Stretch[] = [];
  let start = 0;
  let length = 0;
  const take = (): Piece => {
    const piece = { offset: start, length, stretches };
    start += length;
    length = 0;
    stretches = [];
    return piece;
  };
  for (let row = 0; row < slices.rows; row++) {
    if (withheld.has(row)) {
      if (length > 0) yield take();
      start = slices.offset(row) + slices.length(row);
      continue;
    }
    const zero = slices.isZero(row);
    for (let done = 0; done < slices.length(row); ) {
      const left = slices.length(row) - done;
      const part = zero ? Math.min(left, Math.max(pieceBytes - length, 1)) : left;
      stretches.push({ offset: slices.offset(row) + done, length: part, row: zero ? undefined : row });
      length += part;
      done += part;
      if (length >= pieceBytes) yield take();
    }
  }
  if (length > 0) yield take();
}
