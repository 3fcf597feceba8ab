// Those that a beacon hears: each once, whatever the number of its interfaces, in the order in which they fell silent.
import type { Ipv4 } from '../base/addresses.ts';
import type { MonotonicMs } from '../base/time.ts';
import type { Beacon, BeaconFacts } from './beacon-codec.ts';
import { SETTLED_MS } from './beacon-pace.ts';
import { SilenceList } from './beacon-silence.ts';
import type { PeerId, SitePeer } from './site.ts';

/** Where a datagram came from: also where its sender hears unicast. */
export interface BeaconEndpoint {
  readonly address: Ipv4;
  readonly port: number;
}

/** One way to a peer. */
export interface BeaconPath {
  readonly endpoint: BeaconEndpoint;
  heardAt: MonotonicMs;
  /** It asked for our beats by unicast until then. */
  directUntil: MonotonicMs;
  /** Its multicast was heard here: it need not be sent to by unicast. */
  multicastAt: MonotonicMs;
}

export interface HeardPeer {
  readonly id: PeerId;
  instance: number;
  /** The revision of the facts that we have; undefined: they are of an earlier start, or there are none. */
  known: number | undefined;
  facts: BeaconFacts | undefined;
  sitePort: number;
  uplink: number;
  readonly paths: BeaconPath[];
  /** The way that is used: kept as long as it is heard on. */
  path: BeaconPath;
  readonly knownSince: MonotonicMs;
  /** Heard of for SETTLED_MS. */
  settled: boolean;
  /** When it was last heard; or later, where it could not have been heard by us. */
  silentFrom: MonotonicMs;
  /** It is heard each second, being watched by us, or new, or in a small site. */
  quick: boolean;
  /** How often we, its watcher, have suspected it aloud since it was heard. */
  warnings: number;
  /** Neighbours in its `SilenceList`. */
  before: HeardPeer | undefined;
  after: HeardPeer | undefined;
  probeAt: MonotonicMs;
  probes: number;
  askAt: MonotonicMs;
  asks: number;
}

const MOST_PATHS = 4;
const MOST_PEERS = 1024;
const MOST_PER_ADDRESS = 64;
const NEVER = Number.NEGATIVE_INFINITY;

export class BeaconTable {
  /** Those that are heard each second, and the others. */
  readonly quick = new SilenceList();
  readonly slow = new SilenceList();
  /** The last `directUntil` of all ways. */
  directUntil: MonotonicMs = NEVER;
  readonly #peers = new Map<PeerId, HeardPeer>();
  readonly #most: number;
  readonly #mostPerAddress: number;
  #view: readonly SitePeer[] | undefined;
  #ring: readonly HeardPeer[] | undefined;
  #changes = 0;

  constructor(most = MOST_PEERS, mostPerAddress = MOST_PER_ADDRESS) {
    this.#most = most;
    this.#mostPerAddress = mostPerAddress;
  }

  get size(): number {
    return this.#peers.size;
  }

  /** Counts whatever changes who listens to whom: who is there, who is settled, who has been warned of. */
  get changes(): number {
    return this.#changes;
  }

  get(id: PeerId): HeardPeer | undefined {
    return this.#peers.get(id);
  }

  all(): IterableIterator<HeardPeer> {
    return this.#peers.values();
  }

  /** The settled ones by id, in which nobody has a say: ids are drawn. */
  ring(): readonly HeardPeer[] {
    this.#ring ??= [...this.#peers.values()]
      .filter(({ settled }) => settled)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    return this.#ring;
  }

  /** Those whose announcement is known, by id. */
  view(): readonly SitePeer[] {
    this.#view ??= Array.from(this.#peers.values(), sitePeer)
      .filter((peer) => peer !== undefined)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    return this.#view;
  }

  changed(): void {
    this.#view = undefined;
  }

  /** Room for one more at this address: none of those heard lately ever gives way. */
  hasRoom(address: Ipv4): boolean {
    if (this.#peers.size >= this.#most) return false;
    let there = 0;
    for (const peer of this.#peers.values()) if (peer.path.endpoint.address === address) there += 1;
    return there < this.#mostPerAddress;
  }

  add(from: BeaconEndpoint, beacon: Beacon, now: MonotonicMs): HeardPeer {
    const path = newPath(from, now);
    const peer: HeardPeer = {
      id: beacon.id,
      instance: beacon.instance,
      known: undefined,
      facts: undefined,
      sitePort: 0,
      uplink: beacon.freeUplinkBytesPerSecond,
      paths: [path],
      path,
      knownSince: now,
      settled: false,
      silentFrom: now,
      quick: true,
      warnings: 0,
      before: undefined,
      after: undefined,
      probeAt: 0,
      probes: 0,
      askAt: Number.POSITIVE_INFINITY,
      asks: 0,
    };
    this.#peers.set(peer.id, peer);
    this.quick.insert(peer);
    return peer;
  }

  remove(peer: HeardPeer): void {
    this.#peers.delete(peer.id);
    this.#listOf(peer).remove(peer);
    this.#view = undefined;
    this.#ring = undefined;
    this.#changes += 1;
  }

  /** Its silence counts from `silentFrom` on, at the earliest, and by the patience of that list. */
  setQuick(peer: HeardPeer, quick: boolean, silentFrom: MonotonicMs): void {
    if (peer.quick === quick) return;
    this.#listOf(peer).remove(peer);
    peer.quick = quick;
    peer.silentFrom = Math.max(peer.silentFrom, silentFrom);
    this.#listOf(peer).insert(peer);
  }

  /** It lives, and can be reached there: the way that it was heard by. */
  heard(peer: HeardPeer, from: BeaconEndpoint, staleMs: number, now: MonotonicMs): BeaconPath {
    const list = this.#listOf(peer);
    list.remove(peer);
    peer.silentFrom = now;
    peer.probes = 0;
    if (peer.warnings > 0) this.#changes += 1;
    peer.warnings = 0;
    if (!peer.settled && now - peer.knownSince >= SETTLED_MS) {
      peer.settled = true;
      this.#ring = undefined;
      this.#changes += 1;
    }
    list.insert(peer);
    const path = findPath(peer, from) ?? addPath(peer, from, now);
    path.heardAt = now;
    if (peer.path !== path && now - peer.path.heardAt > staleMs) {
      peer.path = path;
      this.#view = undefined;
    }
    return path;
  }

  warned(peer: HeardPeer): void {
    peer.warnings += 1;
    this.#changes += 1;
  }

  /** We were deaf for so long: nobody is to blame for not having been heard. */
  forgive(ms: number): void {
    this.#changes += 1;
    for (const peer of this.#peers.values()) {
      peer.silentFrom += ms;
      peer.probes = 0;
      peer.warnings = 0;
      for (const path of peer.paths) path.heardAt += ms;
    }
  }

  #listOf(peer: HeardPeer): SilenceList {
    return peer.quick ? this.quick : this.slow;
  }
}

export function findPath(peer: HeardPeer, { address, port }: BeaconEndpoint): BeaconPath | undefined {
  return peer.paths.find(({ endpoint }) => endpoint.address === address && endpoint.port === port);
}

function addPath(peer: HeardPeer, endpoint: BeaconEndpoint, now: MonotonicMs): BeaconPath {
  const path = newPath(endpoint, now);
  if (peer.paths.length < MOST_PATHS) {
    peer.paths.push(path);
    return path;
  }
  // The longest silent gives way, unless it is the one in use.
  const spare = peer.paths.filter((one) => one !== peer.path);
  const oldest = spare.reduce((a, b) => (b.heardAt < a.heardAt ? b : a));
  peer.paths[peer.paths.indexOf(oldest)] = path;
  return path;
}

function newPath(endpoint: BeaconEndpoint, now: MonotonicMs): BeaconPath {
  return { endpoint, heardAt: now, directUntil: NEVER, multicastAt: NEVER };
}

export function sitePeer(peer: HeardPeer): SitePeer | undefined {
  if (peer.facts === undefined) return undefined;
  return {
    id: peer.id,
    address: peer.path.endpoint.address,
    port: peer.sitePort,
    ...peer.facts,
    freeUplinkBytesPerSecond: peer.uplink,
  };
}

/** What it announces is what we know: most announcements are repeated only for those who are new. */
export function saysTheSame(
  peer: HeardPeer,
  said: { readonly sitePort: number; readonly facts: BeaconFacts },
): boolean {
  return peer.sitePort === said.sitePort && JSON.stringify(peer.facts) === JSON.stringify(said.facts);
}
