// Stored bytes for whoever asks: the local chunk store first, else the sources in order; kept, then served.
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
  /** Requests that joined a fetch already under way. */
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
  stats(): ContentStats;
}

export function createContentService(options: ContentServiceOptions): ContentService {
  const { store, source, log } = options;
  const underWay = new Map<Digest, Promise<Uint8Array>>();
  const stats = { hits: 0, hitBytes: 0, misses: 0, missBytes: 0, joined: 0, unkept: 0, failures: 0 };

  function hit(bytes: number): void {
    stats.hits++;
    stats.hitBytes += bytes;
  }

  async function fetchAndKeep(wanted: Wanted): Promise<Uint8Array> {
    const held = await store.get(wanted.digest);
    if (held !== undefined) {
      hit(held.length);
      return held;
    }
    const bytes = await source.fetch(wanted);
    stats.misses++;
    stats.missBytes += bytes.length;
    try {
      await store.put({ digest: wanted.digest, size: bytes.length }, bytes);
    } catch (error) {
      // Verified bytes that cannot be kept (disk full, failed sync) are still right: serve them.
      stats.unkept++;
      log.warn({ digest: wanted.digest, err: error }, 'chunk fetched but not kept');
    }
    return bytes;
  }

  async function get(wanted: Wanted): Promise<Uint8Array> {
    const already = underWay.get(wanted.digest);
    if (already !== undefined) {
      stats.joined++;
      return already;
    }
    const fetching = fetchAndKeep(wanted).finally(() => underWay.delete(wanted.digest));
    underWay.set(wanted.digest, fetching);
    try {
      return await fetching;
    } catch (error) {
      stats.failures++;
      throw error;
    }
  }

  async function open(wanted: Wanted): Promise<OpenChunk> {
    const held = await store.open(wanted.digest);
    if (held === undefined) return openBytes(await get(wanted));
    hit(held.size);
    return held;
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
    stats: () => ({ ...stats }),
  };
}
