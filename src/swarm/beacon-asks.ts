// Whom we still have to ask for an announcement, and whom to ask whether it is still there: a few at a time.
import { type Random, randomInt } from '../base/random.ts';
import type { MonotonicMs } from '../base/time.ts';
import { DEAD_MS, overdueMs, PROBE_MS, spreadMs } from './beacon-pace.ts';
import type { BeaconEndpoint, BeaconPath, BeaconTable, HeardPeer } from './beacon-table.ts';

const ASK_AGAIN_MS = 300;
const LONGEST_ASK_MS = 6_400;
/** Whoever has just come announces itself, and so do those that it greets: asking is for what got lost. */
const PATIENCE_MS = 20;

export class Asks {
  readonly #random: Random;
  readonly #asking = new Set<HeardPeer>();

  constructor(random: Random) {
    this.#random = random;
  }

  want(peer: HeardPeer, peers: number, now: MonotonicMs): void {
    if (this.#asking.has(peer)) return;
    this.#asking.add(peer);
    peer.asks = 0;
    peer.askAt = now + PATIENCE_MS + randomInt(this.#random, spreadMs(peers));
  }

  forget(peer: HeardPeer): void {
    this.#asking.delete(peer);
  }

  due(peers: number, now: MonotonicMs): readonly BeaconEndpoint[] {
    const to: BeaconEndpoint[] = [];
    for (const peer of this.#asking) {
      if (peer.askAt > now) continue;
      const waitMs = Math.min(ASK_AGAIN_MS * 1.5 ** peer.asks, LONGEST_ASK_MS);
      peer.asks += 1;
      peer.askAt = now + waitMs + randomInt(this.#random, spreadMs(peers));
      to.push(peer.path.endpoint);
    }
    return to;
  }

  nextAt(): MonotonicMs {
    let next = Number.POSITIVE_INFINITY;
    for (const peer of this.#asking) next = Math.min(next, peer.askAt);
    return next;
  }
}

export interface Silence {
  readonly dead: readonly HeardPeer[];
  readonly probe: readonly BeaconEndpoint[];
}

/** Those that have been silent for too long, and those to be probed now before that is said of them. */
export function listenForSilence(table: BeaconTable, now: MonotonicMs): Silence {
  const overdue = overdueMs(table.size);
  const dead: HeardPeer[] = [];
  const probe: BeaconEndpoint[] = [];
  for (let peer = table.longestSilent; peer !== undefined; peer = peer.after) {
    // The same sums as in `silenceAt`: a difference may round to the other side, and we would be woken without end.
    if (now < peer.heardAt + overdue) break;
    if (now >= peer.heardAt + DEAD_MS) {
      dead.push(peer);
      continue;
    }
    if (peer.probes > 0 && now < peer.probeAt) continue;
    // Each way in turn: only one of its interfaces may be cut off.
    const { endpoint } = peer.paths[peer.probes % peer.paths.length] as BeaconPath;
    peer.probes += 1;
    peer.probeAt = now + PROBE_MS;
    probe.push(endpoint);
  }
  return { dead, probe };
}

/** When `listenForSilence` will next have something to say. */
export function silenceAt(table: BeaconTable): MonotonicMs {
  const overdue = overdueMs(table.size);
  let next = Number.POSITIVE_INFINITY;
  for (let peer = table.longestSilent; peer !== undefined; peer = peer.after) {
    const overdueAt = peer.heardAt + overdue;
    if (peer.probes === 0) return Math.min(next, overdueAt);
    // Not before it is overdue: with more peers around than at its first probe, that may be later than its next one.
    next = Math.min(next, Math.max(peer.probeAt, overdueAt), peer.heardAt + DEAD_MS);
  }
  return next;
}
