// Keeps the ledger of WAN bytes: counts in memory as they come, and writes the sums down every second.
import type { Log } from '../base/log.ts';
import type { Clock, Timers } from '../base/time.ts';
import { dayOf, Ledger, type LedgerKey, type LedgerRow, totalsBy } from '../swarm/ledger.ts';
import type { Count } from './http-ports.ts';

/** Port: sums by key across restarts. The adapter is in `io/ledger-store`. */
export interface LedgerStore {
  rows(): readonly LedgerRow[];
  /** Adds to what is kept; all or nothing. */
  add(rows: readonly LedgerRow[]): void;
  forgetBefore(day: string): void;
}

export interface WanLedger {
  /** Bytes that came just now. */
  count(use: Omit<LedgerKey, 'day'>, bytes: number): void;
  /** Everything kept, earlier runs included. */
  rows(): readonly LedgerRow[];
  /** Since the start of this process, for the metrics: labels `source` and `purpose`. */
  counts(): readonly Count[];
  /** Writes down what is not yet written. Never throws: what could not be kept is kept with the next. */
  flush(): void;
}

export interface LedgerOptions {
  readonly store: LedgerStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

const FLUSH_MS = 1_000;
/** Two years: enough for every comparison with the month of the year before. */
const KEPT_DAYS = 731;

export function createLedger({ store, clock, timers, log }: LedgerOptions): WanLedger {
  const oldest = dayOf(clock.wallMs() - KEPT_DAYS * 86_400_000);
  store.forgetBefore(oldest);
  const all = new Ledger(store.rows());
  const sinceStart = new Ledger();
  let pending = false;

  function flush(): void {
    pending = false;
    const rows = all.takeAdded();
    if (rows.length === 0) return;
    try {
      store.add(rows);
    } catch (error) {
      all.putBack(rows);
      log.warn({ err: error }, 'ledger could not be written');
    }
  }

  return {
    count(use, bytes) {
      const key = { ...use, day: dayOf(clock.wallMs()) };
      all.add(key, bytes);
      sinceStart.add(key, bytes);
      if (pending) return;
      pending = true;
      timers.after(FLUSH_MS, flush);
    },
    rows: () => all.rows(),
    counts: () =>
      totalsBy(sinceStart.rows(), 'source', 'purpose').map(({ source, purpose, bytes }) => ({
        labels: { source, purpose },
        value: bytes,
      })),
    flush,
  };
}

/** Remembers nothing beyond the process. */
export function memoryLedgerStore(): LedgerStore {
  let ledger = new Ledger();
  return {
    rows: () => ledger.rows(),
    add: (rows) => {
      for (const row of rows) ledger.add(row, row.bytes);
    },
    forgetBefore: (day) => {
      ledger = new Ledger(ledger.rows().filter((row) => row.day >= day));
    },
  };
}
