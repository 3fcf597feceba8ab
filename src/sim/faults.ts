// Random faults from a seed: which machines, which troubles, when and for how long; and how they strike a world.
import { type Random, randomInt, seededRandom } from '../base/random.ts';
import type { MonotonicMs } from '../base/time.ts';
import type { SimNode } from './node.ts';
import type { World } from './world.ts';

/** `node` counts the world's machines from 0. */
export type Fault =
  /** The process dies, or the machine loses power; back after a while, or never. */
  | {
      readonly kind: 'die';
      readonly how: 'down' | 'off';
      readonly node: number;
      readonly backMs: number | undefined;
    }
  /** Says goodbye and ends. */
  | { readonly kind: 'leave'; readonly node: number }
  /** SIGSTOP, then SIGCONT. */
  | { readonly kind: 'stop'; readonly node: number; readonly forMs: number }
  /** Sends wrong bytes for this share of chunks, ever after. */
  | { readonly kind: 'lie'; readonly node: number; readonly share: number }
  /** Its card is slower by this factor, in both directions or only in sending. */
  | {
      readonly kind: 'slow';
      readonly node: number;
      readonly factor: number;
      readonly only: 'up' | undefined;
      readonly forMs: number | undefined;
    }
  /** Those with their bit set are cut from the others. */
  | { readonly kind: 'partition'; readonly bits: number; readonly forMs: number }
  | { readonly kind: 'wan-cut'; readonly forMs: number }
  /** Its disk loses some chunks. */
  | { readonly kind: 'lose'; readonly node: number; readonly share: number };

export interface TimedFault {
  readonly atMs: MonotonicMs;
  readonly fault: Fault;
}

export interface FaultBounds {
  readonly peers: number;
  readonly machines: number;
  readonly fromMs: MonotonicMs;
  readonly untilMs: MonotonicMs;
}

const KINDS = [
  'die',
  'die',
  'off',
  'off',
  'leave',
  'stop',
  'stop',
  'lie',
  'slow',
  'slow',
  'partition',
  'wan-cut',
  'lose',
] as const;

/** A few faults, in the order of their times. At least one machine is never struck but by partitions and cuts. */
export function randomFaults(random: Random, bounds: FaultBounds): readonly TimedFault[] {
  const { machines, fromMs, untilMs } = bounds;
  const spared = randomInt(random, machines);
  const some = 1 + randomInt(random, 5);
  const faults = Array.from({ length: some }, (): TimedFault => {
    const atMs = Math.round(fromMs + random.next() * (untilMs - fromMs));
    const node = (spared + 1 + randomInt(random, machines - 1)) % machines;
    return { atMs, fault: oneFault(random, node, machines) };
  });
  return faults.sort((a, b) => a.atMs - b.atMs);
}

function oneFault(random: Random, node: number, machines: number): Fault {
  const kind = KINDS[randomInt(random, KINDS.length)] as (typeof KINDS)[number];
  const someMs = (most: number) => Math.round(200 + random.next() * most);
  switch (kind) {
    case 'die':
    case 'off': {
      const backMs = random.next() < 0.6 ? someMs(12_000) : undefined;
      return { kind: 'die', how: kind === 'die' ? 'down' : 'off', node, backMs };
    }
    case 'leave':
      return { kind, node };
    case 'stop':
      return { kind, node, forMs: someMs(random.next() < 0.3 ? 30_000 : 4_000) };
    case 'lie':
      return { kind, node, share: random.next() < 0.5 ? 1 : random.next() };
    case 'slow': {
      const factor = 2 + randomInt(random, 30);
      const only = random.next() < 0.4 ? 'up' : undefined;
      return { kind, node, factor, only, forMs: random.next() < 0.5 ? someMs(10_000) : undefined };
    }
    case 'partition':
      return { kind, bits: 1 + randomInt(random, 2 ** machines - 2), forMs: someMs(8_000) };
    case 'wan-cut':
      return { kind, forMs: someMs(15_000) };
    case 'lose':
      return { kind, node, share: random.next() };
  }
}

/** When the last of it is over. */
export function endOf(faults: readonly TimedFault[]): MonotonicMs {
  return faults.reduce((end, { atMs, fault }) => Math.max(end, atMs + (lastsMs(fault) ?? 0)), 0);
}

function lastsMs(fault: Fault): number | undefined {
  if (fault.kind === 'die') return fault.backMs;
  return 'forMs' in fault ? fault.forMs : undefined;
}

/** A peer says goodbye, then waits so long for its followers (`GRACE_MS` of service/line-driver at most). */
const LEAVE_MS = 2000;

export function scheduleFaults(world: World, faults: readonly TimedFault[]): void {
  for (const { atMs, fault } of faults) world.queue.at(atMs, () => strike(world, fault));
}

function strike(world: World, fault: Fault): void {
  world.tell(describe(world, fault));
  world.excuse(lastsMs(fault) ?? 0);
  if (fault.kind !== 'die' && fault.kind !== 'stop') {
    const isBlocked = fault.kind === 'wan-cut' || fault.kind === 'partition';
    const isForEver = fault.kind === 'lie' || (fault.kind === 'slow' && fault.forMs === undefined);
    world.repairs.trouble(isForEver ? Number.POSITIVE_INFINITY : (lastsMs(fault) ?? 0), isBlocked);
  }
  if (fault.kind === 'wan-cut') {
    world.wan.cut(true);
    world.queue.after(fault.forMs, () => world.wan.cut(false));
    return;
  }
  if (fault.kind === 'partition') {
    const place = new Map(world.nodes.map((node, i) => [node.host, (fault.bits >> i) & 1]));
    world.network.partition((host) => place.get(host) ?? 0);
    world.queue.after(fault.forMs, () => world.network.partition(() => 0));
    return;
  }
  const node = world.nodes[fault.node] as SimNode;
  if (node.host.state !== 'up') return;
  switch (fault.kind) {
    case 'die':
      world.repairs.strike(node);
      if (fault.backMs === undefined) world.awaited.delete(node);
      // A target that has finished has rebooted into its new system: it does not come back as a target.
      else if (node.finishedMs === undefined || node.role === 'peer')
        world.queue.after(fault.backMs, () => world.start(node));
      node.die(fault.how);
      return;
    case 'leave':
      world.awaited.delete(node);
      node.leave();
      world.queue.after(LEAVE_MS, () => {
        world.repairs.trouble();
        if (node.running) node.end();
      });
      return;
    case 'stop': {
      const { life } = node.host;
      world.repairs.strike(node, fault.forMs);
      world.network.stop(node.host);
      world.queue.after(fault.forMs, () => {
        world.repairs.trouble();
        if (node.host.life === life) world.network.goOn(node.host);
      });
      return;
    }
    case 'lie':
      node.liesShare = fault.share;
      return;
    case 'slow': {
      const { card } = node.host;
      const down = fault.only === 'up' ? card.down : card.down / fault.factor;
      node.host.setRates({ up: card.up / fault.factor, down });
      if (fault.forMs !== undefined) world.queue.after(fault.forMs, () => node.host.setRates(card));
      return;
    }
    case 'lose': {
      const random = seededRandom(fault.node + world.image.rows);
      for (let row = 0; row < world.image.rows; row++) if (random.next() < fault.share) world.lose(node, row);
      return;
    }
  }
}

export function describe(world: World, fault: Fault): string {
  const rest = Object.entries(fault)
    .filter(([key, value]) => key !== 'kind' && key !== 'node' && value !== undefined)
    .map(([key, value]) => `${key} ${value}`);
  const name = 'node' in fault ? [world.nodes[fault.node]?.name] : [];
  return [...name, fault.kind, ...rest].join(' ');
}
