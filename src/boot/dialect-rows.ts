// The table of dialects by make of firmware: what worked, how often, and what contradicts it; mergeable, so that boot hosts can share it.
import type { Fingerprint } from './fingerprint.ts';
import type { Dialect } from './quirks.ts';

export interface DialectRow {
  readonly fingerprint: Fingerprint;
  /** Null: it was to be forgotten; then the rules hold again. */
  readonly dialect: Dialect | null;
  /** That have booted by it, about: a machine counts again after a restart. */
  readonly machines: number;
  /** Wall clock. Of two rows about the same firmware the later one holds. */
  readonly atMs: number;
}

interface Kept extends DialectRow {
  /** In a row, against the dialect. */
  failures: number;
  /** Who failed last: one broken machine shall not speak for all of its make. */
  failedLast: string | undefined;
}

export class DialectRows {
  readonly #most: number;
  readonly #rows = new Map<Fingerprint, Kept>();
  #changes = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Grows with everything that is worth keeping. */
  get changes(): number {
    return this.#changes;
  }

  of(fingerprint: Fingerprint): DialectRow | undefined {
    return this.#rows.get(fingerprint);
  }

  list(): readonly DialectRow[] {
    return Array.from(this.#rows.values(), ({ fingerprint, dialect, machines, atMs }) => ({
      fingerprint,
      dialect,
      machines,
      atMs,
    }));
  }

  /** `isNews`: it is another machine than before. `againstOther`: this one refused the other dialect before. */
  worked(
    fingerprint: Fingerprint,
    dialect: Dialect,
    { isNews, againstOther }: { readonly isNews: boolean; readonly againstOther: boolean },
    wallMs: number,
  ): void {
    const row = this.#rows.get(fingerprint);
    if (row === undefined || row.dialect === null) {
      this.#put({ fingerprint, dialect, machines: 1, atMs: later(row, wallMs) });
    } else if (row.dialect === dialect) {
      row.failures = 0;
      row.failedLast = undefined;
      if (isNews) this.#put({ ...row, machines: row.machines + 1, atMs: later(row, wallMs) });
    } else if (againstOther) {
      row.failures += 1;
      if (row.failures >= 2) this.#put({ fingerprint, dialect, machines: 1, atMs: later(row, wallMs) });
    }
  }

  /** A machine had an address, was offered this, took nothing and came back. */
  failed(fingerprint: Fingerprint, dialect: Dialect, machine: string, wallMs: number): void {
    const row = this.#rows.get(fingerprint);
    if (row?.dialect !== dialect || row.failedLast === machine) return;
    row.failures += 1;
    row.failedLast = machine;
    if (row.failures < 2) return;
    const other = dialect === 'binl' ? 'offered-file' : 'binl';
    this.#put({ fingerprint, dialect: other, machines: 0, atMs: later(row, wallMs) });
  }

  /** Takes over rows that are later than ours; how many they were. */
  adopt(rows: readonly DialectRow[]): number {
    const news = rows.filter((row) => row.atMs > (this.#rows.get(row.fingerprint)?.atMs ?? -1));
    for (const row of news) this.#put(row);
    return news.length;
  }

  /** Undefined: all of them. How many there were. The other boot hosts hear of it: the row stays, without a dialect. */
  forget(fingerprint: Fingerprint | undefined, wallMs: number): number {
    const rows = [...this.#rows.values()].filter(
      (row) => row.dialect !== null && (fingerprint === undefined || row.fingerprint === fingerprint),
    );
    for (const row of rows) this.#put({ ...row, dialect: null, machines: 0, atMs: later(row, wallMs) });
    return rows.length;
  }

  #put({ fingerprint, dialect, machines, atMs }: DialectRow): void {
    this.#changes += 1;
    this.#rows.delete(fingerprint);
    this.#rows.set(fingerprint, { fingerprint, dialect, machines, atMs, failures: 0, failedLast: undefined });
    const oldest = this.#rows.keys().next();
    if (this.#rows.size > this.#most && oldest.done !== true) this.#rows.delete(oldest.value);
  }
}

/** Clocks may go back; what is told later holds all the same. */
function later(row: DialectRow | undefined, wallMs: number): number {
  return Math.max(wallMs, (row?.atMs ?? 0) + 1);
}
