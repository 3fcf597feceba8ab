// Ports of content: where chunks are kept (ChunkStore) and where they come from (ChunkSource).
import type { Descriptor, Digest } from '../base/digest.ts';

/** Keeps stored bytes by digest. One contract suite (test/contract) is run by every implementation. */
export interface ChunkStore {
  has(digest: Digest): boolean;
  /** The bytes, proved against the digest; undefined when it is not held. A copy found corrupt is dropped first. */
  get(digest: Digest): Promise<Uint8Array | undefined>;
  /** Resolves only once the bytes are durable; rejects with PB-CHUNK-CORRUPT when they have another digest. */
  put(descriptor: Descriptor, bytes: Uint8Array): Promise<void>;
  delete(digest: Digest): Promise<void>;
  /** All that is held, durable only. */
  list(): Iterable<Descriptor>;
}

export interface FetchOptions {
  readonly signal?: AbortSignal;
}

/**
 * A place to fetch from: peer, parent, origin, or several in order behind the same port.
 * Resolves with verified bytes; rejects with PB-CHUNK-MISSING (not there), PB-CHUNK-CORRUPT (wrong bytes)
 * or PB-SOURCE-FAILED (refused, 5xx, stalled, truncated, TLS).
 */
export interface ChunkSource {
  /** For logs and screens, e.g. `origin http://10.77.0.3`. */
  readonly name: string;
  fetch(descriptor: Descriptor, options?: FetchOptions): Promise<Uint8Array>;
}
