// A fetching endpoint's part in its site: seen by the others, in the line of its package, with its small content by HTTP.
import { randomBytes } from 'node:crypto';
import { createLineFirst } from '../agent/line-first.ts';
import type { CataloguePackage } from '../api/catalogue.ts';
import { ROUTES } from '../api/routes.ts';
import { toHex } from '../base/bytes.ts';
import type { Digest } from '../base/digest.ts';
import type { Log } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import type { ChunkSource, ChunkStore, FileSource } from '../chunk/ports.ts';
import { beaconSockets } from '../io/beacon-sockets.ts';
import { systemClock, systemTimers } from '../io/clock.ts';
import type { Config } from '../io/config-keys.ts';
import { createHashThread } from '../io/hash-thread.ts';
import { createHttpSource } from '../io/http-source.ts';
import { chooseInterfaces, hostInterfaces } from '../io/interfaces.ts';
import { createLineSockets } from '../io/line-sockets.ts';
import { linkBytesPerSecond, readNics } from '../io/nics.ts';
import { unzstd } from '../io/zstd.ts';
import { createAnnouncer } from '../service/announcer.ts';
import { type ContentService, createContentService } from '../service/content.ts';
import { createContentServer } from '../service/http-content-only.ts';
import { createLineImages } from '../service/line-images.ts';
import { createPresence } from '../service/presence.ts';
import { createSiteNode, sentBytes } from '../service/site-node.ts';
import { createSiteSource } from '../service/site-source.ts';
import { type Candidate, designated } from '../swarm/election.ts';
import type { Line } from '../swarm/node-ports.ts';
import { peersBefore } from '../swarm/peers.ts';
import type { SitePeer, UnfitReason } from '../swarm/site.ts';
import type { FeedState } from './fetch-view.ts';
import { createPeerSources } from './peer-sources.ts';
import { toldPeers } from './told-peers.ts';

export interface FetchSiteOptions {
  readonly config: Config;
  /** Of our line; 0: any free one. */
  readonly sitePort: number;
  readonly store: ChunkStore;
  readonly wan: ChunkSource;
  /** Received over it so far, also of chunks that are not whole. */
  readonly wanBytes: () => number;
  /** Of the catalogue that we have taken so far. */
  /** Is this manifest one of it? We may be the one who crosses the WAN for what others fetch. */
  readonly isCatalogued: (manifest: Digest) => boolean;
  readonly catalogueFile: (name: string) => Uint8Array | undefined;
  readonly log: Log;
}

export interface FetchSite {
  readonly content: ContentService;
  /** Peers that have a catalogue to ask for. */
  catalogues(): readonly FileSource[];
  /** The line of the package; what it does not deliver, by HTTP. */
  open(entry: CataloguePackage): Promise<ChunkSource>;
  feed(): FeedState;
  /** Does somebody follow us who has not all of it yet? */
  isNeeded(): boolean;
  close(): Promise<void>;
}

/** Others answer our first word within milliseconds; whoever starts with us takes a little longer. */
const MEET_MS = 600;
/** Catalogue, manifest and tables: soon known, or never. */
const KNOWN_MS = 1_500;
const LEAVE_MS = 2_000;

/** Rejects with PB-INTERFACE-UNKNOWN, PB-PORT-IN-USE or PB-PORT-DENIED. */
export async function openFetchSite(options: FetchSiteOptions): Promise<FetchSite> {
  const { config, store, wan, log } = options;
  const [clock, timers] = [systemClock, systemTimers];
  const label = config.site ?? '';
  const tags: readonly string[] = [];
  const unfit: readonly UnfitReason[] =
    config.origins.length + config.parents.length === 0 ? ['wan-down'] : [];
  chooseInterfaces(config.interfaces);
  // Asked again and again: a cable may be pulled out, and none may be left for a while.
  const interfaces = () =>
    hostInterfaces().filter(({ name }) => config.interfaces.length === 0 || config.interfaces.includes(name));
  let httpPort = 0;
  let sitePort = options.sitePort;
  let wanted: CataloguePackage | undefined;
  let line: Line | undefined;
  let lineBytes = 0;
  let tellKnown: () => void = () => {};
  const known = new Promise<void>((resolve) => {
    tellKnown = resolve;
  });

  const own = { role: 'target', httpPort, tags, holdings: [], unfit, crossing: [] } as const;
  const presence = createPresence({
    // Not that of a peer on this machine: we are another one, for a while.
    self: toHex(randomBytes(8)),
    label,
    sitePort: () => sitePort,
    groupPort: config.sitePort,
    own: { ...own, freeUplinkBytesPerSecond: 0 },
    openNet: beaconSockets({ interfaces }),
    random: seededRandom(randomBytes(4).readUInt32LE()),
    clock,
    timers,
    log,
  });
  const candidates = (): Candidate[] => [{ id: presence.self, ...own }, ...presence.peers()];
  const peerSources = createPeerSources(log);
  /** By HTTP: from peers that are to cross the WAN rather than we, else over the WAN. */
  const byHttp = createSiteSource({
    lineOf: async () => undefined,
    before: (digest) => peersBefore(label, digest, { id: presence.self, ...own }, presence.peers()),
    peer: peerSources.of,
    wan,
    log,
  });
  const content = createContentService({ store, source: byHttp, log });
  /** For what the line does not deliver; whoever follows us gets it from us all the same. */
  const rest: ChunkSource = {
    name: byHttp.name,
    async fetch(asked, fetchOptions) {
      const bytes = await byHttp.fetch(asked, fetchOptions);
      await content.keep(asked.digest, bytes);
      const row = line?.image.rowOf(asked.digest);
      if (row !== undefined) line?.got(row);
      return bytes;
    },
  };
  const images = createLineImages({
    content,
    store,
    wan,
    isCatalogued: options.isCatalogued,
    unzstd,
    log,
  });
  const hashThread = createHashThread();
  const node = createSiteNode({
    presence,
    role: own.role,
    port: sitePort,
    transport: createLineSockets(),
    clock,
    timers,
    log,
    elect: (image) => designated(label, image, candidates()),
    strategy: config.strategy,
    linkBytesPerSecond: () => linkBytesPerSecond(readNics()),
    hash: hashThread.hash,
    onTraffic: ({ bytes }) => {
      lineBytes += bytes;
    },
    // Those who start with us may ask before we know what we are to fetch.
    openImage: async (manifest) => {
      await Promise.race([known, new Promise<void>((resolve) => timers.after(KNOWN_MS, resolve))]);
      return images.open(manifest, manifest === wanted?.manifest.digest ? 'package' : 'relay');
    },
  });
  const server = createContentServer({
    content,
    catalogue: {
      images: () => [],
      bootEntries: () => [],
      packages: () => (wanted === undefined ? [] : [wanted]),
      state: () => ({ state: 'valid' }),
      file: async (name) => options.catalogueFile(name),
    },
    addresses: () => interfaces().map(({ address }) => address),
    log,
  });
  const announcer = createAnnouncer({
    presence,
    lines: node.lines,
    role: own.role,
    httpPort: () => httpPort,
    tags: () => tags,
    unfit: () => unfit,
    sentBytes: () => sentBytes(node.stats()),
    clock,
    timers,
  });

  sitePort = (await node.start()).port;
  httpPort = (await server.start()).port;
  for (const where of toldPeers(config.peers)) presence.tellOf(where);
  await presence.start();
  announcer.start();
  presence.onChange(() => peerSources.keepOnly(presence.peers()));
  await new Promise<void>((resolve) => timers.after(MEET_MS, resolve));

  const nameOf = (id: string): string => {
    const peer = presence.peers().find((one) => one.id === id);
    return peer === undefined ? id : peer.address;
  };
  return {
    content,
    catalogues: () => presence.peers().flatMap((peer) => (peer.httpPort > 0 ? [catalogueOf(peer, log)] : [])),
    async open(entry) {
      wanted = entry;
      tellKnown();
      const joining = await images.open(entry.manifest.digest, 'package');
      if (joining === undefined) return wan;
      line = node.join(joining);
      announcer.now();
      return createLineFirst({
        line: () => line,
        receivedBytes: () => lineBytes + options.wanBytes(),
        rest,
        clock,
        timers,
        log,
        served: () => {},
      });
    },
    feed() {
      const state = line?.state();
      const feeder = state?.feeder;
      return {
        feeder: feeder === undefined || feeder === 'wan' ? feeder : nameOf(feeder),
        followers: state?.followers.length ?? 0,
      };
    },
    isNeeded: () => line?.state().followers.some(({ held }) => held < (line?.image.rows ?? 0)) ?? false,
    async close() {
      announcer.stop();
      await node.leave(LEAVE_MS);
      await presence.stop();
      await node.stop();
      await hashThread.close();
      await server.stop();
      await peerSources.close();
    },
  };
}

/** A peer's catalogue, asked once. */
function catalogueOf({ address, httpPort }: SitePeer, log: Log): FileSource {
  const base = `http://${address}:${httpPort}${ROUTES.content}`;
  return {
    name: base,
    async fetchFile(path, options) {
      const source = createHttpSource({ base, log });
      return source.fetchFile(path, options).finally(() => source.close());
    },
  };
}
