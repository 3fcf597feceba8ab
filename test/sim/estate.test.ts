// Kinds of sites: what is wrong in a description is named, parts of a long image foretell the whole, a parent is shared.
import { describe, expect, it } from 'vitest';
import { isPeerbootError } from '../../src/base/errors.ts';
import { runEstate } from '../../src/sim/estate.ts';
import { realParts } from '../../src/sim/parts.ts';
import { parseTopology } from '../../src/sim/topology.ts';

const shop = { name: 'shop', sites: 10, targets: 4, wanMbit: 100, lanMbit: 100 };
const image = { storedGB: 0.12 };

function refusal(value: unknown): string {
  try {
    parseTopology(value);
  } catch (error) {
    if (isPeerbootError(error, 'PB-TOPOLOGY-INVALID')) return error.message;
  }
  return 'accepted';
}

describe('a description', () => {
  it.each([
    [{ image, kinds: [] }, 'kinds'],
    [{ image, kinds: [{ ...shop, wanMbit: -1 }] }, 'kinds.0.wanMbit'],
    [{ image, kinds: [{ ...shop, wanMbps: 1 }] }, 'wanMbps'],
    [{ image, kinds: [shop, shop] }, 'two kinds are called shop'],
    [{ image, kinds: [{ ...shop, parent: 'office' }] }, 'its parent office is no kind'],
    [{ image, kinds: [{ ...shop, preseeded: 2 }] }, 'more peers are preseeded'],
    ['text', 'the file'],
  ])('%j is refused', (value, what) => expect(refusal(value)).toContain(what));
});

describe('an estate', () => {
  const run = (value: unknown) => runEstate(parseTopology(value), realParts(), 1);

  it('takes about the time of the bytes, crosses once a site, and beats the CDN', () => {
    const { kinds, endpoints, sites, originBytes } = run({ image, kinds: [shop] });
    const [result] = kinds;
    const idealMs = 120_000_000 / 12_500;
    expect([endpoints, sites]).toEqual([50, 10]);
    expect((result?.lastMs ?? 0) / idealMs).toBeGreaterThan(1);
    expect((result?.lastMs ?? 0) / idealMs).toBeLessThan(1.1);
    expect(originBytes / 1_200_000_000).toBeCloseTo(1, 3);
    expect(result?.cdnMs).toBeCloseTo(4 * idealMs, 0);
  });

  it('a part of a long image foretells the whole', () => {
    const whole = run({ image: { storedGB: 0.6 }, kinds: [shop] }).kinds[0];
    const many = Array.from({ length: 400 }, (_, i) => ({
      ...shop,
      name: `shop ${i}`,
      wanDelayMs: i === 0 ? 20 : 21,
    }));
    const part = run({ image: { storedGB: 0.6 }, kinds: many }).kinds[0];
    expect(part?.chunksRun).toBeLessThan(whole?.chunksRun ?? 0);
    expect((part?.lastMs ?? 0) / (whole?.lastMs ?? 1)).toBeCloseTo(1, 1);
  });

  it('branches share the uplink of their office', () => {
    const office = { name: 'office', targets: 1, preseeded: 1, wanMbit: 1000, uplinkMbit: 200 };
    const branch = { ...shop, parent: 'office' };
    const [, result] = run({ image, kinds: [office, branch] }).kinds;
    expect((result?.lastMs ?? 0) / 1000).toBeGreaterThan(48);
  });
});
