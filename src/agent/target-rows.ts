// What a target holds of its image and hands out: chunks in memory, and those on its disk, packed again.
import { assert, isPeerbootError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { openBytes } from '../chunk/ports.ts';
import { type DataSlice, isWithheld } from '../imaging/proof.ts';
import type { Withheld } from '../imaging/seal.ts';
import type { TargetDisk } from '../imaging/target-disk.ts';
import type { LocalRows, OpenRow } from '../swarm/node-ports.ts';
import type { ImageTables } from './manifest.ts';

export interface TargetRowsOptions {
  readonly tables: ImageTables;
  readonly disk: TargetDisk;
  readonly log: Log;
  /** Stored bytes that may stay in memory; the last few chunks stay in any case. */
  readonly memoryBytes: number;
  /** A chunk has come that was proved; it is in memory. */
  readonly arrived: (row: number, bytes: number) => void;
  /** A chunk that had come is neither in memory nor on the disk any more. */
  readonly lost: (row: number) => void;
}

/** So many chunks stay in memory however small it is: followers are that close behind. */
const LEAST_CHUNKS = 8;
/** Made again from the disk and not yet sent, at most. */
const MOST_REBUILT = 4;
/** After so many that came out otherwise, and none that did not: this image was packed by other means. */
const EXACT_TRIES = 3;

interface Held {
  readonly bytes: Uint8Array;
  /** Being written: it must stay. */
  claimed: boolean;
}

export class TargetRows implements LocalRows {
  readonly #options: TargetRowsOptions;
  readonly #slices: { rowsOf(chunk: number): Uint32Array };
  /** In the order of coming. */
  readonly #memory = new Map<number, Held>();
  #memoryBytes = 0;
  readonly #written: Uint8Array;
  /** By where in the image they begin: they are on the disk only at the very end, and then as that disk needs them. */
  readonly #withheld = new Map<number, Withheld>();
  /** Came in another zstd frame than the published one. */
  readonly #repacked = new Set<number>();
  readonly #rebuilding = new Map<number, Promise<OpenRow | undefined>>();
  #exact = { right: 0, wrong: 0 };

  constructor(options: TargetRowsOptions) {
    this.#options = options;
    const { slices, chunks } = options.tables;
    this.#slices = slices.byChunk(chunks.rows);
    this.#written = new Uint8Array(chunks.rows);
  }

  has(row: number): boolean {
    return this.#memory.has(row) || this.#written[row] === 1;
  }

  async open(row: number): Promise<OpenRow | undefined> {
    const bytes = this.inMemory(row);
    if (bytes !== undefined)
      return { ...openBytes(bytes), form: this.#repacked.has(row) ? 'repacked' : 'stored' };
    if (this.#written[row] !== 1) return undefined;
    const rebuilding = this.#rebuilt(row);
    this.#rebuilding.delete(row);
    // Followers ask in order: the next one is made while this one is sent.
    if (this.#written[row + 1] === 1 && !this.#memory.has(row + 1)) void this.#rebuilt(row + 1);
    return rebuilding;
  }

  /** The few newest that nobody has taken wait here. */
  #rebuilt(row: number): Promise<OpenRow | undefined> {
    const already = this.#rebuilding.get(row);
    if (already !== undefined) return already;
    const rebuilding = this.#rebuild(row);
    this.#rebuilding.set(row, rebuilding);
    if (this.#rebuilding.size > MOST_REBUILT) {
      const [oldest] = this.#rebuilding.keys();
      if (oldest !== undefined) this.#rebuilding.delete(oldest);
    }
    return rebuilding;
  }

  async keep(row: number, bytes: Uint8Array): Promise<void> {
    if (!this.has(row)) this.#put(row, bytes, false);
  }

  async proveRepacked(row: number, stored: Uint8Array): Promise<boolean> {
    const plainBytes = this.#options.tables.chunks.plainBytes(row);
    const right = await this.#options.disk.proveChunk({ stored, plainBytes, slices: this.slicesOf(row) });
    if (right) this.#repacked.add(row);
    return right;
  }

  inMemory(row: number): Uint8Array | undefined {
    return this.#memory.get(row)?.bytes;
  }

  /** It stays in memory until it is written. `bytes` are those just fetched. */
  claim(row: number, bytes?: Uint8Array): Uint8Array {
    const held = this.#memory.get(row) ?? (bytes === undefined ? undefined : this.#put(row, bytes, true));
    assert(held !== undefined, `chunk ${row} is in memory until it is written`);
    held.claimed = true;
    return held.bytes;
  }

  written(row: number, withheld: readonly Withheld[]): void {
    for (const one of withheld) this.#withheld.set(one.slice.offset, one);
    this.#written[row] = 1;
    const held = this.#memory.get(row);
    if (held !== undefined) held.claimed = false;
    this.#release();
  }

  /** All slices of the image that are withheld until the end, as far as they have come. */
  get withheld(): readonly Withheld[] {
    return [...this.#withheld.values()];
  }

  /** What the image uses of the chunk, in image order: a slice that it repeats is listed for each place. */
  slicesOf(row: number): readonly DataSlice[] {
    const { slices } = this.#options.tables;
    return Array.from(this.#slices.rowsOf(row), (one) => slices.row(one)).filter(
      (slice) => slice.kind === 'data',
    );
  }

  #put(row: number, bytes: Uint8Array, claimed: boolean): Held {
    const held = { bytes, claimed };
    this.#memory.set(row, held);
    this.#memoryBytes += bytes.length;
    this.#options.arrived(row, bytes.length);
    this.#release();
    return held;
  }

  /** The oldest that is on the disk goes first, then the oldest that nobody is writing, which is lost. */
  #release(): void {
    while (this.#memoryBytes > this.#options.memoryBytes && this.#memory.size > LEAST_CHUNKS) {
      const row = this.#oldest((one) => this.#written[one] === 1) ?? this.#oldest(() => true);
      if (row === undefined) return;
      this.#memoryBytes -= this.#memory.get(row)?.bytes.length ?? 0;
      this.#memory.delete(row);
      if (!this.has(row)) this.#options.lost(row);
    }
  }

  #oldest(fits: (row: number) => boolean): number | undefined {
    for (const [row, { claimed }] of this.#memory) if (!claimed && fits(row)) return row;
    return undefined;
  }

  async #rebuild(row: number): Promise<OpenRow | undefined> {
    const { tables, disk, log } = this.#options;
    const { digest, plainBytes } = tables.chunks.row(row);
    const { slices, kept, usedBytes } = this.#placesOf(row);
    const exactly = usedBytes === plainBytes && (this.#exact.right > 0 || this.#exact.wrong < EXACT_TRIES);
    try {
      const made = await disk.rebuild({ digest, plainBytes, slices, kept, exactly });
      if (made !== undefined) {
        if (exactly) this.#exact[made.exact ? 'right' : 'wrong'] += 1;
        return { ...openBytes(made.bytes), form: made.exact ? 'stored' : 'repacked' };
      }
      log.warn({ digest, row }, 'the disk does not hold this chunk as it was written');
    } catch (error) {
      if (!isPeerbootError(error)) throw error;
      log.warn({ digest, row, err: error }, 'chunk cannot be read from the disk');
    }
    this.#written[row] = 0;
    return undefined;
  }

  /** Where each slice of the chunk is to be had, once: on the disk, else in memory. */
  #placesOf(row: number): {
    readonly slices: readonly DataSlice[];
    readonly kept: readonly Withheld[];
    readonly usedBytes: number;
  } {
    const { imageBytes } = this.#options.tables.manifest;
    const onDisk = new Map<number, DataSlice>();
    const kept = new Map<number, Withheld>();
    let usedBytes = 0;
    for (const slice of this.slicesOf(row)) {
      const { chunkOffset, length } = slice;
      if (!onDisk.has(chunkOffset) && !kept.has(chunkOffset)) usedBytes += length;
      const held = isWithheld(slice, imageBytes) ? this.#withheld.get(slice.offset) : undefined;
      if (held !== undefined) kept.set(chunkOffset, held);
      else onDisk.set(chunkOffset, slice);
    }
    for (const chunkOffset of onDisk.keys()) kept.delete(chunkOffset);
    return { slices: [...onDisk.values()], kept: [...kept.values()], usedBytes };
  }
}
