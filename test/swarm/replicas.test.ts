// Replicas: the count is reached when there is room, one leaving moves only its own, the last copy is never dropped.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HeldContent, wishesOf } from '../../src/swarm/replica-wishes.ts';
import {
  decide,
  isOwnTag,
  type Keeper,
  keeperOf,
  keepersOf,
  type ReplicaWish,
  Roster,
  replicaTags,
} from '../../src/swarm/replicas.ts';

const IMAGE = '00112233445566aa';
const MIB = 1 << 20;

const keeper = (change: Partial<Keeper> & { id: string }): Keeper => ({
  tags: [],
  fit: true,
  roomBytes: 1000 * MIB,
  whole: new Set(),
  filling: undefined,
  ...change,
});
const wish = (change: Partial<ReplicaWish> = {}): ReplicaWish => ({
  image: IMAGE,
  storedBytes: 100 * MIB,
  count: 2,
  ...change,
});

const peers = fc
  .uniqueArray(
    fc.record({
      id: fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 16, maxLength: 16 }),
      tags: fc.subarray(['boot-host']),
      fit: fc.boolean(),
      roomBytes: fc.integer({ min: 0, max: 200 }).map((mib) => mib * MIB),
      whole: fc.boolean().map((whole) => (whole ? new Set([IMAGE]) : new Set<string>())),
      filling: fc.constantFrom(undefined, IMAGE),
    }),
    { selector: ({ id }) => id, minLength: 1, maxLength: 12 },
  )
  .map((list) => list.map((one): Keeper => one));
const counts = fc.integer({ min: 1, max: 4 });

describe('who keeps', () => {
  it('as many as wished for whenever so many are able, none that is not', () => {
    fc.assert(
      fc.property(peers, counts, (list, count) => {
        const able = list.filter(
          (one) => one.fit && (one.whole.has(IMAGE) || one.filling === IMAGE || one.roomBytes >= 100 * MIB),
        );
        const keepers = keepersOf('shop', wish({ count }), list);
        expect(keepers.length).toBe(Math.min(count, able.length));
        expect(keepers.every((id) => able.some((one) => one.id === id))).toBe(true);
      }),
    );
  });

  it('one leaving moves only what it kept; all see the same in whatever order', () => {
    fc.assert(
      fc.property(peers, counts, fc.nat(), (list, count, which) => {
        const before = keepersOf('shop', wish({ count }), list);
        const gone = list[which % list.length]?.id;
        const after = keepersOf('shop', wish({ count }), list.filter(({ id }) => id !== gone).reverse());
        expect(before.filter((id) => id !== gone).every((id) => after.includes(id))).toBe(true);
        if (!before.includes(gone ?? '')) expect(after).toEqual(before);
      }),
    );
  });

  it('boot hosts first, then those that have it; a tag is a must', () => {
    const list = [
      keeper({ id: 'a'.repeat(16), whole: new Set([IMAGE]) }),
      keeper({ id: 'b'.repeat(16), tags: ['boot-host'] }),
      keeper({ id: 'c'.repeat(16) }),
    ];
    expect(keepersOf('shop', wish(), list)).toEqual(['b'.repeat(16), 'a'.repeat(16)]);
    expect(keepersOf('shop', wish({ tag: 'boot-host' }), list)).toEqual(['b'.repeat(16)]);
  });

  it('copies of many images spread evenly over many peers', () => {
    const list = Array.from({ length: 10 }, (_, i) => keeper({ id: `${i}`.repeat(16) }));
    const load = new Map<string, number>();
    for (let i = 0; i < 500; i++) {
      const image = i.toString(16).padStart(16, '0');
      for (const id of keepersOf('shop', wish({ image }), list)) load.set(id, (load.get(id) ?? 0) + 1);
    }
    for (const held of load.values()) expect(held).toBeGreaterThan(60);
    expect(load.size).toBe(10);
  });
});

describe('what may go', () => {
  it('is nothing of a peer that neither keeps the image nor has it whole', () => {
    const [a, b] = [keeper({ id: 'a'.repeat(16), whole: new Set([IMAGE]) }), keeper({ id: 'b'.repeat(16) })];
    expect(decide('shop', wish({ count: 1 }), b.id, [a, b])).toEqual({
      image: IMAGE,
      role: 'none',
      copies: 1,
    });
  });

  it('when everybody drops what it takes for spare, the wished copies stay; one stays even if none was wished', () => {
    fc.assert(
      fc.property(peers, fc.integer({ min: 0, max: 4 }), (list, count) => {
        const holders = list.filter((one) => one.whole.has(IMAGE));
        const kept = holders.filter((one) => decide('shop', wish({ count }), one.id, list).role !== 'spare');
        expect(kept.length).toBeGreaterThanOrEqual(Math.min(1, holders.length));
        const able = holders.filter(({ fit }) => fit).length;
        expect(kept.length).toBeGreaterThanOrEqual(Math.min(count, able));
      }),
    );
  });

  it('also when each sees only some of the others, at least the last copy stays', () => {
    fc.assert(
      fc.property(
        peers,
        fc.integer({ min: 0, max: 3 }),
        fc.infiniteStream(fc.boolean()),
        (list, count, sees) => {
          const holders = list.filter((one) => one.whole.has(IMAGE));
          const kept = holders.filter((one) => {
            const view = list.filter((other) => other.id === one.id || sees.next().value === true);
            return decide('shop', wish({ count }), one.id, view).role !== 'spare';
          });
          expect(kept.length).toBeGreaterThanOrEqual(Math.min(1, holders.length));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('who is there', () => {
  it('a silent peer counts for the grace, then no longer', () => {
    const roster = new Roster();
    const [a, b] = [keeper({ id: 'a'.repeat(16) }), keeper({ id: 'b'.repeat(16) })];
    roster.update([a, b], 0);
    expect(roster.update([a], 29_000).length).toBe(2);
    expect(roster.update([a], 31_000).map(({ id }) => id)).toEqual([a.id]);
  });

  it('says its room and what it fills with tags that others read', () => {
    const said = (room: number, filling?: string) =>
      keeperOf({
        id: 'a'.repeat(16),
        tags: ['boot-host', ...replicaTags(room, filling)],
        role: 'peer',
        unfit: [],
        holdings: [{ image: IMAGE, held: 3, of: 3 }],
      } as unknown as Parameters<typeof keeperOf>[0]);
    expect(said(20 * 2 ** 30, IMAGE)).toMatchObject({
      roomBytes: 16 * 2 ** 30,
      filling: IMAGE,
      whole: new Set([IMAGE]),
    });
    expect(said(5 * MIB).roomBytes).toBe(0);
    for (const tag of replicaTags(2 ** 45, IMAGE)) expect(isOwnTag(tag)).toBe(true);
    expect(isOwnTag('boot-host')).toBe(false);
    for (const tag of replicaTags(2 ** 45, IMAGE)) expect(tag).toMatch(/^[a-z0-9][a-z0-9:._-]{0,31}$/);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 45 }), (room) => {
        const told = said(room).roomBytes;
        expect(told).toBeLessThanOrEqual(room);
        if (room >= 16 * MIB) expect(told * 2).toBeGreaterThan(room);
      }),
    );
  });
});

it('a peer that says nothing of its room, or nonsense, counts as able: asking it in vain costs little', () => {
  const roomWith = (...tags: string[]) =>
    keeperOf({ id: 'a'.repeat(16), tags, role: 'peer', unfit: [], holdings: [] } as unknown as Parameters<
      typeof keeperOf
    >[0]).roomBytes;
  expect(roomWith()).toBe(Number.POSITIVE_INFINITY);
  expect(roomWith('room:much')).toBe(Number.POSITIVE_INFINITY);
  expect(roomWith('room:2')).toBe(2 * 2 ** 30);
});

describe('what is wished for', () => {
  const content = (name: string, version: string): HeldContent => ({
    ...{ name, version, storedBytes: 5 },
    manifest: {
      digest: `sha256:${Buffer.from(`${name}${version}`).toString('hex').padStart(64, '0')}`,
      size: 1,
    },
  });
  const all = [content('till', '1'), content('till', '2'), content('kiosk', '1')];
  const find = (reference: string) => {
    const [name, version] = reference.split('@');
    return all
      .filter((one) => one.name === name && (version === undefined || one.version === version))
      .at(-1);
  };
  const wished = (change: Partial<Parameters<typeof wishesOf>[0]>) =>
    wishesOf({ content: all, rules: [], asked: [], assigned: [], bootHost: false, find, ...change }).map(
      (one) => `${one.content.name}@${one.content.version} ${one.count} ${one.why}`,
    );

  it.each<[string, Parameters<typeof wished>[0], string[]]>([
    ['nothing', {}, ['till@1 0 nobody', 'till@2 0 nobody', 'kiosk@1 0 nobody']],
    [
      'the newest of all',
      { rules: [{ image: '*' }] },
      ['till@1 0 nobody', 'till@2 2 rule', 'kiosk@1 2 rule'],
    ],
    [
      'the greatest count',
      { rules: [{ image: 'till' }], asked: [{ image: 'till@2', replicas: 3 }] },
      ['till@1 0 nobody', 'till@2 3 preseed', 'kiosk@1 0 nobody'],
    ],
    [
      'what is assigned, at a boot host',
      { assigned: ['till@1', 'local'], bootHost: true },
      ['till@1 2 assigned', 'till@2 0 nobody', 'kiosk@1 0 nobody'],
    ],
    [
      'a smaller count that came first, then the greater; never back',
      { rules: [{ image: 'till', count: 3 }], asked: [{ image: 'till', replicas: 1 }] },
      ['till@1 0 nobody', 'till@2 3 rule', 'kiosk@1 0 nobody'],
    ],
    ['not elsewhere', { assigned: ['till@1'] }, ['till@1 0 nobody', 'till@2 0 nobody', 'kiosk@1 0 nobody']],
    [
      'what is unknown',
      { asked: [{ image: 'nothing', replicas: 2 }] },
      ['till@1 0 nobody', 'till@2 0 nobody', 'kiosk@1 0 nobody'],
    ],
  ])('%s', (_, change, expected) => {
    expect(wished(change)).toEqual(expected);
  });
});
