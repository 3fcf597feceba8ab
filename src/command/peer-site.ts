// Builds a peer's part in its site: presence, lines, replicas, control, and what it says of itself.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { CheckInAnswer } from '../api/agent.ts';
import { type CatalogueImage, findImage } from '../api/catalogue.ts';
import { type Ipv4, type Mac, parseIpv4, parseMac } from '../base/addresses.ts';
import type { Digest } from '../base/digest.ts';
import type { Log } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import type { ChunkSource, Wanted } from '../chunk/ports.ts';
import { askPeer } from '../io/ask-peer.ts';
import { beaconSockets } from '../io/beacon-sockets.ts';
import type { FileChunkStore } from '../io/chunk-files.ts';
import { systemClock, systemTimers } from '../io/clock.ts';
import type { Config } from '../io/config-keys.ts';
import { openControlStore } from '../io/control-store.ts';
import { readMachineCondition } from '../io/fitness.ts';
import { createHashThread } from '../io/hash-thread.ts';
import { type HostInterface, presentInterfaces } from '../io/interfaces.ts';
import { createLineSockets } from '../io/line-sockets.ts';
import { linkBytesPerSecond, readNics } from '../io/nics.ts';
import { keepPeerId, loadPeerId } from '../io/peer-id.ts';
import { unzstd } from '../io/zstd.ts';
import { createAnnouncer } from '../service/announcer.ts';
import type { Assignments } from '../service/assignments.ts';
import { createTurnTaker, type TurnTaker } from '../service/boot-turns.ts';
import type { Catalogue } from '../service/catalogue.ts';
import type { ContentService } from '../service/content.ts';
import { createControl } from '../service/control.ts';
import { createFitness } from '../service/fitness.ts';
import type { SiteForHttp } from '../service/http-site.ts';
import type { BootHost } from '../service/imaged-elsewhere.ts';
import { createLanPace, type LanPace } from '../service/lan-pace.ts';
import type { WanLedger } from '../service/ledger.ts';
import { createLineImages } from '../service/line-images.ts';
import { createPresence } from '../service/presence.ts';
import { createReplicas } from '../service/replicas.ts';
import { createSiteNode, type PeerSiteNode, sentBytes } from '../service/site-node.ts';
import { createSiteSource } from '../service/site-source.ts';
import { createSiteViews } from '../service/site-view.ts';
import type { WanGate, WanUse } from '../service/wan-gate.ts';
import { isBootHost, numberingHost, rankBootHosts } from '../swarm/boot-hosts.ts';
import { isPaused, tagsInForce } from '../swarm/control.ts';
import { type Candidate, designated } from '../swarm/election.ts';
import { peersBefore } from '../swarm/peers.ts';
import { wishesOf } from '../swarm/replica-wishes.ts';
import type { UnfitReason } from '../swarm/site.ts';
import { createPeerSources } from './peer-sources.ts';
import { toldPeers } from './told-peers.ts';

export interface PeerSiteParts {
  readonly config: Config;
  readonly interfaces: () => readonly HostInterface[];
  /** As it is called on screens. */
  readonly title: string;
  readonly name: string;
  readonly store: FileChunkStore;
  readonly content: ContentService;
  readonly catalogue: Catalogue;
  readonly assignments: Assignments;
  /** Behind the gate. */
  readonly wan: ChunkSource;
  readonly gate: WanGate;
  readonly ledger: WanLedger;
  /** Nobody of the WAN's sources can be asked now. */
  readonly wanDown: () => boolean;
  readonly httpPort: () => number;
  readonly log: Log;
}

export interface PeerSite {
  /** What this peer does not hold, from the site or over the WAN. */
  readonly source: ChunkSource;
  readonly node: PeerSiteNode;
  /** Whose turn it is to answer a machine's boot request. */
  readonly turns: TurnTaker;
  readonly routes: SiteForHttp;
  /** Limit of what leaves for the LAN. */
  readonly lan: LanPace;
  /** Is there a live peer of the site at this address? */
  readonly isPeer: (address: Ipv4) => boolean;
  /** Bases of the other boot hosts, the next in rank for this machine first. */
  readonly otherBootHosts: (mac?: string) => readonly string[];
  /** For the agents of machines that boot from us. */
  readonly swarm: (localAddress: string) => CheckInAnswer['swarm'];
  /** Live peers of the site that answer PXE, without us. */
  readonly bootHosts: () => readonly BootHost[];
  /** The boot host that gives names to machines; undefined when that is ourselves. */
  readonly numbering: () => BootHost | undefined;
  /** What a transfer over the WAN is for. */
  readonly useOf: (wanted: Wanted) => WanUse;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** A replica being filled hands its followers on before the peer ends, but nobody waits long for that. */
const LEAVE_MS = 1_500;
const NO_MAC = '00:00:00:00:00:00' as Mac;

/** `start` rejects with PB-PORT-IN-USE or PB-PORT-DENIED. */
export function openPeerSite(parts: PeerSiteParts): PeerSite {
  const { config, store, content, catalogue, gate, ledger, wan } = parts;
  const part = (name: string) => parts.log.child({ part: name });
  const clock = systemClock;
  const timers = systemTimers;
  const label = config.site ?? '';
  const inCatalogue = () => [...catalogue.images(), ...catalogue.packages(), ...catalogue.bootEntries()];
  const byManifest = (manifest: Digest): CatalogueImage | undefined =>
    inCatalogue().find((one) => one.manifest.digest === manifest);

  const presence = createPresence({
    self: loadPeerId(config.stateDir),
    keepId: (id) => keepPeerId(config.stateDir, id),
    label,
    sitePort: () => sitePort,
    groupPort: config.sitePort,
    own: {
      role: 'peer',
      httpPort: config.httpPort,
      tags: config.tags,
      holdings: [],
      freeUplinkBytesPerSecond: 0,
      unfit: [],
      crossing: [],
    },
    openNet: beaconSockets({ interfaces: () => presentInterfaces(config.interfaces) }),
    random: seededRandom(randomBytes(4).readUInt32LE()),
    clock,
    timers,
    log: part('presence'),
  });
  let sitePort = config.sitePort;

  function unfit(): readonly UnfitReason[] {
    return [
      ...fitness.reasons(),
      ...(control.told().control.paused ? (['paused'] as const) : []),
      ...(parts.wanDown() ? (['wan-down'] as const) : []),
    ];
  }

  const givenTags = () => tagsInForce(control.told().control, config.tags);
  const tags = () => [...new Set([...givenTags(), ...replicas.tags()])];
  const ourselves = (): Candidate => ({ id: presence.self, role: 'peer', tags: tags(), unfit: unfit() });
  const candidates = (): readonly Candidate[] => [ourselves(), ...presence.peers()];

  const images = createLineImages({
    content,
    store,
    wan,
    isCatalogued: (manifest) => byManifest(manifest) !== undefined,
    unzstd,
    log: part('line'),
  });
  const lan = createLanPace({ limit: config.lanLimit, clock, timers });
  const hashThread = createHashThread();
  const node = createSiteNode({
    presence,
    role: 'peer',
    port: config.sitePort,
    transport: createLineSockets(),
    clock,
    timers,
    log: parts.log,
    elect: (image) => designated(label, image, candidates()),
    strategy: config.strategy,
    linkBytesPerSecond: () => linkBytesPerSecond(readNics()),
    hash: hashThread.hash,
    openImage: (manifest) => images.open(manifest),
    pace: lan,
  });

  const peerSources = createPeerSources(part('peers'));
  const turns = createTurnTaker({
    site: label,
    ourselves,
    others: presence.peers,
    sayAnswered: presence.sayAnswered,
    onAnswered: presence.onAnswered,
    clock,
    timers,
  });
  const source = createSiteSource({
    async lineOf(manifest) {
      const found = await images.open(manifest);
      return found === undefined ? undefined : node.join(found);
    },
    before: (digest) => peersBefore(label, digest, ourselves(), presence.peers()),
    peer: peerSources.of,
    wan,
    log: part('sources'),
  });

  const control = createControl({
    store: openControlStore(join(config.stateDir, 'control.json')),
    lines: node.lines,
    clock,
    timers,
    log: part('control'),
  });
  const replicas = createReplicas({
    site: label,
    presence,
    tags: givenTags,
    graceMs: config.replicaGraceSeconds * 1000,
    wishes: () =>
      wishesOf({
        content: inCatalogue(),
        rules: config.replicas,
        asked: control.told().wishes,
        assigned: parts.assignments
          .list()
          .flatMap(({ target }) => (target.kind === 'image' ? [target.image] : [])),
        bootHost: isBootHost({ tags: givenTags() }),
        find: (reference) => findImage(inCatalogue(), reference),
      }),
    isPaused: (title) => isPaused(control.told().control, title),
    store,
    get: (wanted) => content.get(wanted),
    settled: () => content.settled(),
    open: images.open,
    join: node.join,
    clock,
    timers,
    log: part('replicas'),
  });
  const fitness = createFitness({
    read: readMachineCondition,
    busyLoad: config.busyLoad,
    timers,
    log: part('fitness'),
    onChange: () => announcer.now(),
  });
  const announcer = createAnnouncer({
    presence,
    lines: node.lines,
    role: 'peer',
    httpPort: parts.httpPort,
    tags,
    unfit,
    sentBytes: () => sentBytes(node.stats()),
    clock,
    timers,
  });
  const views = createSiteViews({
    presence,
    lines: node.lines,
    control,
    gate,
    lanLimit: lan.limit,
    ledger,
    replicas: replicas.views,
    ask: askPeer,
    self: {
      name: parts.name,
      site: parts.title,
      address: () => parts.interfaces()[0]?.address ?? '127.0.0.1',
      httpPort: parts.httpPort,
      tags,
      unfit,
      freeUplinkBytesPerSecond: () => announcer.last()?.freeUplinkBytesPerSecond ?? 0,
    },
    log: part('site'),
  });

  /** The site's limit of the WAN is shared by all that cross it now. */
  function share(): void {
    const others = presence.peers().filter(({ crossing }) => crossing.length > 0).length;
    // It matters only while we cross it ourselves.
    gate.share(others + 1);
  }

  return {
    source,
    node,
    turns,
    lan,
    routes: {
      views,
      control,
      ledger,
      content: inCatalogue,
      evict: ({ manifest }, lastCopy) => replicas.evict(manifest.digest, lastCopy),
    },
    isPeer: (address) => presence.peers().some((peer) => peer.address === address),
    otherBootHosts: (mac) =>
      rankBootHosts(label, parseMac(mac ?? '') ?? NO_MAC, presence.peers())
        .filter(({ httpPort }) => httpPort > 0)
        .map(({ address, httpPort }) => `http://${address}:${httpPort}`),
    swarm(localAddress) {
      const own = parseIpv4(localAddress);
      const others = presence.peers().filter(({ role }) => role === 'peer');
      const known = [
        ...(own === undefined ? [] : [{ address: own, port: sitePort }]),
        ...others.map(({ address, port }) => ({ address, port })),
      ];
      return { site: config.site, peers: known.slice(0, 64), strategy: config.strategy };
    },
    bootHosts: () =>
      presence.peers().filter((one) => one.role === 'peer' && one.httpPort > 0 && isBootHost(one)),
    numbering() {
      const first = numberingHost(label, candidates());
      return presence.peers().find(({ id, httpPort }) => id === first && httpPort > 0);
    },
    useOf({ image }) {
      const found = image === undefined ? undefined : byManifest(image);
      if (image === undefined || found === undefined) return { purpose: 'catalogue', title: '' };
      const filling = replicas.filling();
      const replica = filling?.manifest === image ? filling.purpose : undefined;
      const line = node.lines().find((one) => one.image.manifest === image);
      const isImage = catalogue.images().includes(found);
      const plain = isImage ? 'image' : catalogue.packages().includes(found) ? 'package' : 'boot-entry';
      return {
        purpose: replica ?? plain,
        // As soon as somebody waits for what we fill, it is no longer only for later.
        background: replica !== undefined && (line?.state().followers.length ?? 0) === 0,
        title: `${found.name} ${found.version}`,
      };
    },
    async start() {
      sitePort = (await node.start()).port;
      for (const where of toldPeers(config.peers)) presence.tellOf(where);
      await presence.start();
      presence.onChange(() => {
        share();
        peerSources.keepOnly(presence.peers());
      });
      control.onChange((told) => {
        gate.apply(told.control);
        lan.apply(told.control);
        announcer.now();
        replicas.look();
      });
      control.start();
      await fitness.start();
      announcer.start();
      replicas.start();
    },
    async stop() {
      turns.stop();
      fitness.stop();
      control.stop();
      await replicas.stop();
      announcer.stop();
      await node.leave(LEAVE_MS);
      await presence.stop();
      await node.stop();
      await hashThread.close();
      await peerSources.close();
    },
  };
}
