// Stored bytes for whoever asks: the local chunk store first, else the sources in order; proved, served, and kept.
import type { Digest } from '../base/digest.ts';
import type { Log } from '../base/log.ts';
import {
  type ChunkSource,
  type ChunkStore,
  type FetchOptions,
  type OpenChunk,
  openBytes,
  type Wanted,
} from '../chunk/ports.ts';

/** Verified bytes are handed on before they are durable, but so many at most wait for the disk. */
const MOST_KEEPING_BYTES = 32 * 1024 * 1024;

export interface ContentServiceOptions {
  readonly store: ChunkStore;
  /** Where to fetch what is not held: usually several in order behind the one port. */
  readonly source: ChunkSource;
  readonly log: Log;
}

export interface ContentStats {
  /** Served from the chunk store, and bytes of them. */
  readonly hits: number;
  readonly hitBytes: number;
  /** Fetched because they were not held. */
  readonly misses: number;
  readonly missBytes: number;
  /** Requests answered by a fetch that was already under way. */
  readonly joined: number;
  /** Fetched and served, but not kept. */
  readonly unkept: number;
  readonly failures: number;
}

export interface ContentService extends ChunkSource {
  /** Verified bytes; rejects as ChunkSource says. The bytes are shared: do not write into them. */
  get(wanted: Wanted): Promise<Uint8Array>;
  /** The same, for sending to somebody who proves it anyway; see ChunkStore. */
  open(wanted: Wanted): Promise<OpenChunk>;
  /** Keeps verified bytes that came another way (along a line); until they are durable they are served from memory. */
  keep(digest: Digest, bytes: Uint8Array): Promise<void>;
  /** What is held, or on its way to the disk; nothing is fetched. */
  held(digest: Digest): Promise<OpenChunk | undefined>;
  stats(): ContentStats;
  /** Resolves when all that was fetched so far is durable, or known not to be kept. */
  settled(): Promise<void>;
}

export function createContentService(options: ContentServiceOptions): ContentService {
  const { store, source, log } = options;
  /** Being fetched, or fetched and not yet durable: whoever asks now is answered from memory. */
  const underWay = new Map<Digest, Promise<Uint8Array>>();
  const keeping = new Map<Digest, { readonly bytes: Uint8Array; readonly kept: Promise<void> }>();
  let keepingBytes = 0;
  const stats = { hits: 0, hitBytes: 0, misses: 0, missBytes: 0, joined: 0, unkept: 0, failures: 0 };

  function hit(bytes: number): void {
    stats.hits++;
    stats.hitBytes += bytes;
  }

  /** The same chunk may come along a line and be asked for by HTTP at once: it is written once. */
  function keep(digest: Digest, bytes: Uint8Array): Promise<void> {
    const already = keeping.get(digest);
    if (already !== undefined) return already.kept;
    const kept = write(digest, bytes);
    keeping.set(digest, { bytes, kept });
    return kept;
  }

  async function write(digest: Digest, bytes: Uint8Array): Promise<void> {
    keepingBytes += bytes.length;
    try {
      await store.put({ digest, size: bytes.length }, bytes, { proved: true });
    } catch (error) {
      stats.unkept++;
      log.warn({ digest, err: error }, 'chunk fetched but not kept');
      throw error;
    } finally {
      keepingBytes -= bytes.length;
      keeping.delete(digest);
    }
  }

  async function fetchAndKeep(wanted: Wanted): Promise<Uint8Array> {
    const held = await store.get(wanted.digest);
    if (held !== undefined) {
      hit(held.length);
      underWay.delete(wanted.digest);
      return held;
    }
    const bytes = await source.fetch(wanted);
    stats.misses++;
    stats.missBytes += bytes.length;
    // Verified bytes that cannot be kept (disk full, failed sync) have still been served.
    const kept = keep(wanted.digest, bytes)
      .catch(() => {})
      .finally(() => underWay.delete(wanted.digest));
    // A line faster than the disk must not fill the memory with chunks that wait for their sync.
    if (keepingBytes > MOST_KEEPING_BYTES) await kept;
    return bytes;
  }

  async function get(wanted: Wanted): Promise<Uint8Array> {
    const already = underWay.get(wanted.digest);
    if (already !== undefined) {
      stats.joined++;
      return already;
    }
    const fetching = fetchAndKeep(wanted);
    underWay.set(wanted.digest, fetching);
    try {
      return await fetching;
    } catch (error) {
      stats.failures++;
      underWay.delete(wanted.digest);
      throw error;
    }
  }

  async function held(digest: Digest): Promise<OpenChunk | undefined> {
    const inMemory = keeping.get(digest);
    if (inMemory !== undefined) return openBytes(inMemory.bytes);
    return store.open(digest);
  }

  async function open(wanted: Wanted): Promise<OpenChunk> {
    const chunk = await held(wanted.digest);
    if (chunk === undefined) return openBytes(await get(wanted));
    hit(chunk.size);
    return chunk;
  }

  async function fetchChunk(wanted: Wanted, fetchOptions: FetchOptions = {}): Promise<Uint8Array> {
    const { signal } = fetchOptions;
    if (signal === undefined) return get(wanted);
    signal.throwIfAborted();
    // Whoever gives up leaves; the fetch goes on, for others may have joined it and it will be kept.
    return new Promise((resolve, reject) => {
      const leave = () => reject(signal.reason);
      signal.addEventListener('abort', leave, { once: true });
      get(wanted)
        .then(resolve, reject)
        .finally(() => signal.removeEventListener('abort', leave));
    });
  }

  return {
    name: source.name,
    get,
    open,
    fetch: fetchChunk,
    keep,
    held,
    stats: () => ({ ...stats }),
    settled: async () => {
      await Promise.allSettled(Array.from(keeping.values(), ({ kept }) => kept));
    },
  };
}
