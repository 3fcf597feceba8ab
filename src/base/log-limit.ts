// Keeps a flood out of the log: so many lines of a kind per second, and the number that were left out.
import type { MonotonicMs } from './time.ts';

const WINDOW_MS = 1000;

export class LogLimit {
  readonly #linesPerSecond: number;
  readonly #windows = new Map<string, { startMs: MonotonicMs; lines: number; left: number }>();

  constructor(linesPerSecond: number) {
    this.#linesPerSecond = linesPerSecond;
  }

  /** Undefined when a line of this kind must not be logged now; else how many were left out since the last one. */
  admit(kind: string, now: MonotonicMs): number | undefined {
    const window = this.#windows.get(kind) ?? { startMs: now, lines: 0, left: 0 };
    this.#windows.set(kind, window);
    if (now - window.startMs >= WINDOW_MS) {
      window.startMs = now;
      window.lines = 0;
    }
    if (window.lines >= this.#linesPerSecond) {
      window.left += 1;
      return undefined;
    }
    window.lines += 1;
    const { left } = window;
    window.left = 0;
    return left;
  }
}
