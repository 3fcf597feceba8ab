// A switch port with spanning tree, silent for a while after power-on: who still boots, who gives up, and what the doctor can know of it.
import { describe, expect, it } from 'vitest';
import { FIRMWARE_NAMES, type FirmwareName } from '../../../src/sim/firmware/names.ts';
import { bootSite } from '../../support/boot-site.ts';

/** Seconds after power-on at which each asks for the last time. */
const LAST_ASKED_S: Readonly<Record<FirmwareName, number>> = {
  edk2: 28,
  'edk2-2016': 28,
  shim: 28,
  httpboot: 28,
  bios: 28,
  // 0, 1, 3 and 7 s; then it waits for 8 s.
  ipxe: 7,
};

describe.each(FIRMWARE_NAMES)('%s', (firmware) => {
  const lastMs = LAST_ASKED_S[firmware] * 1000;

  it('boots when its last question gets through', async () => {
    const { outcome, verdict } = await bootSite({ seed: 1, firmware, store: {}, silentMs: lastMs - 500 });
    expect(outcome?.kind).toBe('agent');
    expect(verdict).toBe('booted');
  });

  it('has given up when 30 s are over, and nobody has heard of it', async () => {
    const { outcome, attempts } = await bootSite({ seed: 1, firmware, store: {}, silentMs: 30_000 });
    expect(outcome?.kind).toBe('failed');
    expect(attempts).toEqual([]);
  });

  it('without a DHCP server is told as having no address, also when it is heard late', async () => {
    const { attempts } = await bootSite({ seed: 1, firmware, silentMs: lastMs - 500 });
    expect(attempts.map(({ verdict }) => verdict)).toEqual(['no-address']);
  });
});

it('iPXE that is heard late says so itself, and the remedy names the switch', async () => {
  const late = await bootSite({ seed: 1, firmware: 'ipxe', silentMs: 5_000 });
  expect(late.attempts[0]?.evidence.join()).toContain('it had asked before, unheard (3 times)');
  expect(late.attempts[0]?.remedy).toContain('spanning tree');
  const atOnce = await bootSite({ seed: 1, firmware: 'ipxe' });
  expect(atOnce.attempts[0]?.evidence.join()).not.toContain('unheard');
});
