// What fetching a package needs from the world: chunks from somewhere, a store for them, and a place to write the files.
import type { CataloguePackage } from '../api/catalogue.ts';
import type { Sha256 } from '../base/digest.ts';
import type { Clock, Timers } from '../base/time.ts';
import type { ChunkSource, ChunkStore } from '../chunk/ports.ts';
import type { SliceBasis, TreeWriter } from '../chunk/tree-writer.ts';
import type { PackageTables } from './fetch-tables.ts';

export interface FetchPorts {
  /** Keeps what was proved, durable, so that a later run goes on there. */
  readonly store: ChunkStore;
  /** Manifest and tables, by HTTP. */
  readonly small: ChunkSource;
  /** Chunks: the line of the site, or the sources themselves. Called once the tables are known. */
  open(tables: PackageTables): Promise<ChunkSource>;
  readonly tree: TreeWriter;
  /** What lies at the target: chunks of which it has every slice are not fetched. */
  readonly basis?: SliceBasis | undefined;
  unzstd(bytes: Uint8Array, plainBytes: number): Promise<Uint8Array>;
  readonly sha256: Sha256;
  readonly clock: Clock;
  readonly timers: Timers;
  onProgress?(progress: FetchProgress): void;
}

export interface FetchProgress {
  /** Stored bytes that are held and proved, and of how many. */
  readonly heldBytes: number;
  readonly storedBytes: number;
  /** Bytes of the archive unpacked, proved and written, and of how many. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Why nothing comes at the moment. */
  readonly trouble?: string | undefined;
}

export interface FetchRequest {
  readonly package: CataloguePackage;
  /** So long without a chunk, and the fetch fails with what failed last. */
  readonly patienceMs: number;
}

export interface FetchSummary {
  readonly files: number;
  readonly folders: number;
  readonly links: number;
  /** Of a package that is one file: its name in the archive. */
  readonly file: string | undefined;
  /** Stored bytes of chunks that came in this run, and that were held from an earlier one. */
  readonly fetchedBytes: number;
  readonly resumedBytes: number;
  /** Of chunks that were not needed, since what they carry lay there. */
  readonly reusedBytes: number;
  readonly chunks: number;
}
