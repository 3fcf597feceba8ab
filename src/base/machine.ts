// Port: a sans-IO state machine. Time is an argument, effects are returned as data, and it says when to wake it.
import type { MonotonicMs } from './time.ts';

export interface Machine<Event, Action> {
  step(event: Event, now: MonotonicMs): readonly Action[];
  /** When to call `step` with a wake-up event at the latest, or undefined when only events matter. */
  nextWake(): MonotonicMs | undefined;
}
