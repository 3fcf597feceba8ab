// What a link can carry, from what it was seen to carry at most: nobody tells us the speed of an uplink.
import type { MonotonicMs } from '../base/time.ts';

/** Shorter gaps would take one burst for a rate. */
const LEAST_GAP_MS = 500;
/** What is handed to the kernel in a moment leaves it over seconds: the most is an average over so long. */
const MOST_OVER_MS = 2_500;

interface Sample {
  readonly atMs: MonotonicMs;
  readonly bytes: number;
}

export class UplinkMeter {
  /** The oldest first; only the first may be older than `MOST_OVER_MS`. */
  readonly #samples: Sample[] = [];
  #mostPerSecond = 0;
  #nowPerSecond = 0;

  /** `sentBytes`: all that has left so far. Returns the free bytes per second; 0 as long as nothing was ever sent. */
  free(sentBytes: number, now: MonotonicMs): number {
    this.#sample({ atMs: now, bytes: sentBytes });
    return Math.max(0, Math.round(this.#mostPerSecond - this.#nowPerSecond));
  }

  #sample(sample: Sample): void {
    const last = this.#samples.at(-1);
    // The count begins anew when lines end.
    if (last !== undefined && sample.bytes < last.bytes) this.#samples.length = 0;
    else if (last !== undefined) {
      if (sample.atMs < last.atMs + LEAST_GAP_MS) return;
      this.#nowPerSecond = ratePerSecond(last, sample);
    }
    this.#samples.push(sample);
    while ((this.#samples[1]?.atMs ?? Number.POSITIVE_INFINITY) <= sample.atMs - MOST_OVER_MS)
      this.#samples.shift();
    const [first] = this.#samples;
    if (first !== undefined && first.atMs <= sample.atMs - MOST_OVER_MS)
      this.#mostPerSecond = Math.max(this.#mostPerSecond, ratePerSecond(first, sample));
  }
}

/** The most that came in, told piece by piece: bytes per second over a second in which bytes came all along. */
export class DownlinkMeter {
  #sinceMs: MonotonicMs = 0;
  #lastMs: MonotonicMs = Number.NEGATIVE_INFINITY;
  #bytes = 0;
  #mostPerSecond = 0;

  came(bytes: number, now: MonotonicMs): void {
    if (now >= this.#lastMs + LEAST_GAP_MS) {
      this.#sinceMs = now;
      this.#bytes = 0;
    } else this.#bytes += bytes;
    this.#lastMs = now;
    const gapMs = now - this.#sinceMs;
    if (gapMs < 1_000) return;
    this.#mostPerSecond = Math.max(this.#mostPerSecond, (this.#bytes / gapMs) * 1_000);
    this.#sinceMs = now;
    this.#bytes = 0;
  }

  /** 0: not known yet. */
  get mostPerSecond(): number {
    return Math.round(this.#mostPerSecond);
  }
}

function ratePerSecond(from: Sample, to: Sample): number {
  return ((to.bytes - from.bytes) / (to.atMs - from.atMs)) * 1_000;
}
