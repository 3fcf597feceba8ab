// Port: the disk being imaged. The adapter (io/block-device) unpacks, proves, writes, reads back and packs again off the main thread.
import type { Digest } from '../base/digest.ts';
import type { SliceRow } from '../chunk/tables.ts';
import type { DataSlice } from './proof.ts';
import type { Withheld } from './seal.ts';

export interface ChunkJob {
  /** Verified: by the chunk's digest, or slice by slice. They stay as they are: others may be reading them. */
  readonly stored: Uint8Array;
  readonly plainBytes: number;
  readonly slices: readonly DataSlice[];
  /** Proved by their digests and handed back instead of written. */
  readonly withheld: readonly DataSlice[];
}

export type Proof =
  /** `rezeroed`: a stretch was not zero, so zeros were written there; they are not yet proved. */
  | { readonly kind: 'proved'; readonly rezeroed: boolean }
  /** Not the bytes that were written: `offset` of the first slice that differs. */
  | { readonly kind: 'differs'; readonly offset: number };

/** A chunk that was written, to be made again from the slices on the disk. */
export interface RebuildJob {
  /** Of its stored bytes. */
  readonly digest: Digest;
  readonly plainBytes: number;
  /** All that this image uses of the chunk, but for `kept`; what a slice repeats elsewhere may be left out. */
  readonly slices: readonly DataSlice[];
  /** Slices that are not on the disk as the image has them, and their bytes. */
  readonly kept: readonly Withheld[];
  /** Try to pack it as its publisher did, which takes twice as long: only when the image uses all of it. */
  readonly exactly: boolean;
}

/**
 * `exact`: the bytes have the chunk's digest. Otherwise another zstd frame of the same plain bytes, in which all that
 * this image does not use is zero; every slice in it was proved.
 */
export interface Rebuilt {
  readonly exact: boolean;
  readonly bytes: Uint8Array;
}

/** All reject with PB-DISK-WRITE when the disk fails. */
export interface TargetDisk {
  readonly sizeBytes: number;
  /** Removes what a firmware or system could recognise: discards all where the disk can, zeros both ends. */
  wipe(): Promise<void>;
  /**
   * Bytes of the withheld slices, in their order. Rejects with PB-IMAGE-INCONSISTENT, before anything is written,
   * when one of them is not what the chunk carries.
   */
  writeChunk(job: ChunkJob): Promise<readonly Uint8Array[]>;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Resolves when all is durable and nothing is cached, so that the next read is of the disk itself. */
  flush(): Promise<void>;
  read(offset: number, length: number): Promise<Uint8Array>;
  prove(rows: readonly SliceRow[]): Promise<Proof>;
  /** Does it unpack to `plainBytes` bytes that carry all of these slices? Nothing is written. */
  proveChunk(job: Pick<ChunkJob, 'stored' | 'plainBytes' | 'slices'>): Promise<boolean>;
  /**
   * In order, by whatever is left of the processor: nothing else waits for it. Undefined when the disk does not hold
   * the chunk as it was written.
   */
  rebuild(job: RebuildJob): Promise<Rebuilt | undefined>;
  close(): Promise<void>;
}
