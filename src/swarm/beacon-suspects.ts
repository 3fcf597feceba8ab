// Those of whom somebody says that they do not answer any more: probed at once, and gone unless they are heard.
//
// A silence alone takes seconds to count as a death. But whoever is fed by a peer notices in a moment that its connection
// broke or went quiet: it says so to the site, everybody asks the suspect, and all agree within a second. The word of
// another only shortens the wait: one who lives answers, so a false suspicion costs it one beat.
import { type Random, randomInt } from '../base/random.ts';
import type { MonotonicMs } from '../base/time.ts';
import { DEFENCE_MS, SUSPECT_MS, SUSPECT_PROBE_MS } from './beacon-pace.ts';
import type { Silence } from './beacon-silence.ts';
import type { BeaconEndpoint, BeaconPath, HeardPeer } from './beacon-table.ts';

interface Suspicion {
  readonly goneAt: MonotonicMs;
  readonly probeAt: MonotonicMs;
  readonly probes: number;
}

export class Suspects {
  readonly #random: Random;
  readonly #suspects = new Map<HeardPeer, Suspicion>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** `atOnce`: noticed by ourselves; else the suspect has a moment to answer all by one beat. False: known already. */
  suspect(peer: HeardPeer, atOnce: boolean, now: MonotonicMs): boolean {
    if (this.#suspects.has(peer)) return false;
    const waitMs = atOnce ? 0 : DEFENCE_MS + randomInt(this.#random, SUSPECT_PROBE_MS);
    this.#suspects.set(peer, { goneAt: now + SUSPECT_MS, probeAt: now + waitMs, probes: 0 });
    return true;
  }

  /** It was heard, or has gone. */
  clear(peer: HeardPeer): void {
    if (this.#suspects.size > 0) this.#suspects.delete(peer);
  }

  /** We were deaf for so long. */
  forgive(ms: number): void {
    for (const [peer, one] of this.#suspects) {
      this.#suspects.set(peer, { ...one, goneAt: one.goneAt + ms, probeAt: one.probeAt + ms });
    }
  }

  due(now: MonotonicMs): Silence {
    const dead: HeardPeer[] = [];
    const probe: BeaconEndpoint[] = [];
    for (const [peer, one] of this.#suspects) {
      if (now >= one.goneAt) dead.push(peer);
      else if (now >= one.probeAt) {
        // Each way in turn: only one of its interfaces may be cut off.
        probe.push((peer.paths[one.probes % peer.paths.length] as BeaconPath).endpoint);
        this.#suspects.set(peer, { ...one, probeAt: now + SUSPECT_PROBE_MS, probes: one.probes + 1 });
      }
    }
    return { dead, probe };
  }

  nextAt(): MonotonicMs {
    let next = Number.POSITIVE_INFINITY;
    for (const { goneAt, probeAt } of this.#suspects.values()) next = Math.min(next, goneAt, probeAt);
    return next;
  }
}
