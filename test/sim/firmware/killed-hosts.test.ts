// Of several boot hosts one is killed at every stage of a boot: every emulated firmware finishes, once, and is imaged once.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TURN_MS } from '../../../src/boot/turns.ts';
import { FIRMWARE_NAMES, type FirmwareName } from '../../../src/sim/firmware/names.ts';
import {
  bootWithKill,
  hasStage,
  KILL_STAGES,
  type KilledRun,
  type KillStage,
} from '../../support/killed-hosts.ts';

/** `npm run lab -- host-killed-in-emulation` runs 20 of each, and prints them. */
const SEEDS = [1, 2, 3, 4];

const runs = (firmware: FirmwareName, stage: KillStage | undefined): Promise<KilledRun[]> =>
  Promise.all(SEEDS.map((seed) => bootWithKill({ seed, firmware, stage })));

/** What holds whatever dies: one imaging, and no host that would begin a second one. */
function expectOneJob({ wipes, afterwards }: KilledRun): void {
  expect(wipes).toBe(1);
  expect(new Set(afterwards)).toEqual(new Set(['local-boot']));
}

const mixes = FIRMWARE_NAMES.flatMap((firmware) =>
  KILL_STAGES.filter((stage) => hasStage(firmware, stage)).map((stage) => [firmware, stage] as const),
);

describe('several boot hosts', () => {
  it.each(FIRMWARE_NAMES)('%s: nobody dies, one host gives one job', async (firmware) => {
    for (const run of await runs(firmware, undefined)) {
      expect(run).toMatchObject({ finished: true, tries: 1, killed: false });
      expect(run.jobs).toHaveLength(1);
      expectOneJob(run);
    }
  });

  it.each(mixes)('%s finishes when its host is killed during %s', async (firmware, stage) => {
    for (const run of await runs(firmware, stage)) {
      expect(run).toMatchObject({ finished: true, killed: true });
      expectOneJob(run);
      // One more press of the key at most; none where the machine can go on by itself.
      expect(run.presses).toBeLessThanOrEqual(1);
      if (stage === 'discovery' || stage === 'kernel' || stage === 'imaging') expect(run.tries).toBe(1);
      if (firmware === 'edk2') expect(run.presses).toBe(0);
      // Nobody knows yet that the first in rank is dead: the next one still speaks while iPXE listens.
      if (stage === 'discovery') expect(run.offeredMs).toBeLessThan(TURN_MS * 2 + 50);
    }
  });

  it('never start two jobs, however many of their words and of the datagrams get lost', async () => {
    const mixes = fc.record({
      seed: fc.nat(),
      firmware: fc.constantFrom(...FIRMWARE_NAMES),
      stage: fc.constantFrom(undefined, ...KILL_STAGES),
      wordLoss: fc.constantFrom(0, 0.5, 1),
      weather: fc.record({
        loss: fc.constantFrom(0, 0.05, 0.1),
        doubles: fc.constantFrom(0, 0.1),
        jitterMs: fc.constantFrom(5, 100),
      }),
    });
    const counts = { finished: 0, twoHosts: 0 };
    await fc.assert(
      fc.asyncProperty(mixes, async (mix) => {
        const run = await bootWithKill(mix);
        expect(run.wipes).toBeLessThanOrEqual(1);
        if (!run.finished) return;
        counts.finished += 1;
        expectOneJob(run);
        // Another host only takes the same work over, and only when the first one is dead.
        if (run.jobs.length > 1) {
          counts.twoHosts += 1;
          expect(run.killed).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
    expect(counts.finished).toBeGreaterThan(40);
    expect(counts.twoHosts).toBeGreaterThan(0);
  });
});
