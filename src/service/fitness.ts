// Whether this machine should serve others now: battery, metered line, busy processors. Looked at seldom.
import type { Log } from '../base/log.ts';
import type { Timers } from '../base/time.ts';
import type { UnfitReason } from '../swarm/site.ts';

/** What the adapter finds out; undefined where the system does not say. */
export interface MachineCondition {
  /** Runs on its battery, not on mains. */
  readonly onBattery: boolean | undefined;
  /** The way out is paid by volume. */
  readonly metered: boolean | undefined;
  /** Processes that want to run, for each processor, over the last minute. */
  readonly loadPerProcessor: number | undefined;
}

export interface FitnessOptions {
  /** `readMachineCondition` of io/fitness. */
  readonly read: () => Promise<MachineCondition>;
  readonly timers: Timers;
  readonly log: Log;
  /** The reasons are others than before. */
  readonly onChange: () => void;
  readonly everyMs?: number;
  /** Processes a processor from which it counts as busy. */
  readonly busyLoad?: number;
}

export interface Fitness {
  /** Resolves once it has looked for the first time. */
  start(): Promise<void>;
  stop(): void;
  reasons(): readonly UnfitReason[];
}

const EVERY_MS = 15_000;
/** Busy from the limit on, and no longer below this share of it: a load on the border must not move the site to and fro. */
const BUSY_NO_MORE = 0.6;
export const DEFAULT_BUSY_LOAD = 2;

export function unfitReasons(
  found: MachineCondition,
  before: readonly UnfitReason[],
  busyLoad = DEFAULT_BUSY_LOAD,
): readonly UnfitReason[] {
  const load = found.loadPerProcessor ?? 0;
  const busy = load >= (before.includes('busy') ? BUSY_NO_MORE * busyLoad : busyLoad);
  return [
    ...(found.onBattery === true ? (['battery'] as const) : []),
    ...(found.metered === true ? (['metered'] as const) : []),
    ...(busy ? (['busy'] as const) : []),
  ];
}

export function createFitness(options: FitnessOptions): Fitness {
  let reasons: readonly UnfitReason[] = [];
  let cancel: (() => void) | undefined;
  let stopped = false;

  async function look(): Promise<void> {
    try {
      const now = unfitReasons(await options.read(), reasons, options.busyLoad);
      const changed = now.join() !== reasons.join();
      reasons = now;
      if (changed && !stopped) {
        options.log.info({ reasons }, now.length === 0 ? 'fit to serve again' : 'not fit to serve');
        options.onChange();
      }
    } catch (error) {
      options.log.debug({ error: String(error) }, 'condition of this machine not known');
    }
    if (!stopped) cancel = options.timers.after(options.everyMs ?? EVERY_MS, () => void look());
  }

  return {
    start: look,
    stop() {
      stopped = true;
      cancel?.();
    },
    reasons: () => reasons,
  };
}
