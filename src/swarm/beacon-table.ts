// Those that a beacon hears: each once, whatever the number of its interfaces, in the order in which they were last heard.
import type { Ipv4 } from '../base/addresses.ts';
import type { MonotonicMs } from '../base/time.ts';
import type { Beacon, BeaconFacts } from './beacon-codec.ts';
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
  heardAt: MonotonicMs;
  /** Neighbours in the order of the last heard. */
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
  readonly #peers = new Map<PeerId, HeardPeer>();
  #first: HeardPeer | undefined;
  #last: HeardPeer | undefined;
  readonly #most: number;
  readonly #mostPerAddress: number;
  #view: readonly SitePeer[] | undefined;

  constructor(most = MOST_PEERS, mostPerAddress = MOST_PER_ADDRESS) {
    this.#most = most;
    this.#mostPerAddress = mostPerAddress;
  }

  get size(): number {
    return this.#peers.size;
  }

  get(id: PeerId): HeardPeer | undefined {
    return this.#peers.get(id);
  }

  all(): IterableIterator<HeardPeer> {
    return this.#peers.values();
  }

  /** The longest silent one; `after` it comes the next one. */
  get longestSilent(): HeardPeer | undefined {
    return this.#first;
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
      heardAt: now,
      before: undefined,
      after: undefined,
      probeAt: 0,
      probes: 0,
      askAt: Number.POSITIVE_INFINITY,
      asks: 0,
    };
    this.#peers.set(peer.id, peer);
    this.#append(peer);
    return peer;
  }

  remove(peer: HeardPeer): void {
    this.#peers.delete(peer.id);
    this.#unlink(peer);
    this.#view = undefined;
  }

  /** It lives, and can be reached there: the way that it was heard by. */
  heard(peer: HeardPeer, from: BeaconEndpoint, staleMs: number, now: MonotonicMs): BeaconPath {
    peer.heardAt = now;
    peer.probes = 0;
    this.#unlink(peer);
    this.#append(peer);
    const path = findPath(peer, from) ?? addPath(peer, from, now);
    path.heardAt = now;
    if (peer.path !== path && now - peer.path.heardAt > staleMs) {
      peer.path = path;
      this.#view = undefined;
    }
    return path;
  }

  /** We were deaf for so long: nobody is to blame for not having been heard. */
  forgive(ms: number): void {
    for (const peer of this.#peers.values()) {
      peer.heardAt += ms;
      peer.probes = 0;
      for (const path of peer.paths) path.heardAt += ms;
    }
  }

  #append(peer: HeardPeer): void {
    peer.before = this.#last;
    peer.after = undefined;
    if (this.#last === undefined) this.#first = peer;
    else this.#last.after = peer;
    this.#last = peer;
  }

  #unlink(peer: HeardPeer): void {
    if (peer.before === undefined) this.#first = peer.after;
    else peer.before.after = peer.after;
    if (peer.after === undefined) this.#last = peer.before;
    else peer.after.before = peer.before;
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
