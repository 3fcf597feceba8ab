// How fast something goes: bytes per second over the last few chunks.
import type { MonotonicMs } from '../base/time.ts';

const POINTS = 8;

/** The rate over the last eight chunks; a stream that stops fades instead of keeping its last figure. */
export class RateMeter {
  readonly #at = new Float64Array(POINTS);
  readonly #bytes = new Float64Array(POINTS);
  #count = 0;
  #next = 0;

  /** Chunks since the beginning or the last `reset`, at most eight. */
  get points(): number {
    return this.#count;
  }

  add(bytes: number, now: MonotonicMs): void {
    this.#at[this.#next] = now;
    this.#bytes[this.#next] = bytes;
    this.#next = (this.#next + 1) % POINTS;
    if (this.#count < POINTS) this.#count++;
  }

  reset(): void {
    this.#count = 0;
    this.#next = 0;
  }

  /** Bytes per second; 0 when fewer than two chunks say anything. */
  rate(now: MonotonicMs): number {
    if (this.#count < 2) return 0;
    const first = (this.#next - this.#count + POINTS) % POINTS;
    const last = (this.#next - 1 + POINTS) % POINTS;
    let sum = 0;
    for (let i = 1; i < this.#count; i++) sum += this.#bytes[(first + i) % POINTS] ?? 0;
    const start = this.#at[first] ?? 0;
    const end = this.#at[last] ?? 0;
    const meanMs = (end - start) / (this.#count - 1);
    const spanMs = now - end > 2 * meanMs ? now - start : end - start;
    return spanMs > 0 ? (sum * 1_000) / spanMs : 0;
  }
}
