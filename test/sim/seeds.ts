// Runs small sites with random faults, seed after seed, and says how to see each failing one again.
import { expect } from 'vitest';
import { makeFaultCase, runFaultCase } from '../../src/sim/fault-case.ts';
import { realParts, type SimStrategy } from '../../src/sim/parts.ts';

export function expectSoundSeeds(from: number, to: number, strategy: SimStrategy = 'line'): void {
  const failed: string[] = [];
  for (let seed = from; seed <= to; seed++) {
    const { violations } = runFaultCase(makeFaultCase(seed), realParts(strategy));
    for (const { rule, what } of violations.slice(0, 1))
      failed.push(`npm run sim -- --fault-seed ${seed} --strategy ${strategy} --trace   # ${rule}: ${what}`);
  }
  expect(failed).toEqual([]);
}
