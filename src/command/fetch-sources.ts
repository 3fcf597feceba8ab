// Where a fetch gets its bytes: the line of the site, else parents and origins; and how much came from each.
import type { CataloguePackage } from '../api/catalogue.ts';
import type { Digest } from '../base/digest.ts';
import { isPeerbootError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { ChunkSource, ChunkStore, FileSource } from '../chunk/ports.ts';
import { systemClock } from '../io/clock.ts';
import type { Config } from '../io/config-keys.ts';
import { createHttpSource, type HttpSource } from '../io/http-source.ts';
import { createOrderedSource } from '../io/ordered-source.ts';
import { type ContentService, createContentService } from '../service/content.ts';
import type { Receipt } from './fetch-receipt.ts';
import type { FetchSite, FetchSiteOptions } from './fetch-site.ts';
import type { FeedState } from './fetch-view.ts';

export interface FetchSources {
  /** Manifest and tables, and where everything is kept. */
  readonly content: ContentService;
  /** To be asked for the catalogue, in order. */
  catalogues(): readonly FileSource[];
  /** The chunks of the package. */
  open(entry: CataloguePackage): Promise<ChunkSource>;
  feed(): FeedState;
  /** Does somebody follow us who has not all of it yet? */
  isNeeded(): boolean;
  /** By source; `fetchedBytes` of chunks came in all. */
  bytes(fetchedBytes: number): Receipt['bytes'];
  close(): Promise<void>;
}

export interface FetchSourcesOptions {
  readonly config: Config;
  /** False: fetch from the sources alone. */
  readonly peers: boolean;
  readonly sitePort: number;
  readonly store: ChunkStore;
  readonly isCatalogued: (manifest: Digest) => boolean;
  readonly catalogueFile: (name: string) => Uint8Array | undefined;
  readonly log: Log;
}

export async function openFetchSources(options: FetchSourcesOptions): Promise<FetchSources> {
  const { config, store, log } = options;
  const open = (bases: readonly string[]) => bases.map((base) => createHttpSource({ base, log }));
  const parents = open(config.parents);
  const origins = open(config.origins);
  let wanChunkBytes = 0;
  let lastSource: string | undefined;
  const told = (source: HttpSource): ChunkSource & FileSource => ({
    ...source,
    async fetch(wanted, fetchOptions) {
      const bytes = await source.fetch(wanted, fetchOptions);
      lastSource = source.name;
      wanChunkBytes += bytes.length;
      return bytes;
    },
  });
  const wan = createOrderedSource({
    sources: [...parents, ...origins].map(told),
    clock: systemClock,
    log,
    name: 'wan',
  });
  const received = (list: readonly HttpSource[]) =>
    list.reduce((sum, source) => sum + source.stats().bytesReceived, 0);
  const wanBytes = () => received(parents) + received(origins);
  const site = options.peers ? await openSite({ ...options, wan, wanBytes }) : undefined;
  const content = site?.content ?? createContentService({ store, source: wan, log });

  return {
    content,
    catalogues: () => [...(site?.catalogues() ?? []), ...parents, ...origins],
    open: async (entry) => site?.open(entry) ?? wan,
    feed() {
      const state = site?.feed() ?? { feeder: 'wan', followers: 0 };
      return state.feeder === 'wan' ? { ...state, feeder: lastSource } : state;
    },
    isNeeded: () => site?.isNeeded() ?? false,
    bytes(fetchedBytes) {
      const [parent, origin] = [received(parents), received(origins)];
      const peers = Math.max(0, fetchedBytes - wanChunkBytes);
      return { total: peers + parent + origin, peers, parent, origin };
    },
    async close() {
      await site?.close();
      await Promise.all([...parents, ...origins].map((source) => source.close()));
    },
  };
}

/** Without a network of its own a machine still has its sources; an interface that was named must be there. */
async function openSite(options: FetchSiteOptions): Promise<FetchSite | undefined> {
  const { openFetchSite } = await import('./fetch-site.ts');
  try {
    return await openFetchSite(options);
  } catch (error) {
    if (!isPeerbootError(error, 'PB-INTERFACE-UNKNOWN') || options.config.interfaces.length > 0) throw error;
    options.log.warn({ code: error.code, what: error.message }, 'no peers: only the sources are asked');
    return undefined;
  }
}
