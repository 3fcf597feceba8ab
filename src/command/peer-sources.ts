// Other peers' content by HTTP, one source each, opened when first asked and closed when the peer has gone.
import { ROUTES } from '../api/routes.ts';
import type { Log } from '../base/log.ts';
import type { ChunkSource } from '../chunk/ports.ts';
import { createHttpSource, type HttpSource } from '../io/http-source.ts';
import type { SitePeer } from '../swarm/site.ts';

export interface PeerSources {
  of(peer: SitePeer): ChunkSource;
  /** The others have gone. */
  keepOnly(peers: readonly SitePeer[]): void;
  close(): Promise<void>;
}

/** The designated peer may have to fetch it first, over the slow line. */
const FIRST_BYTE_MS = 30_000;

export function createPeerSources(log: Log): PeerSources {
  const open = new Map<string, HttpSource>();
  const baseOf = ({ address, httpPort }: SitePeer) => `http://${address}:${httpPort}${ROUTES.content}`;
  return {
    of(peer) {
      const base = baseOf(peer);
      const known = open.get(base);
      if (known !== undefined) return known;
      const source = createHttpSource({ base, log, firstByteMs: FIRST_BYTE_MS });
      open.set(base, source);
      return source;
    },
    keepOnly(peers) {
      const there = new Set(peers.map(baseOf));
      for (const [base, source] of open) {
        if (there.has(base)) continue;
        open.delete(base);
        // Whoever still waits for it goes on to the next at once: that is what its going is for.
        source.close().catch((error: unknown) => log.debug({ base, err: error }, 'source did not close'));
      }
    },
    async close() {
      await Promise.all(Array.from(open.values(), (source) => source.close()));
    },
  };
}
