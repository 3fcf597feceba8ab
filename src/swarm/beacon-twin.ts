// Another machine with our own id, as after copying a disk: both cannot be served, so one of them takes a new id.
import type { MonotonicMs } from '../base/time.ts';

/** Two that hear each other for so long are no late echo of a restart. */
const CERTAIN_MS = 500;
const NEW_ID_GAP_MS = 60_000;
const NEVER = Number.NEGATIVE_INFINITY;

export class Twin {
  #other: { readonly instance: number; readonly since: MonotonicMs } | undefined;
  #newIdAt: MonotonicMs = NEVER;

  /** Heard as `theirs`, and we are `ours`: the lower one yields. True: take a new id now. */
  yields(ours: number, theirs: number, now: MonotonicMs): boolean {
    if (this.#other?.instance !== theirs) this.#other = { instance: theirs, since: now };
    const certain = now - this.#other.since >= CERTAIN_MS;
    if (!certain || theirs < ours || now - this.#newIdAt < NEW_ID_GAP_MS) return false;
    this.#newIdAt = now;
    return true;
  }
}
