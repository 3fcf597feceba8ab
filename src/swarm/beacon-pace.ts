// How often beacons speak: quick in a small site, calmer in a large one, and bounded whatever is asked.
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

/** One beat in 1.0 s with up to 50 peers, one in 1.5 s with 200 and more: 200 × 66 bytes in 1.5 s are 8.8 kB/s. */
export function beatMs(peers: number): number {
  return 1000 + 500 * Math.min(Math.max((peers - 50) / 150, 0), 1);
}

/** Beats leave within ± 5 % of the period, so that those who started together do not stay together. */
export const BEAT_JITTER = 0.05;

/** From here on a peer is suspect: its beat is overdue, a little patience for the network included. */
export function overdueMs(peers: number): number {
  return beatMs(peers) * (1 + BEAT_JITTER) + 120;
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
