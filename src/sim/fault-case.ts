// One small site with random faults, made from one seed: the unit of the soak.
import { randomInt, seededRandom } from '../base/random.ts';
import type { Violation } from './checks.ts';
import { endOf, randomFaults, scheduleFaults, type TimedFault } from './faults.ts';
import type { Parts } from './node.ts';
import type { Observer } from './observer.ts';
import { type MachineSpec, World, type WorldSpec } from './world.ts';

export interface FaultCase {
  readonly seed: number;
  readonly spec: WorldSpec;
  readonly faults: readonly TimedFault[];
  readonly limitMs: number;
}

export interface FaultResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly events: number;
  readonly virtualMs: number;
  readonly wanRatio: number;
  readonly resentBytes: number;
}

const SETTLED_MS = 2500;
const LAN_RATE = 12_500;
/** Two may act at once for a while, each with a few chunks under way, and again after each fault. */
const MOST_NEEDLESS = 8;
const MOST_NEEDLESS_A_FAULT = 4;
/** Each part has had a designated peer, and both go on until they know of each other again. */
const MOST_NEEDLESS_A_PARTITION = 16;

export function makeFaultCase(seed: number): FaultCase {
  const random = seededRandom(seed * 2_654_435 + 99);
  const between = (least: number, most: number) => least + randomInt(random, most - least + 1);
  const peers = between(1, 3);
  const targets = between(1, 5);
  const chunks = between(16, 48);
  const chunkBytes = between(200_000, 1_200_000);
  const halfDuplex = random.next() < 0.1;
  const wanRate = LAN_RATE / between(1, 4);
  const idealMs = (chunks * chunkBytes) / wanRate;
  const machines: MachineSpec[] = [];
  const card = { up: LAN_RATE, down: LAN_RATE, halfDuplex };
  for (let i = 0; i < peers; i++) {
    // Some peers keep a replica, some have it already.
    const consumes = random.next() < 0.3;
    const stocked = random.next() < 0.1;
    machines.push({ name: `p${i + 1}`, role: 'peer', card, startMs: i * 100, consumes, stocked });
  }
  for (let i = 0; i < targets; i++) {
    const late = random.next() < 0.25 ? random.next() * idealMs : random.next() * 100;
    machines.push({ name: `t${i + 1}`, role: 'target', card, startMs: SETTLED_MS + late, consumes: true });
  }
  // Numbers of their own, so that a seed stays the same site with a limit as without.
  const tight = seededRandom(seed * 977 + 5);
  const limit = tight.next() < 0.25 ? Math.round(1000 * wanRate * (0.3 + 0.6 * tight.next())) : undefined;
  const faults = randomFaults(random, {
    peers,
    machines: machines.length,
    fromMs: SETTLED_MS,
    untilMs: SETTLED_MS + 1000 + 1.3 * idealMs,
  });
  const spec: WorldSpec = {
    seed,
    image: { chunks, chunkBytes, variation: 0.2 },
    lan: { delayMs: 0.2, loss: [0, 0, 0.001, 0.01][randomInt(random, 4)] as number },
    wan: { rate: wanRate, delayMs: between(2, 40), ...(limit === undefined ? {} : { limit }) },
    diskBytesPerMs: random.next() < 0.2 ? LAN_RATE / 2 : Number.POSITIVE_INFINITY,
    presence: 'beacon',
    machines,
  };
  const slowest = faults.reduce(
    (most, { fault }) => Math.max(most, fault.kind === 'slow' ? fault.factor : 1),
    2,
  );
  return {
    seed,
    spec,
    faults,
    limitMs: endOf(faults) + 60_000 + (4 * slowest * idealMs * 1000 * wanRate) / (limit ?? 1000 * wanRate),
  };
}

/** Whoever has caught the designated peer lying crosses on its own: that may cost the image once more. */
function mostNeedless({ faults, spec }: FaultCase): number {
  const lies = faults.some(({ fault }) => fault.kind === 'lie');
  const partitions = faults.filter(({ fault }) => fault.kind === 'partition').length;
  const few = MOST_NEEDLESS + MOST_NEEDLESS_A_FAULT * faults.length + MOST_NEEDLESS_A_PARTITION * partitions;
  return few + (lies ? spec.image.chunks : 0);
}

/** `watch` is handed a way to the world, which is built after it. */
export function runFaultCase(
  one: FaultCase,
  parts: Parts,
  watch?: (world: () => World | undefined) => readonly Observer[],
): FaultResult {
  let built: World | undefined;
  const world = new World(
    one.spec,
    parts,
    watch?.(() => built),
  );
  built = world;
  scheduleFaults(world, one.faults);
  world.run(one.limitMs);
  const { checks } = world;
  checks.judgeThrift(mostNeedless(one));
  return {
    seed: one.seed,
    violations: checks.violations,
    events: world.queue.ran,
    virtualMs: world.queue.nowMs,
    wanRatio: checks.wanTotal / world.image.bytes,
    resentBytes: checks.resentBytes,
  };
}
