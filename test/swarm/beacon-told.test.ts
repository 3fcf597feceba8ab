// Being told of peers that multicast does not reach, and peers with several ways to them.
import { describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import type { Beacon } from '../../src/swarm/beacon-codec.ts';
import { BeaconWorld, IDLE, type Seat, SITE, seen, sees } from './beacon-world.ts';

const both = (a: Seat, b: Seat) => sees(a, b) && sees(b, a);

function toldPair(world: BeaconWorld): [Seat, Seat] {
  const [a, b] = world.start(2) as [Seat, Seat];
  world.at(10, () => world.step(a, { kind: 'tell', where: b.endpoint }));
  return [a, b];
}

function unicasts(seat: Seat, since: number): Beacon[] {
  return seat.log.flatMap(({ at, action }) =>
    at >= since && action.kind === 'unicast' ? [action.beacon] : [],
  );
}

describe('told of an address', () => {
  it('finds it without multicast, and both keep each other', () => {
    const world = new BeaconWorld({ multicast: false });
    const [a, b] = toldPair(world);
    world.run(200);
    expect(both(a, b)).toBe(true);
    world.run(60_000);
    expect(both(a, b)).toBe(true);
    const went = [a, b].flatMap(({ log }) => log.filter(({ action }) => action.kind === 'went'));
    expect(went).toEqual([]);
    const since = world.now;
    world.run(since + 10_000);
    // A beat a second each way, and none of them is probed.
    for (const seat of [a, b]) {
      expect(unicasts(seat, since).filter(({ kind }) => kind === 'probe')).toEqual([]);
      expect(unicasts(seat, since).length).toBeLessThan(13);
    }
  });

  it('changes are said there, too, and a death or a goodbye is noticed', () => {
    const world = new BeaconWorld({ multicast: false });
    const [a, b] = toldPair(world);
    world.run(3_000);
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      world.step(from, { kind: 'announce', own: { ...IDLE, tags: ['new'] } });
      world.run(world.now + 150);
      expect(seen(to, from)?.tags).toEqual(['new']);
    }
    b.cut = true;
    const cutAt = world.now;
    expect(world.runUntil(() => !sees(a, b), 4_000) - cutAt).toBeLessThan(3_000);
    b.cut = false;
    world.runUntil(() => both(a, b), 2_500);
    world.step(a, { kind: 'leave' });
    world.run(world.now + 10);
    expect(sees(b, a)).toBe(false);
  });

  it('tries ever more seldom while nobody answers, but for ever', () => {
    const world = new BeaconWorld({ multicast: false });
    const [a, b] = toldPair(world);
    b.cut = true;
    world.run(30_000);
    const first = unicasts(a, 0).length;
    expect(first).toBeGreaterThan(4);
    expect(first).toBeLessThan(8);
    world.run(330_000);
    expect(unicasts(a, 30_000).length).toBeLessThan(12);
    b.cut = false;
    world.runUntil(() => both(a, b), 40_000);
  });

  it('sends nothing more there once multicast is heard from it, and forgets its own address', () => {
    const world = new BeaconWorld();
    const [a, b] = toldPair(world);
    world.step(a, { kind: 'tell', where: a.endpoint });
    world.run(10_000);
    expect(both(a, b)).toBe(true);
    world.run(100_000);
    for (const seat of [a, b]) expect(unicasts(seat, 10_000)).toEqual([]);
  });

  it('forty told of one find it and are found, without multicast', () => {
    const world = new BeaconWorld({ multicast: false });
    const [host, ...others] = world.start(41) as [Seat, ...Seat[]];
    for (const seat of others) world.at(20, () => world.step(seat, { kind: 'tell', where: host.endpoint }));
    world.run(1_500);
    expect(host.machine.peers()).toHaveLength(40);
    expect(others.filter((seat) => !sees(seat, host))).toEqual([]);
  });
});

describe('several ways to one peer', () => {
  const OTHER = { address: '10.78.0.2' as Ipv4, port: 8068 };

  function twoWays(): { world: BeaconWorld; a: Seat; b: Seat; second: (beacon: Beacon) => void } {
    const world = new BeaconWorld();
    const [a, b] = world.start(2) as [Seat, Seat];
    world.run(1_500);
    const second = (beacon: Beacon) =>
      world.step(a, { kind: 'heard', from: OTHER, site: SITE, multicast: true, beacon });
    return { world, a, b, second };
  }

  const lastBeat = (seat: Seat) =>
    seat.log.flatMap(({ action }) => (action.kind === 'multicast' ? [action.beacon] : [])).at(-1) as Beacon;

  it('it is one peer, at the address at which it was known, as long as that is heard', () => {
    const { world, a, b, second } = twoWays();
    for (let i = 0; i < 10; i++) {
      second(lastBeat(b));
      world.run(world.now + 500);
    }
    expect(a.machine.peers().map(({ address }) => address)).toEqual([b.endpoint.address]);
  });

  it('it is reached the other way when the first one is cut, and does not go', () => {
    const { world, a, b, second } = twoWays();
    b.cut = true;
    for (let i = 0; i < 10; i++) {
      second(lastBeat(b));
      world.run(world.now + 500);
    }
    expect(a.machine.peers().map(({ address }) => address)).toEqual([OTHER.address]);
    expect(a.log.filter(({ action }) => action.kind === 'went')).toEqual([]);
  });

  it('each way is probed before it counts as dead', () => {
    const { world, a, b, second } = twoWays();
    second(lastBeat(b));
    b.down = true;
    const since = world.now;
    world.runUntil(() => !sees(a, b), 4_000);
    const probed = new Set(
      a.log.flatMap(({ at, action }) => (at > since && action.kind === 'unicast' ? [action.to.address] : [])),
    );
    expect(probed).toEqual(new Set([OTHER.address, b.endpoint.address]));
  });

  it('a peer with ever new addresses is known by four at most', () => {
    const { world, a, b, second } = twoWays();
    for (let i = 0; i < 50; i++)
      world.step(a, {
        kind: 'heard',
        from: { address: `10.78.1.${i}` as Ipv4, port: 9 },
        site: SITE,
        multicast: false,
        beacon: lastBeat(b),
      });
    second(lastBeat(b));
    b.down = true;
    const since = world.now;
    world.runUntil(() => !sees(a, b), 4_000);
    const probed = new Set(
      a.log.flatMap(({ at, action }) => (at > since && action.kind === 'unicast' ? [action.to.address] : [])),
    );
    expect(probed.size).toBe(4);
  });
});
