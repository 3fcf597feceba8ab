// Port: what makes the files of a package.
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
