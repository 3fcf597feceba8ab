// Machines that take offers in one dialect only: the retry saves them, the memory spares the next one the retry, and nobody else is hurt.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FirmwareFacts } from '../../../src/api/firmware.ts';
import type { Dialect } from '../../../src/boot/quirks.ts';
import type { Weather } from '../../../src/sim/firmware/lan.ts';
import { FIRMWARE_NAMES } from '../../../src/sim/firmware/names.ts';
import { bootSite, type SiteRun, type SiteSpec } from '../../support/boot-site.ts';
import { firmwareMind, taughtMind } from '../../support/firmware-mind.ts';

const boot = (spec: Partial<SiteSpec>) => bootSite({ seed: 1, firmware: 'edk2', store: {}, ...spec });

/** When the firmware had its address: 4 s after power-on, if the first offers were to its taste. */
const addressAt = ({ machine }: SiteRun) => machine.way.find(({ stage }) => stage === 'address')?.atMs ?? 0;
const isSaved = (run: SiteRun) => {
  expect(run.outcome?.kind).toBe('agent');
  return addressAt(run) > 10_000;
};

const VENDORS: readonly (readonly [string, 'edk2' | 'bios', Dialect])[] = [
  ['UEFI that wants option 43', 'edk2', 'offered-file'],
  ['a ROM that wants to ask port 4011', 'bios', 'binl'],
];

describe.each(VENDORS)('%s', (_, firmware, takesOnly) => {
  it.each([true, false])(
    'boots in its first attempt, when we hear the store’s offers: %s',
    async (hears68) => {
      const run = await boot({ firmware, takesOnly, hears68 });
      expect(isSaved(run)).toBe(true);
      const evidence = run.attempts.flatMap((attempt) => attempt.evidence).join('; ');
      expect(evidence).toMatch(/offered (snponly.efi|undionly.kpxe) in the other dialect/);
    },
  );

  it('boots without a retry the second time, and so does the second machine of its make', async () => {
    const minds = [firmwareMind()];
    expect(isSaved(await boot({ firmware, takesOnly, minds }))).toBe(true);
    expect(isSaved(await boot({ firmware, takesOnly, minds }))).toBe(false);
    expect(isSaved(await boot({ firmware, takesOnly, minds, number: 2 }))).toBe(false);
    expect(minds[0]?.memory.dialectOf(['52:54:00:77:00:02'])).toEqual({
      dialect: takesOnly,
      reason: 'remembered',
      machines: 1,
    });
    expect(minds[0]?.kept().dialects).toMatchObject([{ dialect: takesOnly, machines: 2 }]);
  });

  it('boots without a retry after the boot host was restarted, and from another one', async () => {
    const first = firmwareMind();
    await boot({ firmware, takesOnly, minds: [first] });
    const restarted = firmwareMind({ store: { load: first.kept, save() {} } });
    expect(isSaved(await boot({ firmware, takesOnly, minds: [restarted] }))).toBe(false);
    const other = await taughtMind(first.memory.facts());
    expect(isSaved(await boot({ firmware, takesOnly, minds: [other] }))).toBe(false);
  });

  it('does not change how others of its kind are answered', async () => {
    const minds = [firmwareMind()];
    await boot({ firmware, takesOnly, minds });
    expect(isSaved(await boot({ firmware, minds, number: 2 }))).toBe(false);
  });
});

it('a memory that is wrong costs the machine a retry, and is mended by two machines', async () => {
  const teacher = firmwareMind();
  await boot({ firmware: 'edk2', takesOnly: 'offered-file', minds: [teacher] });
  const [row] = teacher.kept().dialects;
  expect(row?.dialect).toBe('offered-file');
  // The same words on the wire, but this build takes the other dialect alone.
  const minds = [firmwareMind({ store: { load: teacher.kept, save: () => {} } })];
  for (const [number, saved] of [
    [1, true],
    [2, true],
    [3, false],
  ] as const) {
    const run = await boot({ firmware: 'edk2', takesOnly: 'binl', minds, number });
    expect([number, isSaved(run)]).toEqual([number, saved]);
  }
});

it('a store whose DHCP server is slow makes nobody doubt a dialect that has booted machines', async () => {
  for (const firmware of ['edk2', 'edk2-2016', 'bios'] as const) {
    const minds = [firmwareMind()];
    await boot({ firmware, minds });
    for (const number of [2, 3, 4]) {
      // So slow that even a remembered dialect is not told a third time.
      const slow = await boot({ firmware, minds, number, store: { offerDelayMs: 13_000 } });
      expect(slow.outcome?.kind).toBe('agent');
    }
    expect(minds[0]?.kept().dialects).toMatchObject([
      { dialect: firmware === 'bios' ? 'offered-file' : 'binl' },
    ]);
  }
});

const trouble = fc.record({
  seed: fc.nat(),
  firmware: fc.constantFrom(...FIRMWARE_NAMES),
  taste: fc.constantFrom(undefined, undefined, 'binl' as const, 'offered-file' as const),
  hears68: fc.boolean(),
  offerDelayMs: fc.constantFrom(0, 1_000, 3_000, 5_000, 9_000),
  peers: fc.constantFrom(1 as const, 2 as const),
  weather: fc.constantFrom({}, { loss: 0.02 }, { doubles: 0.3 }, { jitterMs: 100 }) as fc.Arbitrary<Weather>,
  remembered: fc.constantFrom(undefined, 'binl' as const, 'offered-file' as const),
});

it('whatever is remembered, whoever is slow, and whichever dialect is refused: it boots in this attempt', async () => {
  let lost = 0;
  await fc.assert(
    fc.asyncProperty(trouble, async ({ taste, remembered, offerDelayMs, ...mix }) => {
      const canRefuse = mix.firmware === 'edk2' || mix.firmware === 'bios';
      const takesOnly = canRefuse ? taste : undefined;
      const facts = await factsOf(mix.firmware, takesOnly, remembered);
      const minds = [await taughtMind(facts), await taughtMind(facts)];
      const { outcome } = await bootSite({ ...mix, takesOnly, minds, store: { offerDelayMs } });
      if (outcome?.kind === 'agent') return;
      lost += 1;
      expect([mix.weather.loss, outcome]).toEqual([0.02, outcome]);
    }),
    { numRuns: 80 },
  );
  expect(lost).toBeLessThan(10);
});

/** As if other machines of this make had booted by that dialect. */
async function factsOf(
  firmware: SiteSpec['firmware'],
  takesOnly: Dialect | undefined,
  dialect: Dialect | undefined,
): Promise<FirmwareFacts> {
  const scout = firmwareMind();
  if (dialect !== undefined) await boot({ firmware, takesOnly, minds: [scout], number: 9 });
  const { dialects, secureBoot } = scout.memory.facts();
  return { secureBoot, dialects: dialects.map((row) => ({ ...row, dialect: dialect ?? null })) };
}
