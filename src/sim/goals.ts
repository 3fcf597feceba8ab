// What the line is to reach on equal links, as a list: each goal is a scenario, a figure of its report and a limit.
import { type Report, reportOf } from './report.ts';
import { DEFAULT_SCENARIO, type RunOptions, runScenario, type Scenario } from './scenario.ts';

export interface Goal {
  readonly name: string;
  /** Words for `npm run sim --`, to see it alone. */
  readonly words: string;
  readonly scenario: Partial<Scenario>;
  /** All of them at most so much. */
  readonly limits: readonly Limit[];
}

export interface Limit {
  readonly figure: Figure;
  readonly most: number;
}

const FIGURES = {
  last: ({ boundRatio }) => boundRatio.last,
  others: ({ boundRatio }) => boundRatio.othersWhenSlow,
  joiner: ({ boundRatio }) => boundRatio.joiner,
  wan: ({ wanRatio }) => wanRatio,
  resent: ({ resentBytes }) => resentBytes,
} as const satisfies Record<string, (report: Report) => number | null>;
export type Figure = keyof typeof FIGURES;

const at = (figure: Figure, most: number): Limit => ({ figure, most });

function all(targets: number, chunks: number, most: number): Goal {
  return {
    name: `all ${targets}, ${chunks} chunks`,
    words: `--targets ${targets} --chunks ${chunks}`,
    // Beacons of a hundred machines over ten thousand chunks would cost more than all the rest.
    scenario: { targets, chunks, presence: targets > 30 ? 'oracle' : 'beacon' },
    limits: [at('last', most), at('wan', 1), at('resent', 0)],
  };
}

function slow(position: number, only?: 'up'): Goal {
  return {
    name: `one of 16 at a tenth${only === undefined ? '' : ' in sending'}, at ${position}`,
    words: `--slow-at ${position}${only === undefined ? '' : ' --slow-only up'}`,
    scenario: { troubles: { slow: 1, slowAt: position, slowOnly: only } },
    limits: [at('others', 1.05), at('wan', 1), at('resent', 0)],
  };
}

export const GOALS: readonly Goal[] = [
  all(16, 1024, 1.02),
  all(30, 1024, 1.03),
  all(100, 1024, 1.1),
  all(100, 10_000, 1.02),
  ...[1, 2, 5, 8, 15, 16].map((position) => slow(position)),
  ...[1, 2, 8, 15].map((position) => slow(position, 'up')),
  {
    name: 'one more at 50 %',
    words: '--join-at 0.5',
    scenario: { troubles: { joinAt: 0.5 } },
    limits: [at('joiner', 1.03), at('last', 1.02), at('wan', 1), at('resent', 0)],
  },
  {
    name: 'one more at 50 %, one slow',
    words: '--slow 1 --join-at 0.5',
    scenario: { troubles: { slow: 1, joinAt: 0.5 } },
    limits: [at('joiner', 1.03), at('others', 1.05), at('wan', 1), at('resent', 0)],
  },
  {
    name: 'two of 16 die',
    words: '--die 2',
    scenario: { troubles: { die: 2 } },
    limits: [at('last', 1.03), at('resent', 0)],
  },
  {
    name: 'designated peer killed every 60 s',
    words: '--peers 2 --kill-designated 60',
    scenario: { peers: 2, troubles: { killDesignatedS: 60 } },
    limits: [at('wan', 1.02), at('resent', 0)],
  },
  {
    name: '30 % come and go',
    words: '--peers 10 --churn 0.3',
    scenario: { peers: 10, troubles: { churn: 0.3 } },
    limits: [at('wan', 1.05), at('resent', 0)],
  },
];

export interface GoalResult {
  readonly goal: Goal;
  readonly ok: boolean;
  readonly figures: readonly (Limit & { readonly value: number | null; readonly ok: boolean })[];
  readonly violations: number;
}

export function tryGoal(goal: Goal, seed: number, options: RunOptions): GoalResult {
  const report = reportOf(runScenario({ ...DEFAULT_SCENARIO, ...goal.scenario, seed }, options));
  const figures = goal.limits.map((limit) => {
    const value = FIGURES[limit.figure](report);
    return { ...limit, value, ok: value !== null && value <= limit.most };
  });
  return { goal, ok: report.ok && figures.every(({ ok }) => ok), figures, violations: report.violations };
}
