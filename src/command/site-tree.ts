// Who feeds whom for one image, as trees, put together from what every peer says of itself and of its followers.
import type { SitePeerView, SiteView } from '../api/site.ts';

/** One machine in the line of one image. */
export interface LineNode {
  readonly id: string;
  /** The peer's name, or what is known of a target. */
  readonly name: string;
  readonly address: string;
  readonly target: boolean;
  readonly held: number;
  /** Bytes per second that come in. */
  readonly rate: number;
  /** Requests that wait here for a chunk on its way. */
  readonly holds: number;
  readonly paused: boolean;
  /** Peers that it fetches from as one of many sources; 0: it has a place in the line. */
  readonly sources: number;
  readonly followers: readonly LineNode[];
}

export interface ImageTree {
  readonly key: string;
  readonly title: string;
  readonly rows: number;
  readonly storedBytes: number;
  /** How it is being fetched; undefined when nobody does. */
  readonly strategy: 'line' | 'swarm' | 'line and swarm' | undefined;
  /** Those that cross the WAN. */
  readonly fromWan: readonly LineNode[];
  /** Those that feed from what they hold, whole or so far. */
  readonly fromDisk: readonly LineNode[];
  /** Fetched over the WAN by all peers since they were first started. */
  readonly wanBytes: number;
  readonly copies: number;
  readonly wanted: number;
  readonly problems: readonly string[];
}

interface Known {
  readonly node: Omit<LineNode, 'followers'>;
  /** A peer's id, `wan`, or undefined when it fetches nothing. */
  readonly feeder: string | undefined;
}

/** Every image that is in a line or shall be held, by title. */
export function imageTrees(view: SiteView): readonly ImageTree[] {
  const keys = new Map<string, { title: string; rows: number; storedBytes: number }>();
  for (const { facts } of view.peers) {
    for (const one of [...(facts?.lines ?? []), ...(facts?.replicas ?? [])]) {
      // A peer that holds nothing of it does not know of how many chunks it is.
      if ((keys.get(one.key)?.rows ?? 0) === 0) keys.set(one.key, one);
    }
  }
  return [...keys]
    .map(([key, { title, rows, storedBytes }]) => ({
      ...{ key, title, rows, storedBytes },
      ...trees(view, key),
      ...counts(view, key, title),
    }))
    .sort((a, b) => (a.title < b.title ? -1 : 1));
}

function trees(view: SiteView, key: string): Pick<ImageTree, 'fromWan' | 'fromDisk' | 'strategy'> {
  const known = new Map<string, Known>();
  for (const peer of view.peers) {
    const line = peer.facts?.lines.find((one) => one.key === key);
    if (line === undefined) continue;
    const { held, rate, holds, paused, feeder } = line;
    const sources = line.strategy === 'swarm' ? Math.max(1, sourcesOf(view, key, peer.id).length) : 0;
    known.set(peer.id, { node: { ...whoIs(peer), held, rate, holds, paused, sources }, feeder });
  }
  // Targets have no HTTP: their feeder knows them, and their beacon says how much they hold.
  for (const peer of view.peers) {
    for (const follower of peer.facts?.lines.find((one) => one.key === key)?.followers ?? []) {
      if (known.has(follower.id)) continue;
      const announced = view.peers.find(({ id }) => id === follower.id);
      const who =
        announced === undefined
          ? { id: follower.id, name: follower.id, address: follower.address ?? '', target: true }
          : whoIs(announced);
      const held = Math.max(follower.held, heldOf(announced, key));
      const sources = sourcesOf(view, key, follower.id);
      const rate = follower.joins === true ? sources.reduce((sum, one) => sum + one, 0) : follower.rate;
      const node = { ...who, held, rate, holds: 0, paused: false, sources: sources.length };
      known.set(follower.id, { node, feeder: peer.id });
    }
  }
  const grown = new Set<string>();
  const grow = (id: string): LineNode | undefined => {
    const one = known.get(id);
    if (one === undefined || grown.has(id)) return undefined;
    grown.add(id);
    const followers = [...known]
      .filter(([, { feeder }]) => feeder === id)
      .map(([follower]) => grow(follower));
    return { ...one.node, followers: followers.filter((node) => node !== undefined) };
  };
  const roots = (test: (feeder: string | undefined) => boolean) =>
    [...known]
      .filter(([, { feeder }]) => test(feeder))
      .map(([id]) => grow(id))
      .filter((node) => node !== undefined);
  const fromWan = roots((feeder) => feeder === 'wan');
  const fromDisk = roots((feeder) => feeder === undefined || !known.has(feeder));
  // What two peers say a moment apart may go round in a circle: nobody shall be missing from the picture.
  return {
    fromWan,
    fromDisk: [...fromDisk, ...roots(() => true)],
    strategy: strategyOf([...known.values()]),
  };
}

/** Of those that fetch it now. */
function strategyOf(known: readonly Known[]): ImageTree['strategy'] {
  const fetching = known.filter(({ feeder }) => feeder !== undefined);
  const [swarm, line] = [true, false].map((is) => fetching.some(({ node }) => node.sources > 0 === is));
  if (swarm === true) return line === true ? 'line and swarm' : 'swarm';
  return line === true ? 'line' : undefined;
}

/** What each of the peers sends it that say that it has them as one of many. */
function sourcesOf(view: SiteView, key: string, id: string): readonly number[] {
  return view.peers
    .flatMap(({ facts }) => facts?.lines.filter((one) => one.key === key) ?? [])
    .flatMap(({ followers }) => followers.filter((one) => one.id === id && one.joins === true))
    .map(({ rate }) => rate);
}

function counts(view: SiteView, key: string, title: string) {
  const facts = view.peers.flatMap((peer) => peer.facts ?? []);
  const replicas = facts.flatMap((one) => one.replicas.filter((replica) => replica.key === key));
  const whole = view.peers.filter((peer) => {
    const line = peer.facts?.lines.find((one) => one.key === key);
    if (line !== undefined) return line.held === line.rows;
    return peer.holdings.some(({ image, held, of }) => image === key && held === of && of > 0);
  });
  return {
    wanBytes: facts.reduce(
      (sum, one) => sum + (one.wan.find((booked) => booked.title === title)?.bytes ?? 0),
      0,
    ),
    copies: whole.length,
    wanted: Math.max(0, ...replicas.map(({ wanted }) => wanted)),
    problems: [...new Set(replicas.flatMap(({ problem }) => problem ?? []))],
  };
}

function whoIs(peer: SitePeerView): Pick<LineNode, 'id' | 'name' | 'address' | 'target'> {
  const { id, address, role, facts } = peer;
  return { id, name: facts?.name ?? id.slice(0, 8), address, target: role === 'target' };
}

function heldOf(peer: SitePeerView | undefined, key: string): number {
  return peer?.holdings.find(({ image }) => image === key)?.held ?? 0;
}
