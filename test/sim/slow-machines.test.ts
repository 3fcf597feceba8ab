// Machines that are slow, in small sites: whoever comes later, sends slowly, or crosses the WAN for all holds nobody up.
import { expect, it } from 'vitest';
import { realParts } from '../../src/sim/parts.ts';
import { reportOf } from '../../src/sim/report.ts';
import { DEFAULT_SCENARIO, runScenario, type Scenario } from '../../src/sim/scenario.ts';

/** Finding out takes about three seconds, and the image forty alone. */
const SMALL = { targets: 8, chunks: 400 };
const run = (scenario: Partial<Scenario>) =>
  reportOf(runScenario({ ...DEFAULT_SCENARIO, ...SMALL, ...scenario }, { parts: realParts('auto') }));

it('one that comes later is not stuck behind a slow one at the end of the line', () => {
  const report = run({ troubles: { slow: 1, slowAt: 3, joinAt: 0.5 } });
  expect(report.boundRatio.joiner).toBeLessThanOrEqual(1.05);
  expect(report.boundRatio.othersWhenSlow).toBeLessThanOrEqual(1.08);
  expect(report).toMatchObject({ ok: true, wanRatio: 1, resentBytes: 0 });
});

it.each([1, 4, 7])(
  'one that is slow in sending alone goes to the end of the line, from place %i',
  (slowAt) => {
    const report = run({ troubles: { slow: 1, slowAt, slowOnly: 'up' } });
    expect(report.boundRatio.last).toBeLessThanOrEqual(1.1);
    expect(report).toMatchObject({ ok: true, wanRatio: 1, resentBytes: 0 });
  },
);

it.each([undefined, 'up'] as const)('a slow designated peer hands the WAN over (slow: %s)', (slowOnly) => {
  const report = run({ troubles: { slowPeers: 1, slowOnly } });
  expect(report.boundRatio.last).toBeLessThanOrEqual(1.6);
  expect(report.wanRatio).toBeLessThanOrEqual(1.05);
  expect(report).toMatchObject({ ok: true, resentBytes: 0 });
});
