// How fast something goes: what comes in over the last few chunks, and what goes out while there is something to send.
import type { MonotonicMs } from '../base/time.ts';

const POINTS = 8;

/** Bytes and the milliseconds that they took, for the last eight chunks. */
class Window {
  readonly #bytes = new Float64Array(POINTS);
  readonly #ms = new Float64Array(POINTS);
  #next = 0;
  count = 0;
  bytes = 0;
  ms = 0;

  add(bytes: number, ms: number): void {
    const at = this.#next;
    this.bytes += bytes - (this.#bytes[at] as number);
    this.ms += ms - (this.#ms[at] as number);
    this.#bytes[at] = bytes;
    this.#ms[at] = ms;
    this.#next = (at + 1) % POINTS;
    if (this.count < POINTS) this.count++;
  }
}

/** What comes in, pauses included; a stream that stops fades instead of keeping its last figure. */
export class RateMeter {
  readonly #window = new Window();
  #last: MonotonicMs | undefined;

  /** Chunks counted, at most eight; the first only starts the clock. */
  get points(): number {
    return this.#window.count;
  }

  add(bytes: number, now: MonotonicMs): void {
    if (this.#last !== undefined) this.#window.add(bytes, now - this.#last);
    this.#last = now;
  }

  /** Bytes per second; 0 before two chunks have come. */
  rate(now: MonotonicMs): number {
    const { count, bytes, ms } = this.#window;
    if (count === 0 || this.#last === undefined) return 0;
    const sinceMs = now - this.#last;
    const spanMs = sinceMs > (2 * ms) / count ? ms + sinceMs : ms;
    return spanMs > 0 ? (bytes * 1_000) / spanMs : 0;
  }
}

/** What goes out while there is something to send: the speed of the link, not of the demand. */
export class BusyMeter {
  readonly #window = new Window();
  /** Since when something has been waiting to be sent, or when the last was sent. */
  #since: MonotonicMs | undefined;

  get points(): number {
    return this.#window.count;
  }

  /** Something is to be sent. */
  begin(now: MonotonicMs): void {
    this.#since ??= now;
  }

  /** It was sent; `more` waits. */
  sent(bytes: number, more: boolean, now: MonotonicMs): void {
    if (this.#since !== undefined) this.#window.add(bytes, now - this.#since);
    this.#since = more ? now : undefined;
  }

  /** Nothing waits any more. */
  stop(): void {
    this.#since = undefined;
  }

  /**
   * Bytes per second, or at most so many while the first is on its way: `nextBytes` have not been sent since.
   * 0: nothing is known.
   */
  rate(nextBytes: number, now: MonotonicMs): number {
    const { count, bytes, ms } = this.#window;
    const sinceMs = this.#since === undefined ? 0 : now - this.#since;
    if (count === 0) return sinceMs > 0 ? (nextBytes * 1_000) / sinceMs : 0;
    const slower = sinceMs > (1.5 * ms) / count;
    const spanMs = slower ? ms + sinceMs : ms;
    return spanMs > 0 ? ((slower ? bytes + nextBytes : bytes) * 1_000) / spanMs : 0;
  }
}
