// Whom we still have to ask for an announcement: a few at a time.
import { type Random, randomInt } from '../base/random.ts';
import type { MonotonicMs } from '../base/time.ts';
import { spreadMs } from './beacon-pace.ts';
import type { BeaconEndpoint, HeardPeer } from './beacon-table.ts';

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
