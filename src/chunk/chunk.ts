// The pack plan: which slices are already stored, which go into which new chunk, and what is wasted by reusing old ones.
import { assert } from '../base/errors.ts';
import { SliceIndex } from './slice-index.ts';
import {
  type ChunkRow,
  type ChunkTable,
  encodeChunkTable,
  type SliceTable,
  SliceTableWriter,
} from './tables.ts';

/** A chunk is closed before it would unpack to more: 4 MiB pack 3.5 : 1, a single slice 2.6 : 1. */
export const CHUNK_BYTES = 4 * 1024 * 1024;

/** A chunk that is to be packed: its slices one after the other, in this order. */
export interface PlannedChunk {
  readonly id: number;
  readonly plainBytes: number;
  /** Their SHA-256 one after the other, 32 bytes each: equal digests, equal chunk. */
  readonly sliceDigests: Uint8Array;
}

/** What to do with the bytes of a slice that was given to the plan. */
export interface Placement {
  /** Is the slice to be appended to the open chunk? If not, it is stored already. */
  readonly append: boolean;
  /** The chunk that had to be closed first: pack what was appended so far. */
  readonly closed: PlannedChunk | undefined;
}

/** A slice to be read from the image again, since the old chunk that holds it is given up. */
export interface Repack {
  readonly slice: number;
  readonly offset: number;
  readonly length: number;
}

export interface PlanSummary {
  /** Stored bytes of the chunks packed for this image. */
  readonly newBytes: number;
  /** Stored bytes of chunks that earlier versions had stored. */
  readonly sharedBytes: number;
  /** Of those, what this image does not need: a site that has none of them fetches it for nothing. */
  readonly wastedBytes: number;
  /** Stored bytes of all chunks that the image needs. */
  readonly storedBytes: number;
  readonly newChunks: number;
  readonly sharedChunks: number;
  readonly zeroBytes: number;
  readonly imageBytes: number;
}

interface PlanChunk {
  plainBytes: number;
  /** Plain bytes of distinct slices that this image takes from it. */
  usedBytes: number;
  readonly isOld: boolean;
  row: ChunkRow | undefined;
}

/**
 * Takes the slices of an image in order and decides where each of them lies. It is pure and deterministic: the same
 * image over the same earlier versions gives the same chunks and tables, so that an interrupted publication goes on.
 *
 * Give it what is stored (`know`), then every stretch (`add`, `zero`), then `flush`; `giveUp` and `place` for the
 * repacking; tell it each packed chunk (`packed`); `tables` ends it.
 */
export class PackPlan {
  readonly #index = new SliceIndex();
  /** By slice number. */
  readonly #chunkOf: number[] = [];
  readonly #offsetOf: number[] = [];
  readonly #lengthOf: number[] = [];
  readonly #firstAt: number[] = [];
  readonly #chunks: PlanChunk[] = [];
  /** Chunks of earlier versions by digest: several versions name the same one. */
  readonly #oldIds = new Map<string, number>();
  /** The image in order: a slice's number, or the length of a stretch of zeros as a negative number. */
  readonly #sequence: number[] = [];
  #imageBytes = 0;
  #zeroBytes = 0;
  #open: number[] = [];
  #openId: number | undefined;

  /**
   * An earlier version's tables; call it for the newest first, whose chunks sites most probably hold.
   * `isStored` tells whether a chunk is really in the tree.
   */
  know(slices: SliceTable, chunks: ChunkTable, isStored: (row: ChunkRow) => boolean): void {
    const ids = new Map<number, number>();
    for (let chunk = 0; chunk < chunks.rows; chunk++) {
      const row = chunks.row(chunk);
      if (!isStored(row)) continue;
      const id = this.#oldIds.get(row.digest) ?? this.#chunks.length;
      ids.set(chunk, id);
      if (id < this.#chunks.length) continue;
      this.#oldIds.set(row.digest, id);
      this.#chunks.push({ plainBytes: row.plainBytes, usedBytes: 0, isOld: true, row });
    }
    for (let row = 0; row < slices.rows; row++) {
      if (slices.isZero(row)) continue;
      const id = ids.get(slices.chunk(row));
      const digest = slices.rawDigest(row);
      if (id === undefined || this.#index.find(digest) >= 0) continue;
      this.#learn(digest, id, slices.chunkOffset(row), slices.length(row));
    }
  }

  /** The next stretch of the image is all zero. */
  zero(length: number): void {
    const last = this.#sequence.at(-1);
    if (last !== undefined && last < 0) this.#sequence[this.#sequence.length - 1] = last - length;
    else this.#sequence.push(-length);
    this.#imageBytes += length;
    this.#zeroBytes += length;
  }

  /** The next stretch of the image is this slice. */
  add(rawDigest: Uint8Array, length: number): Placement {
    const offset = this.#imageBytes;
    this.#imageBytes += length;
    const known = this.#index.find(rawDigest);
    const slice = known >= 0 ? known : this.#learn(rawDigest, -1, 0, length);
    this.#sequence.push(slice);
    if (known < 0) return { append: true, closed: this.place({ slice, offset, length }) };
    this.#use(slice, offset);
    return { append: false, closed: undefined };
  }

  /** Puts a slice into the open chunk; the chunk that had to be closed first, if any. */
  place({ slice, offset, length }: Repack): PlannedChunk | undefined {
    const open = this.#openId === undefined ? undefined : this.#chunk(this.#openId);
    const closed = open !== undefined && open.plainBytes + length > CHUNK_BYTES ? this.flush() : undefined;
    if (this.#openId === undefined) {
      this.#openId = this.#chunks.length;
      this.#chunks.push({ plainBytes: 0, usedBytes: 0, isOld: false, row: undefined });
    }
    const chunk = this.#chunk(this.#openId);
    this.#chunkOf[slice] = this.#openId;
    this.#offsetOf[slice] = chunk.plainBytes;
    this.#firstAt[slice] = -1;
    chunk.plainBytes += length;
    this.#open.push(slice);
    this.#use(slice, offset);
    return closed;
  }

  /** Closes the open chunk, if there is one. */
  flush(): PlannedChunk | undefined {
    const id = this.#openId;
    if (id === undefined) return undefined;
    const sliceDigests = new Uint8Array(this.#open.length * 32);
    this.#open.forEach((slice, i) => {
      sliceDigests.set(this.#index.rawDigest(slice), i * 32);
    });
    this.#open = [];
    this.#openId = undefined;
    return { id, plainBytes: this.#chunk(id).plainBytes, sliceDigests };
  }

  /** Tells what a planned chunk became. */
  packed(id: number, row: ChunkRow): void {
    assert(this.#chunk(id).plainBytes === row.plainBytes, 'a packed chunk holds what was planned');
    this.#chunk(id).row = row;
  }

  /**
   * Gives up the old chunks that waste most for the little they give, until what is wasted is at most `maxWaste`
   * (0.25: a quarter) of all stored bytes. Returns their slices in image order: `place` each of them again.
   */
  giveUp(maxWaste: number): Repack[] {
    const given = new Set<number>();
    let { wastedBytes, storedBytes } = this.summary();
    const worstFirst = this.#chunks
      .map((chunk, id) => ({ chunk, id }))
      .filter(({ chunk }) => wasteOf(chunk) > 0)
      .sort((a, b) => usedShare(a.chunk) - usedShare(b.chunk));
    for (const { chunk, id } of worstFirst) {
      if (wastedBytes <= maxWaste * storedBytes) break;
      wastedBytes -= wasteOf(chunk);
      storedBytes -= wasteOf(chunk);
      given.add(id);
    }
    const repacks: Repack[] = [];
    if (given.size === 0) return repacks;
    const seen = new Set<number>();
    for (const slice of this.#sequence) {
      if (slice < 0 || seen.has(slice) || !given.has(this.#chunkOf[slice] as number)) continue;
      seen.add(slice);
      repacks.push({
        slice,
        offset: this.#firstAt[slice] as number,
        length: this.#lengthOf[slice] as number,
      });
    }
    for (const id of given) this.#chunk(id).usedBytes = 0;
    return repacks;
  }

  summary(): PlanSummary {
    const used = this.#chunks.filter((chunk) => chunk.usedBytes > 0);
    const old = used.filter((chunk) => chunk.isOld);
    const sum = (chunks: readonly PlanChunk[]) =>
      chunks.reduce((total, chunk) => total + (chunk.row?.size ?? 0), 0);
    return {
      newBytes: sum(used) - sum(old),
      sharedBytes: sum(old),
      wastedBytes: Math.round(old.reduce((total, chunk) => total + wasteOf(chunk), 0)),
      storedBytes: sum(used),
      newChunks: used.length - old.length,
      sharedChunks: old.length,
      zeroBytes: this.#zeroBytes,
      imageBytes: this.#imageBytes,
    };
  }

  /** The image's tables, once every planned chunk is packed. Chunks are numbered in the order of their first use. */
  tables(): { slices: Uint8Array; sliceRows: number; chunks: Uint8Array; chunkRows: number } {
    assert(this.#openId === undefined, 'the last chunk is flushed before the tables are made');
    const writer = new SliceTableWriter();
    const numbers = new Map<number, number>();
    for (const slice of this.#sequence) {
      if (slice < 0) {
        writer.zero(-slice);
        continue;
      }
      const id = this.#chunkOf[slice] as number;
      const number = numbers.get(id) ?? numbers.size;
      numbers.set(id, number);
      writer.data(
        this.#lengthOf[slice] as number,
        this.#index.rawDigest(slice),
        number,
        this.#offsetOf[slice] as number,
      );
    }
    const rows = [...numbers.keys()].map((id) => {
      const { row } = this.#chunk(id);
      assert(row !== undefined, `chunk ${id} was planned and never packed`);
      return row;
    });
    return {
      slices: writer.bytes(),
      sliceRows: writer.rows,
      chunks: encodeChunkTable(rows),
      chunkRows: rows.length,
    };
  }

  #learn(rawDigest: Uint8Array, chunk: number, chunkOffset: number, length: number): number {
    const slice = this.#index.add(rawDigest);
    this.#chunkOf[slice] = chunk;
    this.#offsetOf[slice] = chunkOffset;
    this.#lengthOf[slice] = length;
    this.#firstAt[slice] = -1;
    return slice;
  }

  #use(slice: number, offset: number): void {
    if ((this.#firstAt[slice] as number) >= 0) return;
    this.#firstAt[slice] = offset;
    this.#chunk(this.#chunkOf[slice] as number).usedBytes += this.#lengthOf[slice] as number;
  }

  #chunk(id: number): PlanChunk {
    const chunk = this.#chunks[id];
    assert(chunk !== undefined, `chunk ${id} of ${this.#chunks.length}`);
    return chunk;
  }
}

function usedShare(chunk: PlanChunk): number {
  return chunk.usedBytes / chunk.plainBytes;
}

/** Stored bytes that are fetched for slices nobody asked for. */
function wasteOf(chunk: PlanChunk): number {
  const { isOld, usedBytes, row } = chunk;
  return isOld && usedBytes > 0 && row !== undefined ? row.size * (1 - usedShare(chunk)) : 0;
}
