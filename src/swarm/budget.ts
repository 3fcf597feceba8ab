// How many bytes may pass: a token bucket for the WAN or the LAN, and its share when several peers use one line.
import { assert } from '../base/errors.ts';
import type { MonotonicMs } from '../base/time.ts';

/** Bytes per second; null: no limit. */
export type Limit = number | null;

/**
 * What may pass at once after a quiet while: a quarter of a second's worth, so that a busy machine that wakes us late does not
 * lose its rate, and never less than one full read.
 */
const BURST_SECONDS = 0.25;
const LEAST_BURST_BYTES = 64 * 1024;
/** Smaller grants would cost a system call for a handful of bytes. */
const LEAST_GRANT_BYTES = 16 * 1024;

export function burstBytes(limit: number): number {
  return Math.max(LEAST_BURST_BYTES, Math.floor(limit * BURST_SECONDS));
}

/** A site's WAN limit is for all of it: peers that cross at once take equal parts, told by their beacons. */
export function shareOf(limit: Limit, crossers: number): Limit {
  return limit === null ? null : Math.max(1, Math.floor(limit / Math.max(1, crossers)));
}

/**
 * Who sends asks before (`take`): never more than rate · t + burst passes. Who reads counts after (`spend`), for only
 * reading shows how much came, and reads no more while there is debt (`waitMs`): one read at most above that.
 */
export class Bucket {
  #limit: Limit;
  /** What may pass now; below 0: debt. */
  #balance: number;
  #atMs: MonotonicMs;

  constructor(limit: Limit, now: MonotonicMs) {
    this.#limit = limit;
    this.#balance = limit === null ? 0 : burstBytes(limit);
    this.#atMs = now;
  }

  get limit(): Limit {
    return this.#limit;
  }

  /** From now on; debt made under the old limit is forgotten, so that a raised limit is in force at once. */
  change(limit: Limit, now: MonotonicMs): void {
    assert(limit === null || limit > 0, 'a limit is above 0');
    if (limit === this.#limit) return;
    this.#refill(now);
    this.#limit = limit;
    this.#balance = limit === null ? 0 : Math.min(Math.max(this.#balance, 0), burstBytes(limit));
  }

  /** How many of these bytes may pass now, already counted as passed; 0: ask again after `waitMs`. */
  take(upTo: number, now: MonotonicMs): number {
    if (this.#limit === null) return upTo;
    this.#refill(now);
    const granted = Math.min(upTo, Math.floor(this.#balance));
    if (granted <= 0 || granted < Math.min(upTo, LEAST_GRANT_BYTES)) return 0;
    this.#balance -= granted;
    return granted;
  }

  /** Bytes that have passed already. */
  spend(bytes: number, now: MonotonicMs): void {
    if (this.#limit === null) return;
    this.#refill(now);
    this.#balance -= bytes;
  }

  /** Until so many bytes may pass; 0 when they may now. Ask again by then, for others may have been first. */
  waitMs(now: MonotonicMs, bytes = 0): number {
    if (this.#limit === null) return 0;
    this.#refill(now);
    const wanted = Math.min(bytes, LEAST_GRANT_BYTES);
    return this.#balance >= wanted ? 0 : Math.ceil(((wanted - this.#balance) / this.#limit) * 1000);
  }

  #refill(now: MonotonicMs): void {
    const passedMs = Math.max(0, now - this.#atMs);
    this.#atMs = Math.max(now, this.#atMs);
    if (this.#limit === null) return;
    this.#balance = Math.min(burstBytes(this.#limit), this.#balance + (this.#limit * passedMs) / 1000);
  }
}
