// Every emulated firmware on a virtual store network with our real services: it boots, or the doctor's verdict is right.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Verdict } from '../../../src/boot/verdict.ts';
import { FIRMWARE_NAMES, type FirmwareName } from '../../../src/sim/firmware/names.ts';
import { bootSite, type SiteSpec, STRAY } from '../../support/boot-site.ts';

describe('a quiet network', () => {
  it.each(FIRMWARE_NAMES)('%s reaches the agent', async (firmware) => {
    const { outcome, verdict } = await bootSite({ seed: 1, firmware, store: {} });
    expect(outcome?.kind).toBe('agent');
    expect(verdict).toBe('booted');
  });
});

const STORES: Readonly<Record<string, SiteSpec['store']>> = {
  plain: {},
  'slow to offer': { offerDelayMs: 3_000 },
  'names a file, no option 60': { boot: { file: 'old/pxelinux.0' } },
  'claims option 60': { boot: { vendorClass: 'PXEClient' } },
  'claims option 60 and names a file': { boot: { vendorClass: 'PXEClient', file: 'old/pxelinux.0' } },
  'claims option 60 with 43': {
    boot: { vendorClass: 'PXEClient', file: 'old/pxelinux.0', vendorOptions: Uint8Array.of(6, 1, 8, 255) },
  },
  none: undefined,
};

type StoreName = keyof typeof STORES;

const mixes = fc.record({
  seed: fc.nat(),
  firmware: fc.constantFrom(...FIRMWARE_NAMES),
  store: fc.constantFrom(...Object.keys(STORES)),
  stray: fc.option(
    fc.record({ form: fc.constantFrom('binl' as const, 'file' as const), answers: fc.boolean() }),
    { nil: undefined },
  ),
  relay: fc.constantFrom(undefined, 'whole' as const, 'deaf' as const),
  peers: fc.constantFrom(1 as const, 2 as const),
  weather: fc.record({
    loss: fc.constantFrom(0, 0, 0.02, 0.1, 0.3),
    doubles: fc.constantFrom(0, 0.05),
    jitterMs: fc.constantFrom(0, 5, 100),
  }),
});

interface Mix extends Omit<SiteSpec, 'store'> {
  readonly store: StoreName;
}

/** Nothing on this network keeps the machine from booting. */
function mustBoot({ firmware, store, stray, relay }: Mix): boolean {
  if (stray !== undefined || relay === 'deaf') return false;
  if (store === 'plain' || store === 'slow to offer') return true;
  // Shim takes its folder from the store's own ACK when that names a file; the others prefer the proxy.
  return store === 'names a file, no option 60' && firmware !== 'shim';
}

/** Those whose own DHCP decides by option 60 of whoever gives the address. */
const FOLLOWS_OPTION_60: readonly FirmwareName[] = ['edk2', 'edk2-2016', 'bios', 'shim'];

/** The firmware, or the iPXE that it loaded, got no address. */
const NO_ADDRESS: readonly string[] = ['PXE-E16', 'PXE-E51', 'HTTP-NO-OFFER', 'NO-CONFIGURATION'];

/** What the doctor may say when it did not boot. */
function rightVerdicts({ firmware, store, weather }: Mix, code: string): readonly Verdict[] {
  if (store === 'none') return ['no-address'];
  const isCertain = weather?.loss === 0;
  if (isCertain && store.startsWith('claims') && FOLLOWS_OPTION_60.includes(firmware)) {
    return ['other-dhcp-claims-option-60'];
  }
  // Strays and deaf relays: what was offered does not answer, or nobody of ours was ever heard.
  const others: Verdict[] = ['firewall', 'unknown', 'relay-missing', 'other-dhcp-claims-option-60'];
  if (isCertain) return others;
  return [
    ...others,
    'nbp-aborted',
    'never-asked-4011',
    ...(NO_ADDRESS.includes(code) ? (['no-address'] as const) : []),
  ];
}

it('in every mix of firmware, stray, relay, loss and responders it boots, or the verdict is right', async () => {
  const counts = { booted: 0, failed: 0 };
  await fc.assert(
    fc.asyncProperty(mixes, async (mix) => {
      const { outcome, verdict } = await bootSite({ ...mix, store: STORES[mix.store] });
      if (outcome?.kind === 'agent') {
        counts.booted += 1;
        expect(verdict).toBe('booted');
        return;
      }
      counts.failed += 1;
      expect(outcome?.kind).toBe('failed');
      if (mustBoot(mix)) expect(mix.weather.loss).toBeGreaterThan(0);
      const code = outcome?.kind === 'failed' ? outcome.code : '';
      expect(rightVerdicts(mix, code)).toContain(verdict);
    }),
    { numRuns: 400 },
  );
  // Both must happen, or it proves nothing.
  expect(Math.min(counts.booted, counts.failed)).toBeGreaterThan(40);
});

it('a machine that is switched on again comes through a tenth of loss', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.constantFrom(...FIRMWARE_NAMES), async (seed, firmware) => {
      for (let time = 0; time < 8; time++) {
        const spec = { seed: seed + time, firmware, store: {}, weather: { loss: 0.1 } };
        if ((await bootSite(spec)).outcome?.kind === 'agent') return;
      }
      throw new Error('eight times in vain');
    }),
    { numRuns: 60 },
  );
});

describe('who gets the machine', () => {
  const stray = { form: 'file', answers: false } as const;

  it("EDK2 of today follows a stray's option 43, that of 2016 throws it away and boots from us", async () => {
    const today = await bootSite({ seed: 3, firmware: 'edk2', store: {}, stray });
    expect(today.outcome).toMatchObject({ kind: 'failed', code: 'PXE-E18' });
    expect(today.verdict).toBe('firewall');
    expect(today.attempts.at(-1)?.evidence.join()).toContain(STRAY);
    // The iPXE that it loads hears the stray, too, and takes whoever is first.
    const ours = await bootSite({ seed: 3, firmware: 'edk2-2016', store: {}, stray });
    expect(ours.machine.way.find(({ stage }) => stage === 'nbp')?.what).toBe('snponly.efi');
  });

  it('EDK2 asks one silent BINL server after the other, and boots from the one that answers', async () => {
    const dead = { form: 'binl', answers: false } as const;
    for (const seed of [1, 2, 3, 4]) {
      const { machine } = await bootSite({ seed, firmware: 'edk2', store: {}, stray: dead });
      expect(machine.way.find(({ stage }) => stage === 'nbp')?.what).toBe('snponly.efi');
    }
  });

  it("a store that still names an old boot file leads shim's second stage astray by TFTP", async () => {
    const store = { boot: { file: 'old/pxelinux.0' } };
    const { outcome } = await bootSite({ seed: 1, firmware: 'shim', store });
    expect(outcome).toMatchObject({ kind: 'failed', code: 'SECOND-STAGE' });
  });
});
