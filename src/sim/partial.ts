// Part of a chunk, as it waits for its next source.
import type { Row, SourceId } from '../swarm/line-ports.ts';

/** What of a chunk has come, from its front. */
export interface Partial {
  received: number;
  /** The world's knowledge: some of it is wrong. */
  bad: boolean;
  readonly from: Set<SourceId>;
}

/** Of each chunk at most one part waits: the longest. */
export class PartialShelf {
  readonly #salvage: (partial: Partial) => Partial | undefined;
  readonly #waiting = new Map<Row, Partial>();

  constructor(salvage: (partial: Partial) => Partial | undefined) {
    this.#salvage = salvage;
  }

  take(row: Row): Partial {
    const partial = this.#waiting.get(row);
    this.#waiting.delete(row);
    return partial ?? { received: 0, bad: false, from: new Set() };
  }

  putBack(row: Row, partial: Partial): void {
    if (partial.received === 0) return;
    const kept = this.#salvage(partial);
    const other = this.#waiting.get(row);
    if (kept !== undefined && (other === undefined || other.received < kept.received))
      this.#waiting.set(row, kept);
  }
}
