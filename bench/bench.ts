// What a benchmark is: it runs ours and the rival on the same work and returns rows of ratios.

export interface BenchRow {
  /** What was done, e.g. `fetch 40 MB, blksize 1468`. */
  readonly work: string;
  readonly ours: number;
  readonly rival: number;
  readonly rivalName: string;
  readonly unit: string;
  /** ours ÷ rival. */
  readonly ratio: number;
  /** The bound on the ratio (or on `ours` when `absolute`), and which side of it is good. */
  readonly goal?: { readonly bound: number; readonly better: 'below' | 'above'; readonly absolute?: boolean };
}

export interface Bench {
  readonly name: string;
  /** One sentence: what is measured, beside whom. */
  readonly about: string;
  run(context: BenchContext): Promise<readonly BenchRow[]>;
}

export interface BenchContext {
  /** Says what is going on, on standard error. */
  progress(message: string): void;
  /** A scratch folder of this run, removed afterwards. */
  readonly folder: string;
}

export function meetsGoal(row: BenchRow): boolean | undefined {
  if (row.goal === undefined) return undefined;
  const value = row.goal.absolute === true ? row.ours : row.ratio;
  return row.goal.better === 'below' ? value <= row.goal.bound : value >= row.goal.bound;
}
