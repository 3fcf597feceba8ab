// Where a peer gets what it does not hold: the line of the image, else the peer that crosses the WAN for the site, else itself.
import type { Digest } from '../base/digest.ts';
import { isPeerbootError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { ChunkSource, FetchOptions, PartialChunk, Wanted } from '../chunk/ports.ts';
import type { SitePeer } from '../swarm/site.ts';

export interface SiteSourceOptions {
  /** The line of an image, joined when need be; undefined when it cannot be joined. */
  readonly lineOf: (image: Digest) => Promise<ChunkSource | undefined>;
  /** Peers of the site before whom we do not come, best first: who is to cross the WAN for this digest. */
  readonly before: (digest: Digest) => readonly SitePeer[];
  /** A peer's content by HTTP. */
  readonly peer: (peer: SitePeer) => ChunkSource;
  readonly wan: ChunkSource;
  readonly log: Log;
}

/**
 * Small content (manifests, tables) is asked for at the peer designated for its digest, so that it crosses the WAN once;
 * that one asks nobody of the site again (`relayed`). Chunks go along their image's line.
 */
export function createSiteSource(options: SiteSourceOptions): ChunkSource {
  const { wan, log } = options;

  async function fetch(wanted: Wanted, fetchOptions: FetchOptions = {}): Promise<Uint8Array> {
    if (wanted.relayed === true) return wan.fetch(wanted, fetchOptions);
    const partial: PartialChunk = fetchOptions.partial ?? { bytes: undefined, received: 0 };
    const rest = { ...fetchOptions, partial };
    const line = wanted.image === undefined ? undefined : await options.lineOf(wanted.image);
    if (line !== undefined) return line.fetch(wanted, rest);
    for (const peer of options.before(wanted.digest)) {
      const source = options.peer(peer);
      try {
        return await source.fetch({ ...wanted, relayed: true }, rest);
      } catch (error) {
        if (!isPeerbootError(error)) throw error;
        const { code, message } = error;
        log.info({ digest: wanted.digest, source: source.name, code, what: message }, 'peer did not deliver');
      }
    }
    return wan.fetch(wanted, rest);
  }

  return { name: 'site', fetch };
}
