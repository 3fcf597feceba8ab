// The datagrams of presence: what is said is what is heard, and nonsense is only ever an error.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WireError } from '../../src/base/errors.ts';
import { randomInt, seededRandom } from '../../src/base/random.ts';
import {
  announcedUplink,
  boundFacts,
  decodeBeacon,
  encodeBeacon,
  MOST_BEACON_BYTES,
  type SiteBeacon,
  siteHash,
} from '../../src/swarm/beacon-codec.ts';
import { facts, siteBeacon } from './beacon-messages.ts';
import { IDLE } from './beacon-world.ts';

const BEAT: SiteBeacon = {
  site: 0x01020304,
  beacon: {
    kind: 'beat',
    id: '00112233445566ff',
    instance: 5,
    revision: 6,
    freeUplinkBytesPerSecond: 700_000,
    direct: true,
  },
};

describe('beacon codec', () => {
  it('lays a heartbeat out in 24 bytes', () => {
    expect(Buffer.from(encodeBeacon(BEAT)).toString('hex')).toBe(
      '5042' + '01' + '11' + '01020304' + '00112233445566ff' + '00000005' + '0006' + '0007',
    );
  });

  it('decodes what it encodes, in one datagram', () => {
    fc.assert(
      fc.property(siteBeacon, (said) => {
        const bytes = encodeBeacon(said);
        expect(bytes.length).toBeLessThanOrEqual(MOST_BEACON_BYTES);
        expect(decodeBeacon(bytes)).toEqual(said);
      }),
      { numRuns: 500 },
    );
  });

  it('bounds an announcement once and for all, and keeps what matters most', () => {
    fc.assert(
      fc.property(facts, (said) => {
        const bounded = boundFacts(said);
        expect(boundFacts(bounded)).toEqual(bounded);
      }),
    );
    const image = (n: number) => n.toString(16).padStart(16, '0');
    const whole = Array.from({ length: 200 }, (_, i) => ({ image: image(i), held: 9, of: 9 }));
    const { holdings } = boundFacts({
      ...IDLE,
      holdings: [...whole, { image: image(500), held: 0, of: 9 }, { image: image(501), held: 1, of: 9 }],
    });
    expect(holdings[0]?.image).toBe(image(501));
    expect(holdings[1]?.image).toBe(image(0));
    expect(holdings.length).toBeGreaterThan(60);
    expect(holdings.map((one) => one.image)).not.toContain(image(500));
  });

  it('rounds a small uplink up, since 0 means unknown', () => {
    expect([0, 1, 100_000, 100_001, 1e12].map(announcedUplink)).toEqual([
      0, 100_000, 100_000, 200_000, 6_553_500_000,
    ]);
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a heartbeat cut off', Buffer.from(encodeBeacon(BEAT)).subarray(0, 23)],
    ['a heartbeat and a byte', Buffer.concat([encodeBeacon(BEAT), Buffer.alloc(1)])],
    ['another version', changed(2, 2)],
    ['another magic', changed(0, 0)],
    ['an unknown kind', changed(3, 0x0f)],
    ['an answer to nobody', changed(3, 0x07)],
    ['a suspicion of nobody', changed(3, 0x06)],
    ['a flag that means nothing', changed(3, 0x81)],
  ])('takes %s for an error', (_, bytes) => {
    expect(decodeBeacon(bytes)).toBeInstanceOf(WireError);
  });

  it.each([
    ['a role that is none', { at: 24, value: 9 }],
    ['an unknown reason to be unfit', { at: 25, value: 0xff }],
    ['no port for lines', { at: 29, value: 0 }],
    ['more tags than allowed', { at: 30, value: 17 }],
    ['a tag longer than the datagram', { at: 31, value: 63 }],
    ['a tag with a control character', { at: 32, value: 10 }],
    ['more images being fetched than there is room', { at: 34, value: 5 }],
    ['more holdings than there is room', { at: 35, value: 1 }],
  ])('takes an announcement with %s for an error', (_, { at, value }) => {
    const bytes = encodeBeacon({
      ...BEAT,
      beacon: {
        ...BEAT.beacon,
        kind: 'announcement',
        wants: false,
        sitePort: 7,
        facts: { ...IDLE, tags: ['ab'] },
      },
    });
    expect(decodeBeacon(bytes)).not.toBeInstanceOf(WireError);
    bytes[at] = value;
    expect(decodeBeacon(bytes)).toBeInstanceOf(WireError);
  });

  it('survives 100,000 mutated datagrams, and what it takes for valid is said the same way again', () => {
    const random = seededRandom(3);
    const samples = fc.sample(siteBeacon, { numRuns: 100, seed: 1 }).map(encodeBeacon);
    let valid = 0;
    for (let i = 0; i < 100_000; i++) {
      const decoded = decodeBeacon(mutate(samples[i % samples.length] as Uint8Array));
      if (decoded instanceof WireError) continue;
      valid += 1;
      const again = encodeBeacon(decoded);
      if (i % 50 === 0) expect(decodeBeacon(again)).toEqual(decoded);
    }
    expect(valid).toBeGreaterThan(10_000);
    expect(valid).toBeLessThan(90_000);

    function mutate(bytes: Uint8Array): Uint8Array {
      const copy = bytes.slice(0, random.next() < 0.1 ? randomInt(random, bytes.length + 1) : bytes.length);
      for (let n = randomInt(random, 3); n >= 0 && copy.length > 0; n--)
        copy[randomInt(random, copy.length)] = randomInt(random, 256);
      return copy;
    }
  });

  it('tells sites apart', () => {
    const hashes = new Set(Array.from({ length: 2_000 }, (_, i) => siteHash(`shop-${i}`)));
    expect(hashes.size).toBe(2_000);
  });
});

function changed(at: number, value: number): Uint8Array {
  const bytes = encodeBeacon(BEAT);
  bytes[at] = value;
  return bytes;
}
