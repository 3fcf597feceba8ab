// How much a peer's uplink could still carry, from what it was seen to carry at most: nobody tells us its speed.
import type { MonotonicMs } from '../base/time.ts';

/** Shorter gaps would take one burst for a rate. */
const LEAST_GAP_MS = 500;

export class UplinkMeter {
  #atMs: MonotonicMs | undefined;
  #sentBytes = 0;
  #mostPerSecond = 0;
  #nowPerSecond = 0;

  /** `sentBytes`: all that has left so far. Returns the free bytes per second; 0 as long as nothing was ever sent. */
  free(sentBytes: number, now: MonotonicMs): number {
    if (this.#atMs === undefined || sentBytes < this.#sentBytes) this.#begin(sentBytes, now);
    const gapMs = now - (this.#atMs ?? now);
    if (gapMs >= LEAST_GAP_MS) {
      this.#nowPerSecond = ((sentBytes - this.#sentBytes) / gapMs) * 1000;
      this.#mostPerSecond = Math.max(this.#mostPerSecond, this.#nowPerSecond);
      this.#begin(sentBytes, now);
    }
    return Math.max(0, Math.round(this.#mostPerSecond - this.#nowPerSecond));
  }

  #begin(sentBytes: number, now: MonotonicMs): void {
    this.#atMs = now;
    this.#sentBytes = sentBytes;
  }
}
