// Port: the disk being imaged. The adapter (io/block-device) unpacks, proves, writes and reads back off the main thread.
import type { SliceRow } from '../chunk/tables.ts';
import type { DataSlice } from './proof.ts';

export interface ChunkJob {
  /** Verified stored bytes; given away, do not use afterwards. */
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
  close(): Promise<void>;
}
