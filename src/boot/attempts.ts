// Groups what is observed into boot attempts, one at a time for each machine, and ends each with one verdict.
import type { MonotonicMs } from '../base/time.ts';
import type { Observed } from './observed.ts';
import type { Attempt } from './verdict.ts';

export interface AttemptsOptions {
  /** Attempts under way at once; beyond it the one unheard for longest ends as it stands. */
  readonly most?: number;
}

/** A machine in the sense of `base/machine`, whose actions are the attempts that are over. */
export interface BootAttempts {
  step(event: Observed | { readonly kind: 'wake' }, now: MonotonicMs): readonly Attempt[];
  /** When to call `step` with a wake-up at the latest. */
  nextWake(): MonotonicMs | undefined;
  /** Nothing more will be observed (the capture ends): judges all attempts under way as they stand. */
  end(now: MonotonicMs): readonly Attempt[];
}
