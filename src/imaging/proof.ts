// Divides an image into pieces to be read back and proved: slices by their digest, empty stretches as zeros.
import type { SliceRow, SliceTable } from '../chunk/tables.ts';

/**
 * Slices that touch this much of either end of the image are withheld until all others are proved. So a disk that
 * was not finished never looks bootable to its firmware, and looks blank to the next agent, which starts again.
 */
export const EDGE_BYTES = 1024 * 1024;

export type DataSlice = Extract<SliceRow, { kind: 'data' }>;

/** Contiguous bytes of the image: whole slices, and stretches of zeros, which may be divided anywhere. */
export interface Piece {
  readonly offset: number;
  readonly length: number;
  readonly rows: readonly SliceRow[];
}

/** Is it written last? */
export function isWithheld({ offset, length }: DataSlice, imageBytes: number): boolean {
  return offset < EDGE_BYTES || offset + length > imageBytes - EDGE_BYTES;
}

/** All but the withheld slices, in image order, in pieces of about `pieceBytes`, made one at a time. */
export function* pieces(slices: SliceTable, pieceBytes: number): Generator<Piece, undefined> {
  let rows: SliceRow[] = [];
  let start = 0;
  let length = 0;
  const take = (): Piece => {
    const piece = { offset: start, length, rows };
    start += length;
    length = 0;
    rows = [];
    return piece;
  };
  for (let index = 0; index < slices.rows; index++) {
    const row = slices.row(index);
    if (row.kind === 'data' && isWithheld(row, slices.imageBytes)) {
      if (length > 0) yield take();
      start = row.offset + row.length;
      continue;
    }
    for (let done = 0; done < row.length; ) {
      const left = row.length - done;
      const part = row.kind === 'zero' ? Math.min(left, pieceBytes - length) : left;
      rows.push(row.kind === 'zero' ? { kind: 'zero', offset: row.offset + done, length: part } : row);
      length += part;
      done += part;
      if (length >= pieceBytes) yield take();
    }
  }
  if (length > 0) yield take();
  return undefined;
}
