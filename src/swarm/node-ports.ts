// How a part of the house (imaging, replicas, packages, the peer's content) takes part in the line of an image.
import type { Digest } from '../base/digest.ts';
import type { ChunkSource, FetchOptions, OpenChunk, Wanted } from '../chunk/ports.ts';
import type { ChunkForm } from './line-messages.ts';
import type { LineState, Row } from './line-ports.ts';
import type { Presence } from './site.ts';

/** What fetching is for: counted in the ledger. */
export type Purpose = 'image' | 'package' | 'boot-entry' | 'replica' | 'preseed' | 'catalogue' | 'relay';

/** The chunks of an image as all its peers number them: rows of its chunk table, in order. */
export interface LineImage {
  readonly manifest: Digest;
  /** `name version`, for screens. */
  readonly title: string;
  readonly rows: number;
  digest(row: Row): Digest;
  storedBytes(row: Row): number;
  /** The row of a digest, undefined when the image has no such chunk. */
  rowOf(digest: Digest): Row | undefined;
}

export interface OpenRow extends OpenChunk {
  readonly form: ChunkForm;
}

/** What this node holds of the image and hands out: a chunk store, or the memory and the disk of a target. */
export interface LocalRows {
  has(row: Row): boolean;
  /** Undefined when it is gone after all. */
  open(row: Row): Promise<OpenRow | undefined>;
  /**
   * A chunk that was proved by its digest. It is served from memory until this resolves; then `open` must find it.
   * Rejecting is no harm: the chunk was delivered, but is not held.
   */
  keep(row: Row, bytes: Uint8Array): Promise<void>;
  /** Proves a repacked chunk slice by slice; without it, repacked chunks are neither asked for nor taken. */
  readonly proveRepacked?: (row: Row, bytes: Uint8Array) => Promise<boolean>;
}

export interface JoinOptions {
  readonly image: LineImage;
  readonly local: LocalRows;
  readonly purpose: Purpose;
  /** Over the WAN by ourselves, for when we are the designated peer: parent, then origins. */
  readonly wan: ChunkSource;
}

/** This node's place in the line of one image. */
export interface Line extends ChunkSource {
  readonly image: LineImage;
  /** Verified bytes (stored, or repacked if `proveRepacked` was given) from the line, or over the WAN if that is our part. */
  fetch(wanted: Wanted, options?: FetchOptions): Promise<Uint8Array>;
  /** `LocalRows` has got the chunk in another way than by this line, and can be asked for it. */
  got(row: Row): void;
  /** `LocalRows` has lost the chunk. */
  gone(row: Row): void;
  pause(): void;
  resume(): void;
  state(): LineState;
  /** Hands the followers on, then ends. Resolves once they have gone, or after `graceMs`. */
  leave(graceMs?: number): Promise<void>;
}

/** One node's lines: it listens, dials, and holds one machine an image. */
export interface SiteNode {
  readonly presence: Presence;
  /** The line of this image; the same one when it has been joined already. */
  join(options: JoinOptions): Line;
  lines(): readonly Line[];
  start(): Promise<{ readonly port: number }>;
  stop(): Promise<void>;
}
