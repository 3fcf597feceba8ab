// Where a fetch gets its bytes: the line of the site, peers by HTTP, parents, origins; and how much came from each.
import type { Digest } from '../base/digest.ts';
import type { Log } from '../base/log.ts';
import type { ChunkSource, ChunkStore, FileSource } from '../chunk/ports.ts';
import { systemClock } from '../io/clock.ts';
import type { Config } from '../io/config-keys.ts';
import { createHttpSource, type HttpSource } from '../io/http-source.ts';
import { createOrderedSource } from '../io/ordered-source.ts';
import type { PackageTables } from '../service/fetch-tables.ts';
import type { Receipt } from './fetch-receipt.ts';
import type { FeedState } from './fetch-view.ts';

export interface FetchSources {
  /** Manifest and tables. */
  readonly small: ChunkSource;
  /** To be asked for the catalogue, in order. */
  catalogues(): readonly FileSource[];
  /** The package is known by now. */
  see(manifest: Digest): void;
  /** Its chunks. */
  open(tables: PackageTables): ChunkSource;
  feed(): FeedState;
  /** By source; `fetchedBytes` of chunks came in all. */
  bytes(fetchedBytes: number): Receipt['bytes'];
  /** Goes on feeding others, then leaves politely. */
  serve(lingerMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface FetchSourcesOptions {
  readonly config: Config;
  readonly store: ChunkStore;
  readonly log: Log;
}

export async function openFetchSources({ config, log }: FetchSourcesOptions): Promise<FetchSources> {
  const open = (bases: readonly string[]) => bases.map((base) => createHttpSource({ base, log }));
  const parents = open(config.parents);
  const origins = open(config.origins);
  let feeder: string | undefined;
  let wanChunkBytes = 0;
  const told = (source: HttpSource): ChunkSource & FileSource => ({
    ...source,
    async fetch(wanted, options) {
      const bytes = await source.fetch(wanted, options);
      feeder = source.name;
      return bytes;
    },
  });
  const ordered = createOrderedSource({
    sources: [...parents, ...origins].map(told),
    clock: systemClock,
    log,
    name: 'sources',
  });
  const wan: ChunkSource = {
    name: 'wan',
    async fetch(wanted, options) {
      const bytes = await ordered.fetch(wanted, options);
      wanChunkBytes += bytes.length;
      return bytes;
    },
  };
  const received = (list: readonly HttpSource[]) =>
    list.reduce((sum, source) => sum + source.stats().bytesReceived, 0);

  return {
    small: ordered,
    catalogues: () => [...parents, ...origins],
    see: () => {},
    open: () => wan,
    feed: () => ({ feeder, followers: 0 }),
    bytes(fetchedBytes) {
      const [parent, origin] = [received(parents), received(origins)];
      const peers = Math.max(0, fetchedBytes - wanChunkBytes);
      return { total: peers + parent + origin, peers, parent, origin };
    },
    serve: async () => {},
    async close() {
      await Promise.all([...parents, ...origins].map((source) => source.close()));
    },
  };
}
