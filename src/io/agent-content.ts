// Where the agent's content comes from: sources by HTTP in order, the catalogue proved against the pinned root.
import type { CatalogueImage } from '../api/catalogue.ts';
import { cataloguePath } from '../api/routes.ts';
import type { Log } from '../base/log.ts';
import type { ChunkSource, FileSource } from '../chunk/ports.ts';
import { systemClock } from './clock.ts';
import { createHttpSource } from './http-source.ts';
import { createOrderedSource } from './ordered-source.ts';
import { verifyCatalogueOnce } from './trust-once.ts';
import { unzstd } from './zstd.ts';

export interface AgentContentOptions {
  readonly log: Log;
  /** Bytes of the root that the agent's initramfs carries. */
  readonly root: () => Uint8Array;
  /** All the clocks there are, see trust-once. */
  readonly clocksMs: () => readonly number[];
}

export interface AgentContent {
  /** These bases in order, behind one port; `served` hears who brought each chunk. */
  open(
    bases: readonly string[],
    served: (source: string) => void,
  ): ChunkSource & FileSource & { close(): Promise<void> };
  /** Rejects with PB-TRUST-…, PB-CATALOGUE-MISSING or what the source rejects with. */
  images(source: FileSource): Promise<readonly CatalogueImage[]>;
  unpack(stored: Uint8Array, plainBytes: number): Promise<Uint8Array>;
}

/** A peer may first have to fetch the chunk itself, over the slow line of its site. */
const FIRST_BYTE_MS = 60_000;
const MOST_METADATA_BYTES = 4 * 1024 * 1024;

export function createAgentContent({ log, root, clocksMs }: AgentContentOptions): AgentContent {
  return {
    open(bases, served) {
      const members = bases.map((base) => createHttpSource({ base, log, firstByteMs: FIRST_BYTE_MS }));
      const sources = members.map((member): ChunkSource & FileSource => ({
        ...member,
        async fetch(wanted, options) {
          const bytes = await member.fetch(wanted, options);
          served(member.name);
          return bytes;
        },
      }));
      const [only, second] = sources;
      // Setting aside serves to prefer another source: the only one is asked again as soon as the session likes.
      const source =
        only !== undefined && second === undefined
          ? only
          : createOrderedSource({ sources, clock: systemClock, log, name: only?.name ?? 'nowhere' });
      return {
        ...source,
        async close() {
          await Promise.all(members.map((member) => member.close()));
        },
      };
    },
    async images(source) {
      const { images, stale } = await verifyCatalogueOnce({
        root: root(),
        fetchFile: (name) => source.fetchFile(cataloguePath(name), { maxBytes: MOST_METADATA_BYTES }),
        source: source.name,
        clocksMs: clocksMs(),
      });
      if (stale) log.warn({ source: source.name }, 'the catalogue is past its date, but within its grace');
      return images;
    },
    unpack: unzstd,
  };
}
