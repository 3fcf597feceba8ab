// What a run says: the figures for programs, a picture for people.
import type { Outcome } from './scenario.ts';

export interface Report {
  readonly ok: boolean;
  readonly boundRatio: {
    /** The last of all that were there from the start and stayed, without those slowed down if there are any. */
    readonly last: number | null;
    readonly median: number | null;
    /** The last of those that are not slow; null when none is. */
    readonly othersWhenSlow: number | null;
    /** From its own start; null without one. */
    readonly joiner: number | null;
  };
  readonly wanRatio: number;
  readonly resentBytes: number;
  readonly violations: number;
  readonly finished: number;
  readonly targets: number;
  readonly boundSeconds: number;
  /** Of the last of all; null when one never finished. */
  readonly lastSeconds: number | null;
}

export function reportOf(outcome: Outcome): Report {
  const { boundMs, finishes } = outcome;
  const ratios = (which: typeof finishes) =>
    which.flatMap(({ tookMs }) => (tookMs === undefined ? [] : [tookMs / boundMs])).sort((a, b) => a - b);
  const stayed = finishes.filter(({ joined, dead }) => !joined && !dead);
  const all = ratios(stayed);
  const slow = finishes.some((one) => one.slow);
  return {
    ok: outcome.violations.length === 0,
    boundRatio: {
      last: rounded(all.at(-1)),
      median: rounded(all[(all.length - 1) >> 1]),
      othersWhenSlow: slow ? rounded(ratios(stayed.filter((one) => !one.slow)).at(-1)) : null,
      joiner: rounded(ratios(finishes.filter(({ joined }) => joined))[0]),
    },
    wanRatio: rounded(outcome.wanBytes / outcome.imageBytes) ?? 0,
    resentBytes: outcome.resentBytes,
    violations: outcome.violations.length,
    finished: finishes.filter(({ tookMs }) => tookMs !== undefined).length,
    targets: finishes.length,
    boundSeconds: Math.round(boundMs) / 1000,
    lastSeconds: finishes.some(({ tookMs }) => tookMs === undefined)
      ? null
      : Math.round(Math.max(...finishes.map(({ tookMs }) => tookMs ?? 0))) / 1000,
  };
}

function rounded(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : Math.round(value * 10_000) / 10_000;
}
