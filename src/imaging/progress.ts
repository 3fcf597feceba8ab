// Numbers of progress: the rate over the last seconds and the time left, from samples of bytes done.
import type { MonotonicMs } from '../base/time.ts';

const WINDOW_MS = 8_000;
/** Before so much time has passed, a rate says nothing. */
const SETTLED_MS = 1_000;

interface Sample {
  readonly at: MonotonicMs;
  readonly bytes: number;
}

export class Meter {
  readonly totalBytes: number;
  doneBytes = 0;
  #samples: Sample[] = [];

  constructor(totalBytes: number, now: MonotonicMs) {
    this.totalBytes = totalBytes;
    this.#samples = [{ at: now, bytes: 0 }];
  }

  /** `doneBytes` only grows. */
  update(doneBytes: number, now: MonotonicMs): void {
    this.doneBytes = doneBytes;
    const last = this.#samples.at(-1);
    if (last !== undefined && now - last.at < 250) return;
    this.#samples.push({ at: now, bytes: doneBytes });
    // One sample older than the window stays, so that the window is always full.
    while ((this.#samples[1] as Sample).at <= now - WINDOW_MS) this.#samples.shift();
  }

  /** Over the last seconds; 0 when nothing moved. */
  bytesPerSecond(now: MonotonicMs): number {
    const oldest = this.#samples[0];
    if (oldest === undefined || now - oldest.at < SETTLED_MS) return 0;
    return ((this.doneBytes - oldest.bytes) * 1000) / (now - oldest.at);
  }

  /** Undefined while the rate is not known or nothing moves. */
  secondsLeft(now: MonotonicMs): number | undefined {
    const rate = this.bytesPerSecond(now);
    return rate > 0 ? Math.ceil((this.totalBytes - this.doneBytes) / rate) : undefined;
  }

  /** 0 to 100, and 100 only when all is done. */
  percent(): number {
    if (this.totalBytes === 0) return 100;
    return Math.min(100, Math.floor((this.doneBytes * 100) / this.totalBytes));
  }
}
