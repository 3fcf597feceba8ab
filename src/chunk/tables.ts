// The two tables of an image, binary and fixed-width: its slices in image order, and its chunks.
import { equalBytes, fromHex, viewOf } from '../base/bytes.ts';
import { type Descriptor, type Digest, digestHex, digestOfRaw } from '../base/digest.ts';
import { assert, WireError } from '../base/errors.ts';
import type { Manifest } from './manifest.ts';

/** One slice: length u32, chunk u32, offset in the chunk's plain bytes u32, SHA-256; big-endian. */
export const SLICE_ROW_BYTES = 44;
/** One chunk: SHA-256 of its stored bytes, stored size u32, plain bytes u32; big-endian. */
export const CHUNK_ROW_BYTES = 40;

/** No slice of data is longer; the cutter's own bound is in slice.ts. */
export const MAX_SLICE_BYTES = 256 * 1024;
/** No chunk unpacks to more: what a reader must be able to hold for one chunk. */
export const MAX_CHUNK_BYTES = 16 * 1024 * 1024;
/** A longer stretch of zeros takes several rows. */
export const MAX_ZERO_BYTES = 2 ** 31;

/** In a row's chunk field: this stretch is all zero, kept nowhere, and has no digest. */
const ZERO = 0xffff_ffff;
const DIGEST_BYTES = 32;

/** One stretch of the image, in image order without gaps; they sum up to `imageBytes`. */
export type SliceRow =
  | { readonly kind: 'zero'; readonly offset: number; readonly length: number }
  | {
      readonly kind: 'data';
      readonly offset: number;
      readonly length: number;
      /** SHA-256 of the plain bytes. */
      readonly digest: Digest;
      /** Row in the chunk table, and where in that chunk's plain bytes the slice begins. */
      readonly chunk: number;
      readonly chunkOffset: number;
    };

export interface ChunkRow extends Descriptor {
  /** Bytes after unpacking: an unpacker stops there. */
  readonly plainBytes: number;
}

/**
 * Slices in image order. It stays the bytes it was parsed from: half a million rows are 22 MB and no objects,
 * so read single fields in hot loops and `row()` where an object reads better.
 */
export class SliceTable {
  readonly rows: number;
  /** Of the image: the sum of all lengths. */
  readonly imageBytes: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #offsets: Float64Array;

  /** Only from bytes that parseSliceTable has checked, or that SliceTableWriter made. */
  constructor(bytes: Uint8Array) {
    this.rows = bytes.length / SLICE_ROW_BYTES;
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#offsets = new Float64Array(this.rows);
    let offset = 0;
    for (let row = 0; row < this.rows; row++) {
      this.#offsets[row] = offset;
      offset += this.length(row);
    }
    this.imageBytes = offset;
  }

  /** Where in the image the stretch begins, in bytes. */
  offset(row: number): number {
    const offset = this.#offsets[row];
    assert(offset !== undefined, `slice row ${row} of ${this.rows}`);
    return offset;
  }
  length(row: number): number {
    return this.#view.getUint32(row * SLICE_ROW_BYTES);
  }
  isZero(row: number): boolean {
    return this.#view.getUint32(row * SLICE_ROW_BYTES + 4) === ZERO;
  }
  /** Row in the chunk table. Of data only. */
  chunk(row: number): number {
    return this.#view.getUint32(row * SLICE_ROW_BYTES + 4);
  }
  /** Where in the chunk's plain bytes the slice begins. Of data only. */
  chunkOffset(row: number): number {
    return this.#view.getUint32(row * SLICE_ROW_BYTES + 8);
  }
  /** SHA-256 of the plain bytes, 32 raw bytes: a window, not a copy. Of data only. */
  rawDigest(row: number): Uint8Array {
    const at = row * SLICE_ROW_BYTES + 12;
    return this.#bytes.subarray(at, at + DIGEST_BYTES);
  }
  row(row: number): SliceRow {
    const offset = this.offset(row);
    const length = this.length(row);
    if (this.isZero(row)) return { kind: 'zero', offset, length };
    const digest = digestOfRaw(this.rawDigest(row));
    return {
      kind: 'data',
      offset,
      length,
      digest,
      chunk: this.chunk(row),
      chunkOffset: this.chunkOffset(row),
    };
  }
  *[Symbol.iterator](): IterableIterator<SliceRow> {
    for (let row = 0; row < this.rows; row++) yield this.row(row);
  }

  /** Do both tables cut the same image in the same way, wherever its slices are stored? */
  isSameImage(other: SliceTable): boolean {
    if (this.rows !== other.rows) return false;
    for (let row = 0; row < this.rows; row++) {
      if (this.length(row) !== other.length(row) || this.isZero(row) !== other.isZero(row)) return false;
      if (!equalBytes(this.rawDigest(row), other.rawDigest(row))) return false;
    }
    return true;
  }

  /**
   * For each chunk the slice rows that it carries, in image order: `rowsOf(chunk)`. A slice that the image
   * repeats is listed once for each place. 4 bytes a slice.
   */
  byChunk(chunkRows: number): { rowsOf(chunk: number): Uint32Array } {
    const starts = new Uint32Array(chunkRows + 1);
    for (let row = 0; row < this.rows; row++) {
      if (!this.isZero(row)) starts[this.chunk(row) + 1] = (starts[this.chunk(row) + 1] as number) + 1;
    }
    for (let chunk = 0; chunk < chunkRows; chunk++) {
      starts[chunk + 1] = (starts[chunk + 1] as number) + (starts[chunk] as number);
    }
    const filled = starts.slice(0, chunkRows);
    const rows = new Uint32Array(starts[chunkRows] as number);
    for (let row = 0; row < this.rows; row++) {
      if (this.isZero(row)) continue;
      const chunk = this.chunk(row);
      const at = filled[chunk] as number;
      rows[at] = row;
      filled[chunk] = at + 1;
    }
    return { rowsOf: (chunk) => rows.subarray(starts[chunk], starts[chunk + 1]) };
  }
}

/** Writes the slice table row by row, in image order, without an object a row. */
export class SliceTableWriter {
  rows = 0;
  #bytes = new Uint8Array(1024 * SLICE_ROW_BYTES);

  /** A stretch of zeros of any length. */
  zero(length: number): void {
    for (let left = length; left > 0; left -= MAX_ZERO_BYTES) {
      this.#append(Math.min(left, MAX_ZERO_BYTES), ZERO, 0, undefined);
    }
  }
  data(length: number, rawDigest: Uint8Array, chunk: number, chunkOffset: number): void {
    assert(rawDigest.length === DIGEST_BYTES, 'a digest has 32 bytes');
    this.#append(length, chunk, chunkOffset, rawDigest);
  }
  /** The table's plain bytes so far. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.rows * SLICE_ROW_BYTES);
  }

  #append(length: number, chunk: number, chunkOffset: number, rawDigest: Uint8Array | undefined): void {
    const at = this.rows * SLICE_ROW_BYTES;
    if (at === this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    const view = viewOf(this.#bytes);
    view.setUint32(at, length);
    view.setUint32(at + 4, chunk);
    view.setUint32(at + 8, chunkOffset);
    if (rawDigest !== undefined) this.#bytes.set(rawDigest, at + 12);
    this.rows++;
  }
}

/** Rows in image order, as one stretch after the other: their `offset` follows from the lengths before. */
export function encodeSliceTable(rows: Iterable<SliceRow>): Uint8Array {
  const writer = new SliceTableWriter();
  for (const row of rows) {
    if (row.kind === 'zero') writer.zero(row.length);
    else writer.data(row.length, rawOf(row.digest), row.chunk, row.chunkOffset);
  }
  return writer.bytes();
}

/** Any plain bytes → the slice table that the manifest speaks of, or what is wrong with them. */
export function parseSliceTable(bytes: Uint8Array, manifest: Manifest): SliceTable | WireError {
  if (bytes.length !== manifest.sliceTable.plainBytes || bytes.length % SLICE_ROW_BYTES !== 0) {
    return new WireError(`slice table has ${bytes.length} bytes, not ${manifest.sliceTable.plainBytes}`);
  }
  const view = viewOf(bytes);
  let imageBytes = 0;
  for (let at = 0; at < bytes.length; at += SLICE_ROW_BYTES) {
    const length = view.getUint32(at);
    const chunk = view.getUint32(at + 4);
    const chunkOffset = view.getUint32(at + 8);
    if (length === 0) return new WireError('empty slice', at);
    if (chunk === ZERO) {
      if (length > MAX_ZERO_BYTES || chunkOffset !== 0) return new WireError('malformed zero stretch', at);
    } else {
      if (length > MAX_SLICE_BYTES) return new WireError(`slice of ${length} bytes`, at);
      if (chunk >= manifest.chunkTable.rows) return new WireError(`slice in unknown chunk ${chunk}`, at);
      if (chunkOffset + length > MAX_CHUNK_BYTES) return new WireError('slice beyond any chunk', at);
    }
    imageBytes += length;
  }
  if (imageBytes !== manifest.imageBytes) {
    return new WireError(`slices sum up to ${imageBytes} bytes, the image has ${manifest.imageBytes}`);
  }
  return new SliceTable(bytes);
}

/** The chunks that an image needs, in the order of their first use. It stays the bytes it was parsed from. */
export class ChunkTable {
  readonly rows: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  /** Only from bytes that parseChunkTable has checked, or that encodeChunkTable made. */
  constructor(bytes: Uint8Array) {
    this.rows = bytes.length / CHUNK_ROW_BYTES;
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }
  digest(row: number): Digest {
    return digestOfRaw(this.rawDigest(row));
  }
  /** SHA-256 of the stored bytes, 32 raw bytes: a window, not a copy. */
  rawDigest(row: number): Uint8Array {
    const at = row * CHUNK_ROW_BYTES;
    return this.#bytes.subarray(at, at + DIGEST_BYTES);
  }
  /** Stored bytes. */
  size(row: number): number {
    return this.#view.getUint32(row * CHUNK_ROW_BYTES + 32);
  }
  plainBytes(row: number): number {
    return this.#view.getUint32(row * CHUNK_ROW_BYTES + 36);
  }
  row(row: number): ChunkRow {
    return { digest: this.digest(row), size: this.size(row), plainBytes: this.plainBytes(row) };
  }
  every(check: (row: ChunkRow) => boolean): boolean {
    for (let row = 0; row < this.rows; row++) if (!check(this.row(row))) return false;
    return true;
  }
  *[Symbol.iterator](): IterableIterator<ChunkRow> {
    for (let row = 0; row < this.rows; row++) yield this.row(row);
  }
}

export function encodeChunkTable(rows: readonly ChunkRow[]): Uint8Array {
  const bytes = new Uint8Array(rows.length * CHUNK_ROW_BYTES);
  const view = viewOf(bytes);
  for (const [index, row] of rows.entries()) {
    const at = index * CHUNK_ROW_BYTES;
    bytes.set(rawOf(row.digest), at);
    view.setUint32(at + 32, row.size);
    view.setUint32(at + 36, row.plainBytes);
  }
  return bytes;
}

/** Any plain bytes → the chunk table that the manifest speaks of, or what is wrong with them. */
export function parseChunkTable(bytes: Uint8Array, manifest: Manifest): ChunkTable | WireError {
  if (bytes.length !== manifest.chunkTable.plainBytes || bytes.length % CHUNK_ROW_BYTES !== 0) {
    return new WireError(`chunk table has ${bytes.length} bytes, not ${manifest.chunkTable.plainBytes}`);
  }
  const table = new ChunkTable(bytes);
  let storedBytes = 0;
  for (let row = 0; row < table.rows; row++) {
    const [size, plainBytes] = [table.size(row), table.plainBytes(row)];
    if (size === 0 || plainBytes === 0) return new WireError('empty chunk', row * CHUNK_ROW_BYTES);
    // Incompressible bytes grow by a frame's header only: twice the plain size is generous.
    if (plainBytes > MAX_CHUNK_BYTES || size > 2 * plainBytes + 1024) {
      return new WireError(`chunk of ${size} stored, ${plainBytes} plain bytes`, row * CHUNK_ROW_BYTES);
    }
    storedBytes += size;
  }
  if (storedBytes !== manifest.storedBytes) {
    return new WireError(`chunks sum up to ${storedBytes} bytes, the manifest says ${manifest.storedBytes}`);
  }
  return table;
}

/** What neither table shows alone: every slice lies within its chunk's plain bytes. */
export function checkTables(slices: SliceTable, chunks: ChunkTable): WireError | undefined {
  for (let row = 0; row < slices.rows; row++) {
    if (slices.isZero(row)) continue;
    const chunk = slices.chunk(row);
    if (chunk >= chunks.rows || slices.chunkOffset(row) + slices.length(row) > chunks.plainBytes(chunk)) {
      return new WireError(`slice ${row} reaches beyond chunk ${chunk}`, row * SLICE_ROW_BYTES);
    }
  }
  return undefined;
}

export interface Tables {
  readonly slices: SliceTable;
  readonly chunks: ChunkTable;
}

/** Both tables, unpacked, each as the manifest and the other one want it. */
export function parseTables(manifest: Manifest, slices: Uint8Array, chunks: Uint8Array): Tables | WireError {
  const sliceTable = parseSliceTable(slices, manifest);
  if (sliceTable instanceof WireError) return sliceTable;
  const chunkTable = parseChunkTable(chunks, manifest);
  if (chunkTable instanceof WireError) return chunkTable;
  return checkTables(sliceTable, chunkTable) ?? { slices: sliceTable, chunks: chunkTable };
}

function rawOf(digest: Digest): Uint8Array {
  const raw = fromHex(digestHex(digest));
  assert(raw?.length === DIGEST_BYTES, `not a digest: ${digest}`);
  return raw;
}
