// Crossing the WAN for the site: when a chunk may be asked for there, and backing off after failures.
import type { MonotonicMs } from '../base/time.ts';
import type { LineCore } from './line-core.ts';
import type { Row } from './line-ports.ts';

const FIRST_BACK_OFF_MS = 250;
const LONGEST_BACK_OFF_MS = 10_000;
/** A chunk that no source has is asked for so often before it is given up. */
const MISSES_THAT_COUNT = 3;

export class Wan {
  #failures = 0;
  #notBefore: MonotonicMs = 0;
  readonly #misses = new Map<Row, number>();
  #crossing = false;

  mayAsk(now: MonotonicMs): boolean {
    return now >= this.#notBefore;
  }

  get notBefore(): MonotonicMs {
    return this.#notBefore;
  }

  arrived(row: Row): void {
    this.#failures = 0;
    this.#notBefore = 0;
    this.#misses.delete(row);
  }

  /** The way itself failed: all wait, twice as long each time. Several that break together are one failure. */
  failed(now: MonotonicMs): void {
    if (now < this.#notBefore) return;
    this.#notBefore = now + Math.min(FIRST_BACK_OFF_MS * 2 ** this.#failures, LONGEST_BACK_OFF_MS);
    this.#failures++;
  }

  /** For those who follow the log: `crossing` says whether anything is being fetched over the WAN. */
  noteCrossing(core: LineCore, crossing: boolean): void {
    if (crossing && !this.#crossing) {
      this.#crossing = true;
      core.note('crossing-wan', 'we are the designated peer', 'wan');
    } else if (!crossing && this.#crossing && !core.isDesignated) {
      this.#crossing = false;
      core.note('left-wan', 'another peer is designated', 'wan');
    }
  }

  /** No source has this chunk: when to ask again, or undefined when it was asked for often enough. */
  missed(row: Row, now: MonotonicMs): MonotonicMs | undefined {
    const misses = (this.#misses.get(row) ?? 0) + 1;
    this.#misses.set(row, misses);
    if (misses < MISSES_THAT_COUNT) return now + FIRST_BACK_OFF_MS * 4 ** misses;
    this.#misses.delete(row);
    return undefined;
  }
}
