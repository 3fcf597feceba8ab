// The checker of repairs: after one machine dies or stands still, whoever was being served gets its next chunk in time.
import type { MonotonicMs } from '../base/time.ts';
import type { PeerId } from '../swarm/site.ts';

/** A node as this checker sees it. */
export interface Fetcher {
  readonly id: PeerId;
  readonly name: string;
  /** It runs, wants chunks, and is not about to leave. */
  readonly isFetching: boolean;
}

/** The next chunk is to come so much later at most than it would have come. */
const REPAIR_MS = 2000;
/** With other troubles about: as long as a peer is set aside at first, on top of finding out about each of two. */
const REPAIR_AMONG_OTHERS_MS = 8000;
/** After the last trouble the site is calm again after so long. */
const CALM_MS = 4000;
/** So long a strike is looked at: what was on its way comes first, and hides the gap. */
const WATCHED_MS = 8000;
/** Chunks that must have come for a pace to be known, and how many of its mean gaps are within the normal. */
const LEAST_CHUNKS = 4;
const GAPS = 3;

interface Pace {
  count: number;
  lastMs: MonotonicMs;
  /** The mean of its last gaps. */
  gapMs: number;
}

interface Watch {
  readonly victim: string;
  readonly strickenMs: MonotonicMs;
  readonly untilMs: MonotonicMs;
  readonly mostMs: number;
}

export class Repairs {
  readonly #now: () => MonotonicMs;
  readonly #fetchers: () => readonly Fetcher[];
  readonly #violate: (what: string) => void;
  readonly #paces = new Map<PeerId, Pace>();
  /** Whom a strike may have cut off, and how long its next chunk may take. */
  readonly #watched = new Map<PeerId, Watch & { readonly name: string }>();
  /** When the last trouble began or ended, and until when one lasts. */
  #troubledMs: MonotonicMs = Number.NEGATIVE_INFINITY;
  #lastsUntilMs: MonotonicMs = Number.NEGATIVE_INFINITY;
  #blockedUntilMs: MonotonicMs = Number.NEGATIVE_INFINITY;
  /** Strikes that were judged, for tests of this checker. */
  judged = 0;

  constructor(now: () => MonotonicMs, fetchers: () => readonly Fetcher[], violate: (what: string) => void) {
    this.#now = now;
    this.#fetchers = fetchers;
    this.#violate = violate;
  }

  /**
   * Something else begins that lasts so long, or ends: what follows is no longer due to the strike before. `isBlocked`:
   * machines cannot reach one another, or the WAN, so nothing can be mended.
   */
  trouble(lastsMs = 0, isBlocked = false): void {
    this.#close();
    this.#troubledMs = this.#now();
    const untilMs = this.#troubledMs + lastsMs;
    this.#lastsUntilMs = Math.max(this.#lastsUntilMs, untilMs);
    if (isBlocked) this.#blockedUntilMs = Math.max(this.#blockedUntilMs, untilMs);
  }

  /** One machine dies, or stands still for so long. */
  strike(victim: Fetcher, lastsMs = 0): void {
    const now = this.#now();
    const isCalm = now >= Math.max(this.#troubledMs, this.#lastsUntilMs) + CALM_MS;
    this.trouble(lastsMs);
    if (now < this.#blockedUntilMs + CALM_MS) return;
    const limitMs = isCalm ? REPAIR_MS : REPAIR_AMONG_OTHERS_MS;
    const untilMs = now + Math.max(WATCHED_MS, 2 * limitMs);
    for (const { id, name, isFetching } of this.#fetchers()) {
      const pace = this.#paces.get(id);
      if (id === victim.id || !isFetching || pace === undefined || pace.count < LEAST_CHUNKS) continue;
      // Whoever was not being served before the strike is not to be helped by its repair.
      if (now - pace.lastMs > GAPS * pace.gapMs) continue;
      const mostMs = limitMs + GAPS * pace.gapMs;
      this.#watched.set(id, { victim: victim.name, strickenMs: now, untilMs, mostMs, name });
      this.judged += 1;
    }
  }

  /** It begins again, with nothing under way. */
  restarted(node: PeerId): void {
    this.#paces.delete(node);
    this.#watched.delete(node);
  }

  kept(node: PeerId): void {
    const now = this.#now();
    const pace = this.#paces.get(node) ?? { count: 0, lastMs: now, gapMs: 0 };
    this.#judge(node, now);
    if (pace.count > 0) pace.gapMs += (now - pace.lastMs - pace.gapMs) / Math.min(pace.count, 8);
    pace.count += 1;
    pace.lastMs = now;
    this.#paces.set(node, pace);
  }

  /** It has all that it wants. */
  finished(node: PeerId): void {
    this.#watched.delete(node);
  }

  /** The run is over: who still waits is judged by what it has waited. */
  end(): void {
    this.#close();
  }

  #close(): void {
    const now = this.#now();
    const fetching = new Set(this.#fetchers().flatMap(({ id, isFetching }) => (isFetching ? [id] : [])));
    for (const id of [...this.#watched.keys()]) if (fetching.has(id)) this.#judge(id, now);
    this.#watched.clear();
  }

  #judge(node: PeerId, now: MonotonicMs): void {
    const watch = this.#watched.get(node);
    const pace = this.#paces.get(node);
    if (watch === undefined || pace === undefined) return;
    const gapMs = now - Math.max(pace.lastMs, watch.strickenMs);
    if (gapMs > watch.mostMs) {
      const limit = Math.round(watch.mostMs);
      const what = `${watch.name} got nothing for ${Math.round(gapMs)} ms after ${watch.victim} was struck (at most ${limit} ms)`;
      this.#violate(what);
      this.#watched.delete(node);
    } else if (now > watch.untilMs) this.#watched.delete(node);
  }
}
