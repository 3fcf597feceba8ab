// Whom to ask first for a place in the line: a pure choice among the live peers of the site.
import type { LineCore } from './line-core.ts';
import type { LinePeer } from './line-ports.ts';
import type { PeerId } from './site.ts';

/**
 * A complete holder, else the designated peer, else whoever has the most; among equals one with a free uplink, and
 * then by lot, so that several complete holders feed several lines. The designated peer itself only follows somebody
 * who is far ahead of it: what the others need next is its own to fetch.
 */
export function chooseFeeder(
  core: LineCore,
  unwanted: (peer: PeerId) => boolean,
  sources: boolean,
): LinePeer | undefined {
  let best: LinePeer | undefined;
  let bestRank = 0;
  for (const peer of core.peers.values()) {
    const rank = rankOf(core, peer);
    if (rank <= bestRank || (sources && rank < DESIGNATED)) continue;
    if (!core.usable(peer.id) || unwanted(peer.id)) continue;
    best = peer;
    bestRank = rank;
  }
  return best;
}

const COMPLETE = 4e9;
const DESIGNATED = 3e9;

function rankOf(core: LineCore, peer: LinePeer): number {
  if (peer.held >= core.setup.rows) {
    const endpoint = peer.role === 'peer' ? 2 : 0;
    const free = peer.freeUplinkBytesPerSecond > 0 ? 1 : 0;
    return COMPLETE + endpoint + free + core.random.next();
  }
  if (core.isDesignated) return peer.held > core.heldCount ? peer.held : 0;
  if (peer.id === core.designated) return DESIGNATED;
  return peer.held > core.heldCount ? peer.held : 0;
}
