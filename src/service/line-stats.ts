// What one line has done, counted for metrics and for people.
import type { SourceId } from '../swarm/line-ports.ts';
import type { PeerId } from '../swarm/site.ts';

export interface LineStats {
  /** Bytes of chunks that came, by where from; resumed ones are counted once, wasted ones as well. */
  readonly bytesIn: Readonly<Record<SourceId, number>>;
  readonly bytesOut: Readonly<Record<PeerId, number>>;
  /** Chunks that came and were proved, and that were sent in full. */
  readonly arrived: number;
  readonly served: number;
  /** How often a chunk went on at its byte at another source. */
  readonly resumed: number;
  /** Came for nothing: wrong, not wanted any more, or already here. */
  readonly bytesWasted: number;
  /** Chunks whose bytes did not have their digest. */
  readonly corrupt: number;
  /** Another feeder was found after one had died or stalled. */
  readonly heals: number;
  /** Given up: nobody delivered them. */
  readonly gaveUp: number;
  /** Came and were proved, but could not be kept. */
  readonly unkept: number;
  /** Proved, and in memory: not yet kept, or not to be kept. */
  readonly memoryBytes: number;
}

type Counts = { -readonly [key in keyof LineStats]: LineStats[key] };

export class LineCounts {
  readonly #in = new Map<SourceId, number>();
  readonly #out = new Map<PeerId, number>();
  readonly counts: Omit<Counts, 'bytesIn' | 'bytesOut' | 'memoryBytes'> = {
    arrived: 0,
    served: 0,
    resumed: 0,
    bytesWasted: 0,
    corrupt: 0,
    heals: 0,
    gaveUp: 0,
    unkept: 0,
  };

  came(from: SourceId, bytes: number): void {
    this.#in.set(from, (this.#in.get(from) ?? 0) + bytes);
  }

  left(to: PeerId, bytes: number): void {
    this.#out.set(to, (this.#out.get(to) ?? 0) + bytes);
  }

  snapshot(memoryBytes: number): LineStats {
    return {
      ...this.counts,
      bytesIn: Object.fromEntries(this.#in),
      bytesOut: Object.fromEntries(this.#out),
      memoryBytes,
    };
  }
}
