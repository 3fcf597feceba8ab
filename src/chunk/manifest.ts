// The manifest of an image and its two binary tables: slices in image order, chunks and what they carry.
import type { Descriptor, Digest } from '../base/digest.ts';

export const MANIFEST_FORMAT = 'peerboot.manifest/1';

/** Canonical JSON (sorted keys, no spaces), named by the SHA-256 of those bytes; kept and sent like any chunk. */
export interface Manifest {
  readonly format: typeof MANIFEST_FORMAT;
  readonly kind: 'image';
  readonly name: string;
  readonly version: string;
  /** Length of the plain disk image in bytes, a multiple of 512. */
  readonly imageBytes: number;
  /** Stored bytes of all chunks that the image needs. */
  readonly storedBytes: number;
  readonly sliceTable: TableDescriptor;
  readonly chunkTable: TableDescriptor;
}

/** A table is itself content: one zstd frame, fetched and verified like a chunk, `plainBytes` when unpacked. */
export interface TableDescriptor extends Descriptor {
  readonly rows: number;
  readonly plainBytes: number;
}

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
