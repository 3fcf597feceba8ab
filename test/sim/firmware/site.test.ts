// Every emulated firmware on a virtual store network with our real services: it boots, or the doctor's verdict is right.
import { describe, expect, it } from 'vitest';
import { FIRMWARE_NAMES } from '../../../src/sim/firmware/booting.ts';
import { bootSite } from '../../support/boot-site.ts';

describe('a quiet network', () => {
  it.each(FIRMWARE_NAMES)('%s reaches the agent', async (firmware) => {
    const { outcome, verdict, machine, attempts } = await bootSite({ seed: 1, firmware, store: {} });
    console.log(
      firmware,
      JSON.stringify(outcome)?.slice(0, 300),
      verdict,
      machine.way,
      attempts.map((a) => a.evidence),
    );
    expect(outcome?.kind).toBe('agent');
    expect(verdict).toBe('booted');
  });
});
