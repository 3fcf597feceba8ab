// The site as a machine being imaged takes part in it: presence, one node, its announcements; nothing of it may stop the imaging.
import type { Ipv4 } from '../base/addresses.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Clock, MonotonicMs, Timers } from '../base/time.ts';
import type { ChunkHash } from '../chunk/ports.ts';
import type { OpenBeaconNet } from '../swarm/beacon-net.ts';
import { designated } from '../swarm/election.ts';
import type { LineTransport } from '../swarm/line-transport.ts';
import type { JoinOptions, Line } from '../swarm/node-ports.ts';
import { DEFAULT_SITE_PORT, type PeerId, type Presence, type UnfitReason } from '../swarm/site.ts';
import type { StrategySetting } from '../swarm/strategy.ts';
import { type Announcer, createAnnouncer } from './announcer.ts';
import { createPresence } from './presence.ts';
import { createSiteNode, type PeerSiteNode, sentBytes } from './site-node.ts';

export interface TargetSiteOptions {
  /** Made up for this boot. */
  readonly self: PeerId;
  /** TCP and UDP. */
  readonly port?: number;
  readonly groupPort?: number;
  readonly openNet: OpenBeaconNet;
  readonly transport: LineTransport;
  readonly hash: ChunkHash;
  /** Speed of the fastest network card in use, bytes per second; 0: nobody tells it. */
  readonly linkBytesPerSecond: () => number;
  readonly random: Random;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

/** What the peer says of its site at check-in. */
export interface ToldSite {
  /** Its label, null when the subnet is the site. */
  readonly site: string | null;
  readonly peers: readonly { readonly address: string; readonly port: number }[];
  /** An older peer does not say it: `auto`. */
  readonly strategy?: StrategySetting | undefined;
}

export interface TargetSite {
  /** Once; later calls change nothing. `wan`: is there a way out? */
  open(swarm: ToldSite, able: { readonly wan: boolean }): void;
  /** Undefined when the site could not be opened. */
  join(options: JoinOptions): Promise<Line | undefined>;
  /** `10.77.0.12 (target)`. */
  nameOf(peer: PeerId): string;
  /** Bytes of chunks that came and that were sent to others, by lines that have not been left. */
  traffic(): { readonly received: number; readonly sent: number };
  /** Lines are to be left before. */
  close(): Promise<void>;
}

interface Opened {
  readonly presence: Presence;
  readonly node: PeerSiteNode;
  readonly announcer: Announcer;
  /** When it began to listen. */
  readonly sinceMs: MonotonicMs;
}

/**
 * Machines that are switched on together would each think themselves alone, and all cross the WAN: so each listens first.
 * It costs an agent nothing: reading the image's tables takes as long.
 */
const LISTEN_MS = 1_000;
/** Part of it, at its end: others hear that we are about to join before we do, so that those who join together elect the same one. */
const WARN_MS = 200;

export function createTargetSite(options: TargetSiteOptions): TargetSite {
  const { transport, clock, timers, log } = options;
  let opening: Promise<Opened | undefined> | undefined;
  let opened: Opened | undefined;
  /** Lines that are about to be joined. */
  let joining = 0;

  const wait = (ms: number) => new Promise<void>((resolve) => void timers.after(ms, resolve));

  async function start({ site, peers, strategy = 'auto' }: ToldSite, hasWayOut: boolean): Promise<Opened> {
    const label = site ?? '';
    const tags: readonly string[] = [];
    const own = { role: 'target', httpPort: 0, tags } as const;
    // Nobody shall wait for a machine to cross the WAN that does not join the line.
    const unfit = (): readonly UnfitReason[] =>
      hasWayOut && joining + node.lines().length > 0 ? [] : ['wan-down'];
    let port = options.port ?? DEFAULT_SITE_PORT;
    const presence = createPresence({
      ...options,
      label,
      sitePort: () => port,
      own: { ...own, unfit: ['wan-down'], holdings: [], freeUplinkBytesPerSecond: 0, crossing: [] },
    });
    const node = createSiteNode({
      presence,
      role: 'target',
      port,
      transport,
      clock,
      timers,
      log,
      elect: (key) =>
        designated(label, key, [{ id: presence.self, ...own, unfit: unfit() }, ...presence.peers()]),
      strategy,
      linkBytesPerSecond: options.linkBytesPerSecond,
      hash: options.hash,
      // Only the image that is being written here, whose line is joined for that.
      openImage: async () => undefined,
    });
    port = (await node.start()).port;
    try {
      await presence.start();
    } catch (error) {
      await node.stop();
      throw error;
    }
    for (const { address, port: at } of peers) presence.tellOf({ address: address as Ipv4, port: at });
    const announcer = createAnnouncer({
      ...own,
      presence,
      timers,
      lines: node.lines,
      tags: () => tags,
      httpPort: () => 0,
      unfit,
      sentBytes: () => sentBytes(node.stats()),
      clock,
    });
    announcer.start();
    return { presence, node, announcer, sinceMs: clock.nowMs() };
  }

  return {
    open(told, { wan }) {
      opening ??= start(told, wan).then(
        (all) => {
          opened = all;
          return all;
        },
        (error) => {
          log.warn({ err: error }, 'site not joined: all content comes over HTTP');
          return undefined;
        },
      );
    },
    async join(wanted) {
      const all = await opening;
      if (all === undefined) return undefined;
      const knowsMs = clock.nowMs() - all.sinceMs;
      await wait(Math.max(0, LISTEN_MS - WARN_MS - knowsMs));
      // From now on others can elect it.
      joining++;
      all.announcer.now();
      await wait(WARN_MS);
      joining--;
      return all.node.join(wanted);
    },
    nameOf(id) {
      const peer = opened?.presence.peers().find((one) => one.id === id);
      return peer === undefined ? id : `${peer.address} (${peer.role})`;
    },
    traffic() {
      const stats = opened?.node.stats().lines.map((line) => line.stats) ?? [];
      return {
        received: sum(stats.flatMap(({ bytesIn }) => Object.values(bytesIn))),
        sent: sum(stats.flatMap(({ bytesOut }) => Object.values(bytesOut))),
      };
    },
    async close() {
      const all = await opening;
      opening = Promise.resolve(undefined);
      opened = undefined;
      if (all === undefined) return;
      all.announcer.stop();
      await Promise.all([all.presence.stop(), all.node.stop()]).catch((error) =>
        log.warn({ err: error }, 'site not left well'),
      );
    },
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
