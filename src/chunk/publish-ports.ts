// Ports of publishing that carry content: the image or package cut on all cores, packing, the immutable tree.
import type { Descriptor, Digest } from '../base/digest.ts';

/** A stretch of the image, cut and digested; `bytes` may be used until the next one is asked for. */
export interface CutSegment {
  readonly bytes: Uint8Array;
  /** In order, without gaps; zero stretches have no digest. */
  readonly slices: readonly CutSlice[];
}

export interface CutSlice {
  readonly length: number;
  readonly rawDigest: Uint8Array | undefined;
}

/** Port: the plain disk image, cut and digested on all cores. */
export interface CutImage {
  readonly imageBytes: number;
  /** The whole image in order. */
  segments(): AsyncIterable<CutSegment>;
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Rejects when what was read is not what lies there now; where it cannot change unseen, there is none. */
  confirm?(): Promise<void>;
}

/** Port: packs bytes into one zstd frame on a free core. `plain` is handed over: do not touch it afterwards. */
export interface ChunkPacker {
  /** How many `pack` calls keep all cores busy. */
  readonly width: number;
  pack(plain: Uint8Array): Promise<PackedChunk>;
}

export interface PackedChunk {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** Port: the immutable tree of stored bytes, and a journal of what an interrupted publication had packed. */
export interface ContentTree {
  /** Is there a file of this digest and size? Its bytes are not read. */
  has(descriptor: Descriptor): boolean;
  /** Verified stored bytes, undefined when they are not there. */
  get(descriptor: Descriptor): Promise<Uint8Array | undefined>;
  /** Resolves once the bytes are durable. */
  put(descriptor: Descriptor, bytes: Uint8Array): Promise<void>;
  /** What an earlier run packed for this key, if its file is whole. */
  recall(key: Digest): Promise<Descriptor | undefined>;
  /** Remembers for a later run what was packed for this key; the chunk is durable by now. */
  remember(key: Digest, descriptor: Descriptor): void;
  /** Everything is published: nothing need be remembered. */
  forget(): void;
}

/** What is signed beside a manifest's digest and length: plain JSON, see `ImageTarget`. */
export interface TargetWords {
  readonly [key: string]: TargetWord;
}
type TargetWord = string | number | boolean | TargetWords | TargetWord[];
