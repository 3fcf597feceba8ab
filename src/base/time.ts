// Ports for time, so that services and the simulator drive the same code.

/** Milliseconds on a clock that never goes back; its zero is arbitrary. */
export type MonotonicMs = number;

export interface Clock {
  nowMs(): MonotonicMs;
  /** Milliseconds since 1970, for people and certificates; it may jump. */
  wallMs(): number;
}

export interface Timers {
  /** Calls `wake` once, `delayMs` from now; returns how to cancel it. */
  after(delayMs: number, wake: () => void): () => void;
}
