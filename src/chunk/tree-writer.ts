// Ports of a package's place: what makes its files, and what lies there already.
import type { ArchiveEntry } from './archive.ts';

/** Takes entries in the order of their archive. Rejects with PB-PACKAGE-WRITE. */
export interface TreeWriter {
  /** Begins this entry; what was begun before it is whole. */
  begin(entry: ArchiveEntry): Promise<void>;
  /** The next bytes of the file that was begun; they may be used until this resolves. */
  data(bytes: Uint8Array): Promise<void>;
  /** Resolves once everything is durable. */
  end(): Promise<void>;
}

/** Port: plain bytes that lie there already. Nothing is proved: whoever takes a slice hashes it. */
export interface SliceBasis {
  has(rawDigest: Uint8Array): boolean;
  /** Undefined when it cannot be read any more. Of slices that it has. */
  read(rawDigest: Uint8Array, length: number): Uint8Array | undefined;
  close(): void;
}
