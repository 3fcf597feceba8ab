// Who crosses the WAN: all agree, whatever the order in which they see each other, and little moves when one comes or goes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { type Candidate, designated, rankByWeight, rankForWan } from '../../src/swarm/election.ts';
import { mix } from '../../src/swarm/mix.ts';
import { linePeers, mayServe, peersBefore } from '../../src/swarm/peers.ts';
import { type SitePeer, TAGS, UNFIT_REASONS } from '../../src/swarm/site.ts';
import { BeaconWorld, IDLE } from './beacon-world.ts';

const IMAGE = '0123456789abcdef';

function peer(id: string, change: Partial<Candidate> = {}): Candidate {
  return { id, role: 'peer', tags: [], unfit: [], ...change };
}

const ids = (count: number) => Array.from({ length: count }, (_, i) => i.toString(16).padStart(16, '0'));

const candidates = fc.uniqueArray(
  fc.record({
    id: fc.constantFrom(...ids(40)),
    role: fc.constantFrom('peer' as const, 'target' as const),
    tags: fc.subarray([TAGS.wanPrefer, TAGS.wanForbid, 'till'] as string[]),
    unfit: fc.subarray([...UNFIT_REASONS]),
  }),
  { selector: ({ id }) => id, minLength: 1, maxLength: 20 },
);

describe('designated peer', () => {
  it('is the same in whatever order they are seen', () => {
    fc.assert(
      fc.property(candidates, fc.infiniteStream(fc.nat()), (all, order) => {
        const shuffled = all
          .map((one) => ({ one, key: order.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ one }) => one);
        expect(designated('shop', IMAGE, shuffled)).toBe(designated('shop', IMAGE, all));
      }),
    );
  });

  it('stays when another one goes, and a newcomer takes over for itself alone', () => {
    fc.assert(
      fc.property(candidates, fc.nat(), (all, n) => {
        const gone = all[n % all.length] as Candidate;
        const before = designated('shop', IMAGE, all);
        const rest = all.filter((one) => one !== gone);
        const after = designated('shop', IMAGE, rest);
        if (before !== gone.id) expect(after).toBe(before);
      }),
    );
  });

  it.each<[string, readonly Candidate[], string | undefined]>([
    ['nobody', [], undefined],
    ['a target when it is alone', [peer('b', { role: 'target' })], 'b'],
    ['a peer before a target', [peer('a'), peer('b', { role: 'target' })], 'a'],
    ['who is preferred before others', [peer('a'), peer('b', { tags: [TAGS.wanPrefer] }), peer('c')], 'b'],
    ['nobody who is forbidden to', [peer('a', { tags: [TAGS.wanForbid] })], undefined],
    ['an unfit one only when alone', [peer('a', { unfit: ['battery'] })], 'a'],
    [
      'a fit one before one that is preferred, but unfit',
      [peer('a', { tags: [TAGS.wanPrefer], unfit: ['metered'] }), peer('b')],
      'b',
    ],
    [
      'an unfit peer before a fit target, so that pausing all peers pauses the site',
      [peer('a', { unfit: ['paused'] }), peer('b', { role: 'target' })],
      'a',
    ],
    [
      'a busy one before one whose way out is down',
      [peer('a', { unfit: ['wan-down'] }), peer('b', { role: 'target', unfit: ['busy'] })],
      'b',
    ],
    [
      'a forbidding tag beats a preferring one',
      [peer('a', { tags: [TAGS.wanPrefer, TAGS.wanForbid] }), peer('b')],
      'b',
    ],
  ])('is %s', (_, all, expected) => {
    expect(designated('shop', IMAGE, all)).toBe(expected);
  });

  it('is called the same by digest and by image key, and differs by site and image', () => {
    const all = ids(30).map((id) => peer(id));
    expect(designated('shop', `sha256:${IMAGE}${'0'.repeat(48)}`, all)).toBe(designated('shop', IMAGE, all));
    const winners = new Set(ids(50).map((image) => designated('shop', image, all)));
    expect(winners.size).toBeGreaterThan(15);
    expect(new Set(ids(50).map((site) => designated(site, IMAGE, all))).size).toBeGreaterThan(15);
  });

  it('falls on each of 16 peers alike', () => {
    const all = ids(16).map((id) => peer(id));
    const wins = new Map<string | undefined, number>();
    for (let i = 0; i < 16_000; i++) {
      const winner = designated('shop', i.toString(16).padStart(16, '0'), all);
      wins.set(winner, (wins.get(winner) ?? 0) + 1);
    }
    // 1,000 each, give or take four standard deviations (31).
    for (const count of wins.values()) expect(Math.abs(count - 1_000)).toBeLessThan(125);
    expect(wins.size).toBe(16);
  });
});

describe('ranking', () => {
  it('starts with the designated one among equals, and losing one moves nobody else', () => {
    const all = ids(20).map((id) => peer(id));
    const ranked = rankByWeight('shop', IMAGE, all);
    expect(ranked[0]?.id).toBe(designated('shop', IMAGE, all));
    const without = rankByWeight(
      'shop',
      IMAGE,
      all.filter((one) => one !== ranked[3]),
    );
    expect(without).toEqual(ranked.filter((_, i) => i !== 3));
  });
});

describe('mix', () => {
  it('flips half of its bits when one character changes', () => {
    let flipped = 0;
    const bits = (value: number) => value.toString(2).replaceAll('0', '').length;
    for (let i = 0; i < 2_000; i++) {
      const a = mix(`peer ${i}`);
      const b = mix(`peer ${i + 1}`);
      flipped += bits((a.high ^ b.high) >>> 0) + bits((a.low ^ b.low) >>> 0);
    }
    expect(flipped / 2_000).toBeGreaterThan(31);
    expect(flipped / 2_000).toBeLessThan(33);
  });

  it('gives 200,000 texts different numbers in each half', () => {
    const high = new Set<number>();
    const pairs = new Set<string>();
    for (let i = 0; i < 200_000; i++) {
      const { high: one, low } = mix(i.toString(36));
      high.add(one);
      pairs.add(`${one} ${low}`);
    }
    expect(pairs.size).toBe(200_000);
    // As many as chance brings together: n²/2³³ is 4.7.
    expect(200_000 - high.size).toBeLessThan(20);
  });
});

describe('the peers of an image', () => {
  it('says what each holds of it, whether it may serve, and whether it crosses the WAN', () => {
    const world = new BeaconWorld();
    const [a] = world.start(1);
    const b = world.seat({
      holdings: [{ image: IMAGE, held: 3, of: 9 }],
      unfit: ['wan-down'],
      freeUplinkBytesPerSecond: 1_000_000,
      crossing: [IMAGE],
    });
    const c = world.seat({ ...IDLE, role: 'target', unfit: ['battery'] });
    for (const seat of [b, c]) world.step(seat, { kind: 'start' });
    world.run(500);
    expect(linePeers(a?.machine.peers() ?? [], IMAGE, 9, undefined)).toEqual([
      {
        id: b.machine.self,
        ...b.endpoint,
        role: 'peer',
        held: 3,
        freeUplinkBytesPerSecond: 1_000_000,
        fit: true,
        crosses: true,
      },
      {
        id: c.machine.self,
        ...c.endpoint,
        role: 'target',
        held: 0,
        freeUplinkBytesPerSecond: 0,
        fit: false,
        crosses: false,
      },
    ]);
  });

  it('lets unfit ones serve where nobody else can, but never one that is leaving', () => {
    const holds = { port: 8068, address: '10.77.0.2' as Ipv4, ...IDLE };
    const busy: SitePeer = {
      ...holds,
      id: 'a',
      holdings: [{ image: IMAGE, held: 9, of: 9 }],
      unfit: ['busy'],
    };
    const leaving: SitePeer = { ...busy, id: 'b', unfit: ['leaving'] };
    const idle: SitePeer = { ...holds, id: 'c', holdings: [], unfit: [] };
    const serving = (peers: SitePeer[], elected?: string) =>
      linePeers(peers, IMAGE, 9, elected).flatMap((one) => (one.fit ? [one.id] : []));
    expect(serving([busy, leaving, idle])).toEqual(['a', 'c']);
    expect(serving([busy, leaving, idle], 'c')).toEqual(['c']);
    expect(serving([busy, leaving, { ...busy, id: 'd', unfit: [] }])).toEqual(['d']);
  });

  it('names those with content that cross the WAN before us, all of them when we may not cross', () => {
    const others = ['a', 'b', 'c'].map(
      (id): SitePeer => ({
        ...{ port: 8068, address: '10.77.0.2' as Ipv4, ...IDLE, id },
        httpPort: id === 'c' ? 0 : 8067,
      }),
    );
    const self = { id: 'z', role: 'peer', tags: [], unfit: [] } as const;
    const digest = `sha256:${'0'.repeat(64)}` as const;
    const ranking = rankForWan('shop', digest, [self, ...others]).map(({ id }) => id);
    const expected = ranking.slice(0, ranking.indexOf('z')).filter((id) => id !== 'c');
    expect(peersBefore('shop', digest, self, others).map(({ id }) => id)).toEqual(expected);
    const forbidden = { ...self, tags: [TAGS.wanForbid] };
    expect(
      peersBefore('shop', digest, forbidden, others)
        .map(({ id }) => id)
        .sort(),
    ).toEqual(['a', 'b']);
  });

  it('lets only those serve whom nothing but their own way out troubles', () => {
    expect(UNFIT_REASONS.filter((reason) => mayServe([reason]))).toEqual(['wan-down', 'slow']);
  });
});
