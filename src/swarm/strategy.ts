// Line or mesh for an image, by situation: a pure choice, justified in docs/decisions/0004-line-or-mesh.md.

export type Strategy = 'line' | 'swarm';

/** What a node knows of its site when it joins an image's fetching; speeds in bytes per second, 0 when unknown. */
export interface StrategyFacts {
  /** Nodes that want the image now, this one included. */
  readonly fetchers: number;
  /** Live, fit nodes that hold all of it. */
  readonly completeHolders: number;
  /** Free uplink of the fastest of these. */
  readonly fastestUplink: number;
  /** What this node can take. */
  readonly downlink: number;
}

export interface StrategyChoice {
  readonly strategy: Strategy;
  readonly why: string;
}

/** A single feeder that brings more than this share of what we can take is enough. */
const ENOUGH_SHARE = 0.7;

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
