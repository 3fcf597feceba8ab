// What may befall a site in a scenario, and when: from a few words to events on the world's clock.
import { type Random, randomInt, seededRandom } from '../base/random.ts';
import type { SimNode } from './node.ts';
import type { World } from './world.ts';

export interface Troubles {
  /** So many targets at a tenth of the speed. */
  readonly slow?: number;
  /** Which one, counted from 1. */
  readonly slowAt?: number;
  /** Slow in sending alone. */
  readonly slowOnly?: 'up' | undefined;
  /** So many peers at a tenth of the speed, in both directions or as `slowOnly` says. */
  readonly slowPeers?: number;
  /** One target more comes at this share of the bound. */
  readonly joinAt?: number;
  /** So many targets lose power and do not come back. */
  readonly die?: number;
  /** This share of all machines comes and goes. */
  readonly churn?: number;
  /** The designated peer is killed every so many seconds. */
  readonly killDesignatedS?: number;
}

export interface TroubleTimes {
  readonly startMs: number;
  readonly boundMs: number;
  readonly seed: number;
}

/** A killed peer's service is started again by its system after so long. */
const RESTART_MS = 5000;
/** How long a machine is away. */
const AWAY_MS = [3000, 20_000] as const;
const HERE_MS = [10_000, 40_000] as const;

export function scheduleTroubles(world: World, troubles: Troubles, times: TroubleTimes): void {
  const random = seededRandom(times.seed * 613 + 7);
  if (troubles.die !== undefined) die(world, troubles.die, times, random);
  if (troubles.churn !== undefined) churn(world, troubles.churn, times, random);
  if (troubles.killDesignatedS !== undefined) killDesignated(world, troubles.killDesignatedS * 1000, times);
}

function die(world: World, count: number, { startMs, boundMs }: TroubleTimes, random: Random): void {
  const targets = world.nodes.filter((node) => node.role === 'target');
  for (const node of pick(targets, count, random)) {
    world.queue.at(startMs + boundMs * (0.2 + 0.6 * random.next()), () => {
      if (node.finishedMs !== undefined) return;
      world.tell(`${node.name} loses power`);
      world.awaited.delete(node);
      world.repairs.strike(node);
      node.die('off');
    });
  }
}

/**
 * Peers come and go all the time. Targets do so at most twice, in the first half: each time one begins again with
 * nothing, so it would never finish otherwise.
 */
function churn(world: World, share: number, times: TroubleTimes, random: Random): void {
  const { startMs, boundMs } = times;
  const of = (role: string) => {
    const all = world.nodes.filter((node) => node.role === role);
    return pick(all, Math.round(share * all.length), random);
  };
  for (const node of of('peer')) {
    const goes = () => {
      away(world, node, random);
      world.queue.after(between(AWAY_MS, random) + between(HERE_MS, random), goes);
    };
    world.queue.at(startMs + between(HERE_MS, random) * random.next(), goes);
  }
  for (const node of of('target'))
    for (const half of [0, 0.25].slice(0, 1 + randomInt(random, 2)))
      world.queue.at(startMs + boundMs * (half + random.next() / 4), () => away(world, node, random));
}

/** By crash, power or goodbye; back after a while. */
function away(world: World, node: SimNode, random: Random): void {
  const how = randomInt(random, 3);
  const backMs = between(AWAY_MS, random);
  if (!node.running || node.finishedMs !== undefined) return;
  world.tell(`${node.name} goes: ${['goodbye', 'crash', 'power'][how]}`);
  if (how === 0) {
    world.repairs.trouble(1000);
    node.leave();
    world.queue.after(1000, () => node.end());
    world.queue.after(1000 + backMs, () => world.start(node));
    return;
  }
  world.repairs.strike(node);
  node.die(how === 1 ? 'down' : 'off');
  world.queue.after(1000 + backMs, () => world.start(node));
}

function killDesignated(world: World, everyMs: number, { startMs }: TroubleTimes): void {
  const kill = () => {
    world.queue.after(everyMs, kill);
    const crossing = world.nodes.find(
      (node) => node.role === 'peer' && node.running && node.machine()?.state().feeder === 'wan',
    );
    if (crossing === undefined) return;
    world.tell(`${crossing.name} is killed`);
    world.repairs.strike(crossing);
    crossing.die('down');
    world.queue.after(RESTART_MS, () => world.start(crossing));
  };
  world.queue.at(startMs + everyMs, kill);
}

function between([least, most]: readonly [number, number], random: Random): number {
  return least + random.next() * (most - least);
}

function pick(nodes: readonly SimNode[], count: number, random: Random): SimNode[] {
  const left = [...nodes];
  return Array.from({ length: Math.min(count, left.length) }, () =>
    left.splice(randomInt(random, left.length), 1),
  ).flat();
}
