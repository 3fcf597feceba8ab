// Beacons of every kind, made up by fast-check.

import fc from 'fast-check';
import { formatMac } from '../../src/base/addresses.ts';
import { type Beacon, boundFacts, MOST_BEACON_BYTES, type SiteBeacon } from '../../src/swarm/beacon-codec.ts';
import { UNFIT_REASONS } from '../../src/swarm/site.ts';

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const id = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const holding = fc
  .record({
    image: id,
    of: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ image, of, part }) => ({ image, of, held: Math.max(1, Math.floor(of * part)) }));

export const facts = fc.record({
  role: fc.constantFrom('peer' as const, 'target' as const),
  httpPort: fc.integer({ min: 0, max: 65_535 }),
  tags: fc.array(fc.string({ maxLength: 80, unit: 'grapheme' }), { maxLength: 20 }),
  holdings: fc.array(holding, { maxLength: MOST_BEACON_BYTES / 8 }),
  unfit: fc.subarray([...UNFIT_REASONS]),
  crossing: fc.array(id, { maxLength: 20 }),
});

const stamp = fc.record({
  id,
  instance: u32,
  revision: fc.integer({ min: 0, max: 65_535 }),
  freeUplinkBytesPerSecond: fc.integer({ min: 0, max: 65_535 }).map((units) => units * 100_000),
  direct: fc.boolean(),
});

const short = fc
  .tuple(stamp, fc.constantFrom('beat' as const, 'probe' as const, 'ask' as const, 'goodbye' as const))
  .map(([common, kind]): Beacon => ({ ...common, kind }));

const suspicion = fc
  .tuple(stamp, id)
  .map(([common, subject]): Beacon => ({ ...common, kind: 'suspicion', subject }));

const answered = fc
  .tuple(stamp, fc.uint8Array({ minLength: 6, maxLength: 6 }), u32)
  .map(([common, mac, xid]): Beacon => ({ ...common, kind: 'answered', mac: formatMac(mac), xid }));

const announcement = fc.tuple(stamp, fc.boolean(), fc.integer({ min: 1, max: 65_535 }), facts).map(
  ([common, wants, sitePort, said]): Beacon => ({
    ...common,
    kind: 'announcement',
    wants,
    sitePort,
    facts: boundFacts(said),
  }),
);

export const siteBeacon: fc.Arbitrary<SiteBeacon> = fc.record({
  site: u32,
  beacon: fc.oneof(short, suspicion, answered, announcement),
});
