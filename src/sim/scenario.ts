// What is simulated: so many machines on such links, and what befalls them; run beside the bound of one machine alone.
import { randomInt, seededRandom } from '../base/random.ts';
import { chooseStrategy } from '../swarm/strategy.ts';
import type { Violation } from './checks.ts';
import type { Parts } from './node.ts';
import type { Observer } from './observer.ts';
import type { SimStrategy } from './parts.ts';
import type { BytesPerMs } from './pipes.ts';
import { scheduleTroubles, type Troubles } from './troubles.ts';
import { type MachineSpec, World, type WorldSpec } from './world.ts';

export interface Scenario {
  readonly seed: number;
  readonly targets: number;
  readonly peers: number;
  /** Peers besides that hold the image from the start, and what their cards send. */
  readonly holders: number;
  readonly holderUplink: BytesPerMs;
  readonly chunks: number;
  readonly chunkBytes: number;
  /** Share by which chunks differ from it at most. */
  readonly variation: number;
  readonly lanRate: BytesPerMs;
  readonly halfDuplex: boolean;
  readonly lanDelayMs: number;
  readonly loss: number;
  readonly wanRate: BytesPerMs;
  readonly wanDelayMs: number;
  /** What the site may take of the WAN line, bytes per second. */
  readonly wanLimit?: number | undefined;
  readonly diskRate: BytesPerMs;
  readonly strategy: SimStrategy;
  readonly presence: 'beacon' | 'oracle';
  readonly troubles: Troubles;
}

export const DEFAULT_SCENARIO: Scenario = {
  seed: 1,
  targets: 16,
  peers: 1,
  holders: 0,
  holderUplink: 12_500,
  chunks: 1024,
  chunkBytes: 1_200_000,
  variation: 0.02,
  lanRate: 12_500,
  halfDuplex: false,
  lanDelayMs: 0.2,
  loss: 0,
  wanRate: 12_500,
  wanDelayMs: 5,
  diskRate: Number.POSITIVE_INFINITY,
  strategy: 'auto',
  presence: 'beacon',
  troubles: {},
};

/** A slow machine has this share of the others' speed. */
export const SLOW_SHARE = 0.1;
/** Peers run for so long before the first target boots. */
const SETTLED_MS = 5000;
/** Targets are switched on one after the other within so long. */
const SWITCH_ON_MS = 100;

export interface Finish {
  readonly name: string;
  readonly startMs: number;
  /** From its start; undefined: never. */
  readonly tookMs: number | undefined;
  readonly slow: boolean;
  readonly joined: boolean;
  readonly dead: boolean;
}

export interface Outcome {
  readonly scenario: Scenario;
  readonly boundMs: number;
  readonly finishes: readonly Finish[];
  readonly imageBytes: number;
  readonly wanBytes: number;
  readonly lanBytes: number;
  readonly resentBytes: number;
  readonly strayBytes: number;
  readonly violations: readonly Violation[];
  readonly events: number;
  readonly virtualMs: number;
}

export interface RunOptions {
  readonly parts: Parts;
  readonly observers?: readonly Observer[];
  /** The world is built and about to run (that of the bound is not shown). */
  readonly onWorld?: (world: World) => void;
  readonly onTick?: (world: World) => void;
}

export function runScenario(
  scenario: Scenario,
  options: RunOptions,
  boundMs = findBound(scenario, options),
): Outcome {
  const slow = pickSlow(scenario);
  const world = new World(specOf(scenario, slow, boundMs), options.parts, options.observers);
  options.onWorld?.(world);
  scheduleTroubles(world, scenario.troubles, { startMs: SETTLED_MS, boundMs, seed: scenario.seed });
  world.run(SETTLED_MS + limitMs(scenario, boundMs, slow.size > 0), options.onTick);
  const { checks } = world;
  checks.judgeThrift(hasTroubles(scenario.troubles) ? 8 + 0.05 * scenario.chunks : 0);
  const targets = world.nodes.filter((node) => node.role === 'target');
  return {
    scenario,
    boundMs,
    finishes: targets.map((node, i) => ({
      name: node.name,
      startMs: (node.startedMs ?? 0) - SETTLED_MS,
      tookMs: node.finishedMs === undefined ? undefined : node.finishedMs - (node.startedMs ?? 0),
      slow: slow.has(i),
      joined: i >= scenario.targets,
      dead: !node.running,
    })),
    imageBytes: world.image.bytes,
    wanBytes: checks.wanTotal,
    lanBytes: checks.lanTotal,
    resentBytes: checks.resentBytes,
    strayBytes: checks.strayBytes,
    violations: checks.violations,
    events: world.queue.ran,
    virtualMs: world.queue.nowMs,
  };
}

function hasTroubles(troubles: Troubles): boolean {
  return Object.values(troubles).some((value) => value !== undefined);
}

/** What `auto` comes to: the choice that the machines of this scenario would make if they knew their links. */
export function strategyOf(scenario: Scenario): Exclude<SimStrategy, 'auto'> {
  const { strategy, targets, holders, holderUplink, lanRate } = scenario;
  if (strategy !== 'auto') return strategy;
  const facts = { fetchers: targets, completeHolders: holders };
  return chooseStrategy({ ...facts, fastestUplink: 1000 * holderUplink, downlink: 1000 * lanRate }).strategy;
}

/** The time that one machine alone needs on the same links. */
export function findBound(scenario: Scenario, { parts }: RunOptions): number {
  const alone: Scenario = { ...scenario, targets: 1, troubles: {} };
  const world = new World(specOf(alone, new Set(), 0), parts);
  world.run(SETTLED_MS + 1000 * idealMs(alone) + 60_000);
  const target = world.nodes.at(-1);
  return (target?.finishedMs ?? Number.NaN) - (target?.startedMs ?? 0);
}

/** What the narrowest link on the way needs for the bytes alone. */
function idealMs({ chunks, chunkBytes, lanRate, wanRate, diskRate }: Scenario): number {
  return (chunks * chunkBytes) / Math.min(lanRate, wanRate, diskRate);
}

function limitMs(scenario: Scenario, boundMs: number, slow: boolean): number {
  return boundMs * (slow ? 3 / SLOW_SHARE : 20) + 600_000 + scenario.targets * 100;
}

function pickSlow(scenario: Scenario): ReadonlySet<number> {
  const { slow = 0, slowAt } = scenario.troubles;
  if (slowAt !== undefined) return new Set([slowAt - 1]);
  const random = seededRandom(scenario.seed ^ 0x510e);
  const chosen = new Set<number>();
  while (chosen.size < Math.min(slow, scenario.targets)) chosen.add(randomInt(random, scenario.targets));
  return chosen;
}

function specOf(scenario: Scenario, slow: ReadonlySet<number>, boundMs: number): WorldSpec {
  const { seed, targets, peers, lanRate, halfDuplex, troubles } = scenario;
  const random = seededRandom(seed + 5);
  const card = (share = 1) => {
    const down = troubles.slowOnly === 'up' ? lanRate : lanRate * share;
    return { up: lanRate * share, down, halfDuplex };
  };
  const digits = String(targets).length;
  const starts = Array.from({ length: targets }, () => SETTLED_MS + random.next() * SWITCH_ON_MS).sort(
    (a, b) => a - b,
  );
  if (troubles.joinAt !== undefined) starts.push(SETTLED_MS + troubles.joinAt * boundMs);
  const machines: MachineSpec[] = [];
  for (let i = 0; i < peers; i++)
    machines.push({
      name: `p${i + 1}`,
      role: 'peer',
      card: card(i < (troubles.slowPeers ?? 0) ? SLOW_SHARE : 1),
      startMs: i * 10,
      consumes: false,
    });
  for (let i = 0; i < scenario.holders; i++) {
    const sends = { ...card(), up: scenario.holderUplink };
    machines.push({
      name: `h${i + 1}`,
      role: 'peer',
      card: sends,
      startMs: i,
      consumes: false,
      stocked: true,
    });
  }
  for (const [i, startMs] of starts.entries()) {
    const name = i < targets ? `t${String(i + 1).padStart(digits, '0')}` : 'joiner';
    machines.push({
      name,
      role: 'target',
      card: card(slow.has(i) ? SLOW_SHARE : 1),
      startMs,
      consumes: true,
    });
  }
  return {
    seed,
    image: { chunks: scenario.chunks, chunkBytes: scenario.chunkBytes, variation: scenario.variation },
    lan: { delayMs: scenario.lanDelayMs, loss: scenario.loss },
    wan: {
      rate: scenario.wanRate,
      delayMs: scenario.wanDelayMs,
      ...(scenario.wanLimit === undefined ? {} : { limit: scenario.wanLimit }),
    },
    diskBytesPerMs: scenario.diskRate,
    presence: scenario.presence,
    machines,
  };
}
