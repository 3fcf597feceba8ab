// The ledger: every byte that crossed the WAN, from where, for what, for which image, on which day.
import type { Purpose } from './node-ports.ts';

/** What a byte is booked under. */
export interface LedgerKey {
  /** UTC, `2026-11-23`. */
  readonly day: string;
  /** The place it came from, e.g. `https://cdn.example/till`. */
  readonly source: string;
  readonly purpose: Purpose;
  /** `name version` of the image or package; empty for the catalogue and for what nobody could name. */
  readonly title: string;
}

export interface LedgerRow extends LedgerKey {
  readonly bytes: number;
}

/** Days are UTC, so that all sites of a company mean the same day. */
export function dayOf(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(0, 10);
}

const keyOf = ({ day, source, purpose, title }: LedgerKey) => JSON.stringify([day, source, purpose, title]);

/** Adds up; takes out what was added since the last time, for keeping it. */
export class Ledger {
  readonly #rows = new Map<string, LedgerRow>();
  #added = new Map<string, LedgerRow>();

  /** `kept`: rows of earlier runs. */
  constructor(kept: Iterable<LedgerRow> = []) {
    for (const row of kept) put(this.#rows, row, row.bytes);
  }

  add(key: LedgerKey, bytes: number): void {
    put(this.#rows, key, bytes);
    put(this.#added, key, bytes);
  }

  /** Sums since the last call; the caller keeps them, or gives them back with `putBack` when it cannot. */
  takeAdded(): readonly LedgerRow[] {
    const rows = [...this.#added.values()];
    this.#added = new Map();
    return rows;
  }

  putBack(rows: readonly LedgerRow[]): void {
    for (const row of rows) put(this.#added, row, row.bytes);
  }

  rows(): readonly LedgerRow[] {
    return [...this.#rows.values()];
  }

  /** Forgets days before this one, so that it does not grow for ever. */
  forgetBefore(day: string): void {
    for (const [key, row] of this.#rows) if (row.day < day) this.#rows.delete(key);
  }
}

function put(rows: Map<string, LedgerRow>, key: LedgerKey, bytes: number): void {
  const name = keyOf(key);
  const { day, source, purpose, title } = key;
  rows.set(name, { day, source, purpose, title, bytes: (rows.get(name)?.bytes ?? 0) + bytes });
}

/** Sums by one or several of the columns, the greatest first. */
export function totalsBy<K extends keyof LedgerKey>(
  rows: readonly LedgerRow[],
  ...columns: readonly K[]
): readonly (Pick<LedgerKey, K> & { readonly bytes: number })[] {
  const sums = new Map<string, Pick<LedgerKey, K> & { bytes: number }>();
  for (const row of rows) {
    const picked = Object.fromEntries(columns.map((column) => [column, row[column]])) as Pick<LedgerKey, K>;
    const name = JSON.stringify(picked);
    const sum = sums.get(name) ?? { ...picked, bytes: 0 };
    sum.bytes += row.bytes;
    sums.set(name, sum);
  }
  return [...sums.values()].sort((a, b) => b.bytes - a.bytes);
}
