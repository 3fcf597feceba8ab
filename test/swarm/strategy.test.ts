// Line or mesh: the choice as a table, and the simulator's evidence that it is the faster one.
import { describe, expect, it } from 'vitest';
import { realParts } from '../../src/sim/parts.ts';
import { type MachineSpec, World } from '../../src/sim/world.ts';
import { createMesh } from '../../src/swarm/mesh.ts';
import { chooseStrategy, type Strategy, type StrategyFacts } from '../../src/swarm/strategy.ts';

const MBIT = 125_000;

describe('the choice', () => {
  it.each<[string, StrategyFacts, Strategy]>([
    [
      'many from one',
      { fetchers: 16, completeHolders: 1, fastestUplink: 100 * MBIT, downlink: 100 * MBIT },
      'line',
    ],
    ['nothing in the site yet', { fetchers: 3, completeHolders: 0, fastestUplink: 0, downlink: 0 }, 'line'],
    [
      'many from several',
      { fetchers: 16, completeHolders: 4, fastestUplink: 25 * MBIT, downlink: 100 * MBIT },
      'line',
    ],
    ['speeds unknown', { fetchers: 1, completeHolders: 4, fastestUplink: 0, downlink: 100 * MBIT }, 'line'],
    [
      'one holder is enough',
      { fetchers: 1, completeHolders: 4, fastestUplink: 90 * MBIT, downlink: 100 * MBIT },
      'line',
    ],
    [
      'narrow uplinks',
      { fetchers: 1, completeHolders: 4, fastestUplink: 25 * MBIT, downlink: 100 * MBIT },
      'swarm',
    ],
  ])('%s', (_, facts, strategy) => {
    const choice = chooseStrategy(facts);
    expect(choice.strategy).toBe(strategy);
    expect(choice.why).not.toBe('');
  });
});

interface Site {
  readonly targets: number;
  readonly holders: number;
  readonly holderUplinkMbit: number;
}

/** Milliseconds until the last target has all of 96 chunks, from links of 100 Mbit/s but for the holders' uplinks. */
function lastMs({ targets, holders, holderUplinkMbit }: Site, strategy: Strategy): number {
  const rate = (mbit: number) => mbit * 125;
  const machines: MachineSpec[] = [];
  for (let i = 0; i < holders; i++) {
    const card = { up: rate(holderUplinkMbit), down: rate(100) };
    machines.push({ name: `p${i}`, role: 'peer', card, startMs: i, consumes: false, stocked: true });
  }
  for (let i = 0; i < targets; i++) {
    const card = { up: rate(100), down: rate(100) };
    machines.push({ name: `t${i}`, role: 'target', card, startMs: 3000 + i, consumes: true });
  }
  const parts = realParts();
  const world = new World(
    {
      seed: 1,
      image: { chunks: 96, chunkBytes: 1_200_000, variation: 0.02 },
      lan: { delayMs: 0.2, loss: 0 },
      wan: { rate: rate(100), delayMs: 5 },
      diskBytesPerMs: Number.POSITIVE_INFINITY,
      presence: 'oracle',
      machines,
    },
    strategy === 'line' ? parts : { ...parts, machine: (setup) => createMesh(setup) },
  );
  world.run(600_000);
  const ends = world.nodes
    .filter(({ role }) => role === 'target')
    .map(({ finishedMs }) => finishedMs ?? Infinity);
  return Math.max(...ends) - 3000;
}

function chosen({ targets, holders, holderUplinkMbit }: Site): Strategy {
  const fastestUplink = holderUplinkMbit * MBIT;
  return chooseStrategy({ fetchers: targets, completeHolders: holders, fastestUplink, downlink: 100 * MBIT })
    .strategy;
}

describe('the choice is the faster one', () => {
  it.each<[Site, Strategy]>([
    [{ targets: 8, holders: 1, holderUplinkMbit: 100 }, 'line'],
    [{ targets: 8, holders: 4, holderUplinkMbit: 100 }, 'line'],
    [{ targets: 1, holders: 4, holderUplinkMbit: 25 }, 'swarm'],
    [{ targets: 1, holders: 4, holderUplinkMbit: 70 }, 'swarm'],
    [{ targets: 4, holders: 4, holderUplinkMbit: 25 }, 'swarm'],
    [{ targets: 8, holders: 4, holderUplinkMbit: 25 }, 'line'],
  ])('%o: %s', (site, faster) => {
    const line = lastMs(site, 'line');
    const swarm = lastMs(site, 'swarm');
    expect({ line, swarm }).toSatisfy(() => (line <= swarm ? 'line' : 'swarm') === faster);
    expect(chosen(site)).toBe(faster);
  });
});
