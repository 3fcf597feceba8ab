// Who listens to whom: in a small site everybody to everybody, in a large one each to those before it in the ring of ids.
//
// In a large site a peer says its beat to all only now and then, and in between to its watchers, the next few behind it in the
// ring. They miss it as soon as all would in a small site, and suspect it aloud; the others' own patience is longer. Nobody is told
// who watches whom: each finds it out from whom it knows, so views may differ. Then a watcher that gets no beats asks for them by
// probes, and beats to one that does not watch are wasted. A watcher whom nobody answers looks further up the ring, as those who
// should have missed the next one may have died with it. New ones, and those that multicast does not bring together with us, are
// listened to as in a small site.
import type { MonotonicMs } from '../base/time.ts';
import {
  LARGE_SITE,
  type Patience,
  QUICK,
  SMALL_SITE,
  slowPatience,
  TAKE_OVER_MS,
  WARN_AGAIN_MS,
  WARNINGS,
  WATCH_MS,
  WATCHERS,
} from './beacon-pace.ts';
import type { Silence } from './beacon-silence.ts';
import type { BeaconEndpoint, BeaconTable, HeardPeer } from './beacon-table.ts';
import { endpointKey } from './beacon-told.ts';
import type { PeerId } from './site.ts';

export class Watch {
  readonly #table: BeaconTable;
  #large = false;
  #settled = 0;
  #slow: Patience = slowPatience(0);
  #seen = '';
  readonly #watched = new Set<HeardPeer>();
  #watchers: readonly HeardPeer[] = [];

  constructor(table: BeaconTable) {
    this.#table = table;
  }

  get large(): boolean {
    return this.#large;
  }

  /** Others that are heard of for long enough to be counted. */
  get settled(): number {
    return this.#settled;
  }

  /** Those to beat to when we do not beat to all; none in a small site. */
  get watchers(): readonly HeardPeer[] {
    return this.#watchers;
  }

  patience(peer: HeardPeer): Patience {
    return peer.quick ? QUICK : this.#slow;
  }

  /** After so long without its multicast, ours does not reach a peer. */
  get deafMs(): number {
    return (this.#large ? this.#slow : QUICK).deadMs;
  }

  /** Looks round: `direct` are those that get each of our beats by unicast, and give us theirs. */
  regroup(self: PeerId, direct: ReadonlyMap<BeaconEndpoint, boolean>, now: MonotonicMs): void {
    // Direct ones also come and go by time.
    const seen = direct.size === 0 ? `${this.#table.changes} ${self}` : '';
    if (seen !== '' && seen === this.#seen) return;
    this.#seen = seen;
    this.#settled = this.#table.ring().length;
    this.#large = this.#settled > (this.#large ? SMALL_SITE : LARGE_SITE - 1);
    this.#slow = slowPatience(this.#settled);
    const keys = new Set(Array.from(direct.keys(), endpointKey));
    const isDirect = ({ paths }: HeardPeer) =>
      keys.size > 0 && paths.some(({ endpoint }) => keys.has(endpointKey(endpoint)));
    const ring = this.#large ? this.#table.ring() : [];
    const behind = ring.filter(({ id }) => id > self);
    const around = [...behind, ...ring.slice(0, ring.length - behind.length)];
    this.#watchers = around.slice(0, WATCHERS).filter((peer) => !isDirect(peer));
    this.#watched.clear();
    for (const peer of nextToAnswer(around.toReversed())) this.#watched.add(peer);
    for (const peer of this.#table.all()) {
      const isWatched = this.#watched.has(peer);
      const quick = !this.#large || !peer.settled || isWatched || isDirect(peer);
      this.#table.setQuick(peer, quick, isWatched ? now - WATCH_MS + TAKE_OVER_MS : now);
    }
  }

  /** It has gone. */
  forget(peer: HeardPeer): void {
    this.#watched.delete(peer);
  }

  /** Those of ours that are to be suspected aloud now. */
  due(now: MonotonicMs): readonly HeardPeer[] {
    const due = [...this.#watched].filter((peer) => now >= warnAt(peer));
    for (const peer of due) this.#table.warned(peer);
    return due;
  }

  listen(now: MonotonicMs): Silence {
    const quick = this.#table.quick.listen(QUICK, now);
    const slow = this.#table.slow.listen(this.#slow, now);
    return { dead: [...quick.dead, ...slow.dead], probe: [...quick.probe, ...slow.probe] };
  }

  /** When `due` or `listen` will next have something to say. */
  nextAt(): MonotonicMs {
    let next = Math.min(this.#table.quick.nextAt(QUICK), this.#table.slow.nextAt(this.#slow));
    for (const peer of this.#watched) next = Math.min(next, warnAt(peer));
    return next;
  }
}

function warnAt({ silentFrom, warnings }: HeardPeer): MonotonicMs {
  return warnings < WARNINGS ? silentFrom + WATCH_MS + warnings * WARN_AGAIN_MS : Number.POSITIVE_INFINITY;
}

/** The next few of whom we do not think that they are dead, and those among them of whom we do. */
function* nextToAnswer(peers: readonly HeardPeer[]): Generator<HeardPeer> {
  let alive = 0;
  for (const peer of peers) {
    if (alive === WATCHERS) return;
    yield peer;
    if (peer.warnings === 0) alive += 1;
  }
}
