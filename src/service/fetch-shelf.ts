// Chunks on their way from the source to the unpacker: fetched in order, kept in the store, handed over as they come.
import { isPeerbootError, PeerbootError } from '../base/errors.ts';
import type { Clock, Timers } from '../base/time.ts';
import type { ChunkTable } from '../chunk/manifest.ts';
import type { ChunkSource, ChunkStore, PartialChunk } from '../chunk/ports.ts';
import { createWindow } from './publish-window.ts';

/** Enough for a fast line, little enough for a small machine: ten megabytes. */
const WINDOW = 8;
/** Handed to the unpacker from memory, if it asks soon; else the store has them. */
const MOST_FRESH = 16;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5_000;

export interface ShelfOptions {
  readonly chunks: ChunkTable;
  readonly store: ChunkStore;
  readonly source: ChunkSource;
  /** What this chunk carries is had another way: it is fetched only when somebody takes it after all. */
  readonly isReused: (row: number) => boolean;
  readonly patienceMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  onChange(): void;
}

/** What failed for now may succeed in a moment: a dead feeder is replaced, a cut line comes back. */
const PASSING: ReadonlySet<string> = new Set(['PB-SOURCE-FAILED', 'PB-CHUNK-MISSING', 'PB-CHUNK-CORRUPT']);

export class Shelf {
  fetchedBytes = 0;
  resumedBytes = 0;
  reusedBytes = 0;
  heldBytes = 0;
  trouble: string | undefined;
  readonly #options: ShelfOptions;
  readonly #fresh = new Map<number, Uint8Array>();
  readonly #waiting = new Map<number, { resolve(bytes: Uint8Array): void; reject(error: unknown): void }>();
  #failure: { readonly error: unknown } | undefined;
  #gainedMs: number;

  constructor(options: ShelfOptions) {
    this.#options = options;
    this.#gainedMs = options.clock.nowMs();
  }

  /** Fetches what the store has not, in the order of rows; rejects when a chunk cannot be had, or not be kept. */
  async fill(): Promise<void> {
    const { chunks, store } = this.#options;
    const missing: number[] = [];
    for (let row = 0; row < chunks.rows; row++) {
      if (store.has(chunks.digest(row))) this.resumedBytes += chunks.size(row);
      else if (this.#options.isReused(row)) this.reusedBytes += chunks.size(row);
      else missing.push(row);
    }
    this.heldBytes = this.resumedBytes + this.reusedBytes;
    const window = createWindow(WINDOW);
    try {
      for (const row of missing) await window.run(async () => void (await this.#fetch(row)));
      await window.drain();
    } catch (error) {
      this.#failure = { error };
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
      throw error;
    }
  }

  /** Proved stored bytes, as soon as they are there. */
  async take(row: number): Promise<Uint8Array> {
    const { chunks, store } = this.#options;
    const fresh = this.#fresh.get(row);
    if (fresh !== undefined) {
      this.#fresh.delete(row);
      return fresh;
    }
    const digest = chunks.digest(row);
    if (store.has(digest)) {
      const held = await store.get(digest);
      // The disk has spoilt it: the store dropped it, and it is fetched after all.
      return held ?? this.#fetch(row);
    }
    if (this.#options.isReused(row)) return this.#fetch(row);
    if (this.#failure !== undefined) throw this.#failure.error;
    return new Promise((resolve, reject) => this.#waiting.set(row, { resolve, reject }));
  }

  async #fetch(row: number): Promise<Uint8Array> {
    const { chunks, store, clock } = this.#options;
    const { digest, size } = chunks.row(row);
    const partial: PartialChunk = { bytes: undefined, received: 0 };
    const bytes = await this.#patiently(() => this.#options.source.fetch({ digest, size }, { partial }));
    this.#gainedMs = clock.nowMs();
    this.trouble = undefined;
    this.fetchedBytes += size;
    this.#hand(row, bytes);
    await store.put({ digest, size }, bytes, { proved: true });
    // Whoever came in the meantime found it neither in memory, if there was no room, nor in the store.
    this.#waiting.get(row)?.resolve(bytes);
    this.#waiting.delete(row);
    this.heldBytes += size;
    this.#options.onChange();
    return bytes;
  }

  #hand(row: number, bytes: Uint8Array): void {
    const waiting = this.#waiting.get(row);
    this.#waiting.delete(row);
    if (waiting !== undefined) waiting.resolve(bytes);
    else if (this.#fresh.size < MOST_FRESH) this.#fresh.set(row, bytes);
  }

  async #patiently(fetch: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const { clock, timers, patienceMs } = this.#options;
    for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(LAST_RETRY_MS, waitMs * 2)) {
      try {
        return await fetch();
      } catch (error) {
        if (!isPeerbootError(error) || !PASSING.has(error.code) || this.#failure !== undefined) throw error;
        if (clock.nowMs() - this.#gainedMs > patienceMs) throw outOfPatience(error, patienceMs);
        this.trouble = `${error.code} ${error.message}`;
        this.#options.onChange();
        await new Promise<void>((resolve) => timers.after(waitMs, resolve));
      }
    }
  }
}

function outOfPatience(error: PeerbootError, patienceMs: number): PeerbootError {
  const what = `nothing came for ${Math.round(patienceMs / 1000)} s: ${error.message}`;
  return new PeerbootError(error.code, what, { cause: error });
}
