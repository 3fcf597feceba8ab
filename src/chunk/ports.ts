// Ports of content: where chunks are kept (ChunkStore) and where they come from (ChunkSource, FileSource).
import type { Descriptor, Digest } from '../base/digest.ts';

/** A chunk ready to be sent, piece by piece. */
export interface OpenChunk {
  readonly size: number;
  /** At most `length` bytes from `offset`, at least one; they stay as they are only until the next call. */
  read(offset: number, length: number): Uint8Array;
  /** Must be called once nothing of it is being sent any more. */
  close(): void;
}

/** A chunk whose bytes are in memory. */
export function openBytes(bytes: Uint8Array): OpenChunk {
  return {
    size: bytes.length,
    read: (offset, length) => bytes.subarray(offset, offset + length),
    close: () => {},
  };
}

export interface PutOptions {
  /** By the caller, in this process: they are not hashed again. The first read of what was kept proves it in any case. */
  readonly proved?: boolean;
}

/** Keeps stored bytes by digest. One contract suite (test/contract) is run by every implementation. */
export interface ChunkStore {
  has(digest: Digest): boolean;
  /** The bytes, proved against the digest; undefined when it is not held. A copy found corrupt is dropped first. */
  get(digest: Digest): Promise<Uint8Array | undefined>;
  /**
   * For sending to somebody who proves it anyway: the same, but a proof of the same copy that is only minutes old
   * does, and the bytes need not be in memory.
   */
  open(digest: Digest): Promise<OpenChunk | undefined>;
  /** Resolves only once the bytes are durable; rejects with PB-CHUNK-CORRUPT when they have another digest. */
  put(descriptor: Descriptor, bytes: Uint8Array, options?: PutOptions): Promise<void>;
  delete(digest: Digest): Promise<void>;
  /** All that is held, durable only. */
  list(): Iterable<Descriptor>;
}

/** What to fetch. A known size bounds the transfer; without one (a peer is asked by digest alone) the answer's
 * own Content-Length up to MAX_STORED_BYTES does: the digest proves the bytes either way. */
export interface Wanted {
  readonly digest: Digest;
  readonly size?: number;
  /** Manifest of the image that the chunk belongs to: lets a peer fetch it along that image's line. A hint only. */
  readonly image?: Digest;
  /** Asked by another peer of the site: answer from the chunk store or over the WAN, never by asking a peer again. */
  readonly relayed?: boolean;
}

/** No chunk, manifest or table is longer as stored: more is refused before a byte of it is kept. */
export const MAX_STORED_BYTES = 64 * 1024 * 1024;

/**
 * SHA-256 of a whole chunk; a promise when another thread does it: the bytes move there (those given are empty from then
 * on) and come back with the digest. It rejects when that thread has died, and the bytes with it.
 */
export type ChunkHash = (bytes: Uint8Array) => Digest | Promise<HashedChunk>;

export interface HashedChunk {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** What has come so far of one chunk: handed on when a transfer breaks, so that the next one goes on at its byte. */
export interface PartialChunk {
  /** As long as the whole chunk; undefined until its length is known. */
  bytes: Uint8Array | undefined;
  /** So many bytes from the front are there, unproved. */
  received: number;
}

/** Watches and paces what crosses the wire, also of transfers that break. */
export interface Meter {
  /** Body bytes the moment they are read, with the name of the source that sent them. */
  count(bytes: number, source: string): void;
  /** For how long to read nothing more, in ms; 0: go on. Asked after each read, and again after each wait. */
  waitMs(): number;
}

export interface FetchOptions {
  readonly signal?: AbortSignal;
  readonly meter?: Meter | undefined;
  /** Filled in place; what another source had brought is continued, and fetched again only if the whole proves wrong. */
  readonly partial?: PartialChunk;
}

/**
 * A place to fetch from: peer, parent, origin, or several in order behind the same port.
 * Resolves with verified bytes; rejects with PB-CHUNK-MISSING (not there), PB-CHUNK-CORRUPT (wrong bytes)
 * or PB-SOURCE-FAILED (refused, 5xx, stalled, truncated, TLS).
 */
export interface ChunkSource {
  /** For logs and screens, e.g. `http://10.77.0.3`. */
  readonly name: string;
  fetch(wanted: Wanted, options?: FetchOptions): Promise<Uint8Array>;
}

export interface FileOptions {
  /** A longer file is refused with PB-SOURCE-FAILED. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
  readonly meter?: Meter | undefined;
}

/** A place for files that have names instead of digests: the catalogue. Nothing is proved here: its signatures do that. */
export interface FileSource {
  readonly name: string;
  /** `path` below the source's base, e.g. `catalogue/timestamp.json`; undefined when the source does not have it. */
  fetchFile(path: string, options: FileOptions): Promise<Uint8Array | undefined>;
}

/** What came from one source since start: bodies only, broken-off transfers included. */
export interface SourceStats {
  readonly name: string;
  readonly requests: number;
  readonly bytesReceived: number;
  /** Bytes of `bytesReceived` that served nothing: wrong, or thrown away by a restart. */
  readonly bytesWasted: number;
  readonly chunks: number;
  readonly failures: number;
  /** How often a broken transfer went on at its byte. */
  readonly resumed: number;
}
