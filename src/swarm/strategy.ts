// Line or mesh for an image, by situation: a pure choice, justified in docs/decisions/0004-line-or-mesh.md.
import { createLine } from './line.ts';
import type { LineMachine, LineSetup } from './line-ports.ts';
import { createMesh } from './mesh.ts';
import { mayServe } from './peers.ts';
import type { ImageKey, SitePeer } from './site.ts';

export type Strategy = 'line' | 'swarm';

/** What an administrator may say; `auto`: each node chooses, image by image, when it opens one. */
export const STRATEGY_SETTINGS = ['auto', 'line', 'swarm'] as const;
export type StrategySetting = (typeof STRATEGY_SETTINGS)[number];

/** Nodes of either kind feed each other. */
export function createMachine(strategy: Strategy, setup: LineSetup): LineMachine {
  return strategy === 'swarm' ? createMesh(setup) : createLine(setup);
}

/** What a node knows of its site when it joins an image's fetching; speeds in bytes per second, 0 when unknown. */
export interface StrategyFacts {
  /** Nodes that want the image now, this one included. */
  readonly fetchers: number;
  /** Live, fit nodes that hold all of it. */
  readonly completeHolders: number;
  /** Free uplink of the fastest of those that know theirs. */
  readonly fastestUplink: number;
  /** What this node can take. */
  readonly downlink: number;
}

export interface StrategyChoice {
  readonly strategy: Strategy;
  readonly why: string;
}

/** A single feeder that brings more than this share of what we can take is enough. */
const ENOUGH_SHARE = 0.9;

/**
 * The line, but for one case: several complete holders whose uplinks are each narrower than our downlink, and no more
 * fetchers than holders. Then one feeder cannot fill our link and several can; with more fetchers the line has every
 * uplink busy anyway.
 */
export function chooseStrategy(facts: StrategyFacts): StrategyChoice {
  const { fetchers, completeHolders, fastestUplink, downlink } = facts;
  if (completeHolders < 2) return { strategy: 'line', why: 'one source at most: a line doubles nothing' };
  if (fetchers > completeHolders)
    return { strategy: 'line', why: 'more fetchers than holders: a line keeps every uplink busy' };
  if (fastestUplink === 0 || downlink === 0)
    return { strategy: 'line', why: 'speeds are unknown: a line measures them' };
  if (fastestUplink >= ENOUGH_SHARE * downlink)
    return { strategy: 'line', why: 'one holder alone fills the link' };
  return { strategy: 'swarm', why: 'no single uplink fills the link, several together do' };
}

/**
 * From what the others announce. A target that holds nothing of any image has come to fetch one: most likely this one, and
 * a line too many costs less than a mesh too many. `downlink`: bytes per second, 0 when unknown.
 */
export function strategyFacts(peers: readonly SitePeer[], image: ImageKey, downlink: number): StrategyFacts {
  const of = (peer: SitePeer) => peer.holdings.find((holding) => holding.image === image);
  const isComplete = (peer: SitePeer) => {
    const holding = of(peer);
    return holding !== undefined && holding.of > 0 && holding.held === holding.of;
  };
  const holders = peers.filter((peer) => isComplete(peer) && mayServe(peer.unfit));
  const fetchers = peers.filter((peer) =>
    (of(peer)?.held ?? 0) > 0 ? !isComplete(peer) : peer.role === 'target' && peer.holdings.length === 0,
  );
  return {
    fetchers: fetchers.length + 1,
    completeHolders: holders.length,
    fastestUplink: Math.max(0, ...holders.map(({ freeUplinkBytesPerSecond }) => freeUplinkBytesPerSecond)),
    downlink,
  };
}
