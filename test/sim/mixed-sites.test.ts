// Line and mesh nodes in one site, and meshes alone, under random faults: the same laws, and everybody finishes.
import { describe, expect, it } from 'vitest';
import { realParts } from '../../src/sim/parts.ts';
import { reportOf } from '../../src/sim/report.ts';
import { DEFAULT_SCENARIO, runScenario, type Scenario, strategyOf } from '../../src/sim/scenario.ts';
import { expectSoundSeeds } from './seeds.ts';

it('a mixed site survives the faults of seeds 1 to 80', () => expectSoundSeeds(1, 80, 'mixed'));
it('a mesh survives the faults of seeds 1 to 40', () => expectSoundSeeds(1, 40, 'swarm'));

describe.each(['swarm', 'mixed'] as const)('%s', (strategy) => {
  const run = (change: Partial<Scenario>) => {
    const scenario: Scenario = { ...DEFAULT_SCENARIO, chunks: 96, targets: 8, strategy, ...change };
    return reportOf(runScenario(scenario, { parts: realParts(strategyOf(scenario)) }));
  };

  it('takes one copy over the WAN when nobody has the image', () => {
    const { wanRatio, ...report } = run({});
    expect(report).toMatchObject({ ok: true, finished: 8, resentBytes: 0 });
    expect(wanRatio).toBeLessThanOrEqual(1.02);
  });

  it('takes nothing over the WAN when some have it, even if the one designated to cross it has nothing', () => {
    expect(run({ holders: 4 })).toMatchObject({ ok: true, finished: 8, wanRatio: 0, resentBytes: 0 });
  });

  it('fetches nothing twice when machines lose power', () => {
    expect(run({ holders: 4, troubles: { die: 2 } })).toMatchObject({ ok: true, resentBytes: 0 });
  });
});
