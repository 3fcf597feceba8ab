// The goals of the line that are cheap to assert: virtual time, so the same figures on every machine.
import { expect, it } from 'vitest';
import { realParts } from '../../src/sim/parts.ts';
import { reportOf } from '../../src/sim/report.ts';
import { DEFAULT_SCENARIO, runScenario, type Scenario } from '../../src/sim/scenario.ts';

const run = (scenario: Partial<Scenario>) =>
  reportOf(runScenario({ ...DEFAULT_SCENARIO, ...scenario }, { parts: realParts('auto') }));

it('sixteen machines finish within 1.02 × the time of one, over one WAN copy', () => {
  const report = run({ targets: 16 });
  expect(report.boundRatio.last).toBeLessThanOrEqual(1.02);
  expect(report).toMatchObject({ ok: true, wanRatio: 1, resentBytes: 0 });
});

it('one of sixteen at a tenth of the speed holds nobody up', () => {
  const report = run({ targets: 16, troubles: { slow: 1 } });
  expect(report.boundRatio.othersWhenSlow).toBeLessThanOrEqual(1.05);
  expect(report).toMatchObject({ ok: true, resentBytes: 0 });
});

it('one that comes half way is served at full speed', () => {
  const report = run({ targets: 16, troubles: { joinAt: 0.5 } });
  expect(report.boundRatio.joiner).toBeLessThanOrEqual(1.03);
  expect(report).toMatchObject({ ok: true, resentBytes: 0 });
});
