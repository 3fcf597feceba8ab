// Peers in the order in which they fell silent, and which of them are to be probed now or are dead.
import type { MonotonicMs } from '../base/time.ts';
import { type Patience, PROBE_MS } from './beacon-pace.ts';
import type { BeaconEndpoint, BeaconPath, HeardPeer } from './beacon-table.ts';

export interface Silence {
  readonly dead: readonly HeardPeer[];
  readonly probe: readonly BeaconEndpoint[];
}

/** The longest silent first; each peer is in one such list. */
export class SilenceList {
  #first: HeardPeer | undefined;
  #last: HeardPeer | undefined;

  /** Behind those that have been silent for as long or longer: mostly the last. */
  insert(peer: HeardPeer): void {
    let before = this.#last;
    while (before !== undefined && before.silentFrom > peer.silentFrom) before = before.before;
    const after = before === undefined ? this.#first : before.after;
    peer.before = before;
    peer.after = after;
    if (before === undefined) this.#first = peer;
    else before.after = peer;
    if (after === undefined) this.#last = peer;
    else after.before = peer;
  }

  remove(peer: HeardPeer): void {
    if (peer.before === undefined) this.#first = peer.after;
    else peer.before.after = peer.after;
    if (peer.after === undefined) this.#last = peer.before;
    else peer.after.before = peer.before;
  }

  /** Those that have been silent for too long, and those to be probed now before that is said of them. */
  listen({ overdueMs, deadMs }: Patience, now: MonotonicMs): Silence {
    const dead: HeardPeer[] = [];
    const probe: BeaconEndpoint[] = [];
    for (let peer = this.#first; peer !== undefined; peer = peer.after) {
      // The same sums as in `nextAt`: a difference may round to the other side, and we would be woken without end.
      if (now < peer.silentFrom + overdueMs) break;
      if (now >= peer.silentFrom + deadMs) {
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

  /** When `listen` will next have something to say. */
  nextAt({ overdueMs, deadMs }: Patience): MonotonicMs {
    let next = Number.POSITIVE_INFINITY;
    for (let peer = this.#first; peer !== undefined; peer = peer.after) {
      const overdueAt = peer.silentFrom + overdueMs;
      if (peer.probes === 0) return Math.min(next, overdueAt);
      // Not before it is overdue: with more peers around than at its first probe, that may be later than its next one.
      next = Math.min(next, Math.max(peer.probeAt, overdueAt), peer.silentFrom + deadMs);
    }
    return next;
  }
}
