// How often beacons speak: to all each second in a small site, calmer in a large one, and bounded whatever is asked.
import type { Ipv4 } from '../base/addresses.ts';
import type { MonotonicMs } from '../base/time.ts';

/**
 * One heard nothing of is dead after this: with what a busy machine takes to notice, within 3 s of its death. Before that it
 * is probed by unicast, every 100 ms, from the moment on that its next beat is overdue: with 20 % loss a beat is missed every
 * few seconds in a site, but all of ten to fourteen probes and their answers hardly ever.
 */
export const DEAD_MS = 2_600;
export const PROBE_MS = 100;

/**
 * One whose connection broke, or who went quiet in the middle of feeding somebody, is gone after this unless it is heard: with
 * 20 % loss all eleven probes or answers of a live one hardly ever get lost, and a busy process has most of it for an answer.
 */
export const SUSPECT_MS = 800;
export const SUSPECT_PROBE_MS = 60;
/** A suspect answers all by one beat: who was only told of the suspicion waits so long for it before asking itself. */
export const DEFENCE_MS = 100;

/** Between two beats: to all in a small site, to its watchers in a large one. */
export const BEAT_MS = 1_000;
/** Beats leave within ± 5 % of the period, so that those who started together do not stay together. */
export const BEAT_JITTER = 0.05;

/** So many others make a site large; so few make it small again. */
export const LARGE_SITE = 56;
export const SMALL_SITE = 50;
/** Those who miss a peer of a large site at once. */
export const WATCHERS = 3;
/** A watcher suspects aloud one that has been silent for so long, so that it is gone for all when DEAD_MS are over. */
export const WATCH_MS = DEAD_MS - SUSPECT_MS;
/** Said again and again, as anything may be lost and a watcher may be the last: who hears it now still agrees within 3 s. */
export const WARN_AGAIN_MS = 100;
export const WARNINGS = 4;
/** So long has one to answer whom we watch from now on and have not heard lately: its watchers may have died with it. */
export const TAKE_OVER_MS = 200;
/** Whoever has just come beats to all for so long, as in a small site: somebody may have missed its greeting. */
export const GREETING_MS = 2_000;
/** Heard of for so long, a peer is counted, and its silence is left to its watchers. Forged ones hardly get so old. */
export const SETTLED_MS = 1_000;

/** Between two beats to all in a large site: 25 a second by all together, until each says one in 8 s (200 peers). */
export function sparseMs(peers: number): number {
  return Math.min(40 * peers, 8_000);
}

/** From `overdueMs` on a silent peer is probed, its beat being late and the network having had its time; then it is dead. */
export interface Patience {
  readonly overdueMs: number;
  readonly deadMs: number;
}

export const QUICK: Patience = { overdueMs: BEAT_MS * (1 + BEAT_JITTER) + 120, deadMs: DEAD_MS };

/** With one that beats to all only now and then: beats to all take the place of one to the watchers. */
export function slowPatience(peers: number): Patience {
  const longerMs = sparseMs(peers) * (1 + BEAT_JITTER);
  return { overdueMs: QUICK.overdueMs + longerMs, deadMs: QUICK.deadMs + longerMs };
}

/** Over how long answers and asks of all together are spread, so that many who start at once do not storm. */
export function spreadMs(peers: number): number {
  return Math.min(10 + 4 * peers, 800);
}

/** A full announcement without a reason; who missed one sees it by the revision in the beats, and asks. */
export function announceMs(peers: number): number {
  return Math.max(30_000, 300 * peers);
}

/** How soon others learn how far an image has come. It is a hint: the line tells its neighbours exactly. */
export function progressMs(peers: number): number {
  return Math.max(2_000, 100 * peers);
}

const WINDOW_MS = 1000;

/** So many answers a second to one address and in all: whoever forges a source makes no cannon of us. */
export class AnswerLimit {
  readonly #perAddress: number;
  readonly #total: number;
  #windowStart: MonotonicMs = Number.NEGATIVE_INFINITY;
  #answers = 0;
  readonly #counts = new Map<Ipv4, number>();

  constructor(perAddress: number, total: number) {
    this.#perAddress = perAddress;
    this.#total = total;
  }

  admit(address: Ipv4, now: MonotonicMs): boolean {
    if (now - this.#windowStart >= WINDOW_MS) {
      this.#windowStart = now;
      this.#answers = 0;
      this.#counts.clear();
    }
    const count = this.#counts.get(address) ?? 0;
    if (this.#answers >= this.#total || count >= this.#perAddress) return false;
    this.#answers += 1;
    this.#counts.set(address, count + 1);
    return true;
  }
}
