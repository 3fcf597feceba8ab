// 100,000 broken messages for each protocol: no throw, no hang, no reply above three times its request. `npm run fuzz` runs a million.
import { describe, expect, it } from 'vitest';
import { fuzz } from './fuzz.ts';
import { FUZZ_TARGETS } from './targets.ts';

const ROUNDS = 100_000;
const SEED = 20261123;
/** Stages that a run must reach often, or its mutations prove nothing. */
const STAGES: Readonly<Record<string, readonly string[]>> = {
  dhcp: ['malformed', 'silent', 'answered'],
  tftp: ['malformed', 'denied', 'ack', 'error', 'data', 'oack', 'oack 3 times', 'block 1 once'],
  http: ['200', '206', '412'],
  beacon: ['malformed', 'beat', 'ask'],
  line: ['malformed', 'waiting', 'frames'],
  capture: ['malformed', 'packets', 'no packets'],
  control: ['no JSON', 'refused', 'accepted'],
  script: ['harmless'],
};

describe('broken messages', () => {
  it.each(Object.entries(FUZZ_TARGETS))('%s', (name, makeTarget) => {
    const { stages } = fuzz(makeTarget(), ROUNDS, SEED);
    for (const stage of STAGES[name] ?? []) expect(stages[stage], `${name}: ${stage}`).toBeGreaterThan(200);
  });
});
