// A small simulated site for tests: one peer, three targets, forty chunks, and what befalls them.
import type { Rule } from '../../src/sim/checks.ts';
import { scheduleFaults, type TimedFault } from '../../src/sim/faults.ts';
import type { Parts } from '../../src/sim/node.ts';
import { type MachineSpec, World } from '../../src/sim/world.ts';

/** 100 Mbit/s. */
export const RATE = 12_500;

export interface SiteStory {
  readonly faults?: readonly TimedFault[];
  readonly lanDelayMs?: number;
  readonly targets?: number;
  readonly seed?: number;
  /** Bytes per second. */
  readonly wanLimit?: number;
}

/** Node 0 is the peer; targets follow, switched on one after the other 2 s after it. */
export function runSite(story: SiteStory, parts: Parts): World {
  const card = { up: RATE, down: RATE };
  const machines: MachineSpec[] = [{ name: 'p1', role: 'peer', card, startMs: 0, consumes: false }];
  for (let i = 0; i < (story.targets ?? 3); i++)
    machines.push({ name: `t${i + 1}`, role: 'target', card, startMs: 2000 + i * 50, consumes: true });
  const world = new World(
    {
      seed: story.seed ?? 1,
      image: { chunks: 60, chunkBytes: 1_000_000, variation: 0.1 },
      lan: { delayMs: story.lanDelayMs ?? 0.2, loss: 0 },
      wan: { rate: RATE, delayMs: 5, ...(story.wanLimit === undefined ? {} : { limit: story.wanLimit }) },
      diskBytesPerMs: Number.POSITIVE_INFINITY,
      presence: 'beacon',
      machines,
    },
    parts,
  );
  scheduleFaults(world, story.faults ?? []);
  world.run(120_000);
  world.checks.judgeThrift(8);
  return world;
}

export function rulesOf(world: World): readonly Rule[] {
  return [...new Set(world.checks.violations.map(({ rule }) => rule))];
}
