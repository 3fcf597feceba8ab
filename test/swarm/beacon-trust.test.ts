// What a beacon does not believe: strangers' sites, forged goodbyes, floods, mutants, and its own id on another machine.
import { describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { WireError } from '../../src/base/errors.ts';
import { randomInt, seededRandom } from '../../src/base/random.ts';
import { type Beacon, decodeBeacon, encodeBeacon } from '../../src/swarm/beacon-codec.ts';
import type { IgnoredBeacon } from '../../src/swarm/beacon-ports.ts';
import type { BeaconEndpoint } from '../../src/swarm/beacon-table.ts';
import { BeaconWorld, IDLE, type Seat, SITE, sees } from './beacon-world.ts';

const FAR: BeaconEndpoint = { address: '10.77.99.9' as Ipv4, port: 8068 };
const STAMP = { instance: 9, revision: 0, freeUplinkBytesPerSecond: 0, direct: false };

function pair(): [BeaconWorld, Seat, Seat] {
  const world = new BeaconWorld();
  const [a, b] = world.start(2) as [Seat, Seat];
  world.run(1_500);
  return [world, a, b];
}

function hear(world: BeaconWorld, to: Seat, beacon: Beacon, from = FAR, site = SITE): void {
  world.step(to, { kind: 'heard', from, site, multicast: false, beacon });
}

function announcement(id: string): Beacon {
  const { freeUplinkBytesPerSecond: _, ...facts } = IDLE;
  return { ...STAMP, id, kind: 'announcement', wants: false, sitePort: 1, facts };
}

function ignored(seat: Seat): IgnoredBeacon[] {
  return seat.log.flatMap(({ action }) =>
    action.kind === 'ignored' && action.why !== 'own-echo' ? [action.why] : [],
  );
}

const fakeId = (i: number) => (0xff000000 + i).toString(16).padStart(16, 'f');

describe('what is not believed', () => {
  it('another site', () => {
    const [world, a] = pair();
    hear(world, a, announcement(fakeId(1)), FAR, SITE + 1);
    expect(ignored(a)).toEqual(['other-site']);
    expect(a.machine.peers()).toHaveLength(1);
  });

  it('a goodbye from somewhere else, of an earlier start, or of a stranger', () => {
    const [world, a, b] = pair();
    const known = b.log.flatMap(({ action }) => (action.kind === 'multicast' ? [action.beacon] : []))[0];
    const goodbye = { ...(known as Beacon), kind: 'goodbye' } as Beacon;
    hear(world, a, goodbye, FAR);
    hear(world, a, { ...goodbye, instance: 1 }, b.endpoint);
    hear(world, a, { ...goodbye, id: fakeId(1) }, b.endpoint);
    expect(ignored(a)).toEqual(['not-its-address', 'not-its-address', 'not-its-address']);
    expect(sees(a, b)).toBe(true);
  });

  it('a forged goodbye from its very address costs no more than until its next beat', () => {
    const [world, a, b] = pair();
    const known = b.log.flatMap(({ action }) => (action.kind === 'multicast' ? [action.beacon] : []))[0];
    hear(world, a, { ...(known as Beacon), kind: 'goodbye' } as Beacon, b.endpoint);
    expect(sees(a, b)).toBe(false);
    world.runUntil(() => sees(a, b), 3_500);
  });

  it('more peers than a site has: a flood displaces nobody who lives, and leaves when it ends', () => {
    const [world, a, b] = pair();
    for (let i = 0; i < 5_000; i++)
      hear(world, a, announcement(fakeId(i)), { address: `10.78.${i >> 8}.${i & 255}` as Ipv4, port: 1 });
    expect(a.machine.peers()).toHaveLength(1024);
    expect(sees(a, b)).toBe(true);
    expect(ignored(a).every((why) => why === 'no-room')).toBe(true);
    world.run(world.now + 4_000);
    expect(a.machine.peers().map(({ id }) => id)).toEqual([b.machine.self]);
  });

  it('more than 64 peers at one address', () => {
    const [world, a] = pair();
    for (let i = 0; i < 100; i++) hear(world, a, announcement(fakeId(i)), { ...FAR, port: 1000 + i });
    expect(a.machine.peers()).toHaveLength(65);
  });

  it('that it must answer whoever asks: bounded for each address, and in all', () => {
    const [world, a] = pair();
    const answers = () => a.log.filter(({ action }) => action.kind === 'unicast').length;
    hear(world, a, announcement(fakeId(0)));
    const before = answers();
    for (let i = 0; i < 1_000; i++) hear(world, a, { ...STAMP, id: fakeId(0), kind: 'probe' });
    expect(answers() - before).toBe(40);
    expect(ignored(a)).toContain('asked-too-often');
    for (let i = 0; i < 5_000; i++)
      hear(
        world,
        a,
        { ...STAMP, id: fakeId(0), kind: 'probe' },
        { address: `10.78.${i >> 8}.${i & 255}` as Ipv4, port: 1 },
      );
    expect(answers() - before).toBe(400);
  });

  it('asks by many get one answer to all, and a few rounds a second', () => {
    const [world, a] = pair();
    const said = () =>
      a.log.filter(
        ({ action }) =>
          (action.kind === 'multicast' || action.kind === 'unicast') && action.beacon.kind === 'announcement',
      ).length;
    world.run(world.now + 2_000);
    const before = said();
    for (let ms = 0; ms < 1_000; ms += 10)
      world.at(world.now + ms, () =>
        hear(
          world,
          a,
          { ...STAMP, id: fakeId(ms), kind: 'ask' },
          { address: `10.78.0.${ms / 10}` as Ipv4, port: 1 },
        ),
      );
    world.run(world.now + 1_200);
    expect(said() - before).toBeGreaterThan(1);
    expect(said() - before).toBeLessThan(9);
  });

  it('100,000 mutants of real datagrams: the live stay, and memory is bounded', () => {
    const [world, a, b] = pair();
    const random = seededRandom(8);
    const real = [...a.log, ...b.log].flatMap(({ action }) =>
      action.kind === 'multicast' ? [encodeBeacon({ site: SITE, beacon: action.beacon })] : [],
    );
    for (let i = 0; i < 100_000; i++) {
      const copy = (real[i % real.length] as Uint8Array).slice();
      for (let n = randomInt(random, 3); n >= 0; n--)
        copy[randomInt(random, copy.length)] = randomInt(random, 256);
      const decoded = decodeBeacon(copy);
      if (decoded instanceof WireError) continue;
      const from = { address: `10.78.${randomInt(random, 256)}.${randomInt(random, 256)}` as Ipv4, port: 1 };
      world.step(a, { kind: 'heard', from, multicast: false, ...decoded });
    }
    expect(sees(a, b)).toBe(true);
    expect(a.machine.peers().length).toBeLessThanOrEqual(1024);
    world.run(world.now + 6_000);
    expect(a.machine.peers().map(({ id, address }) => [id, address])).toEqual([
      [b.machine.self, b.endpoint.address],
    ]);
  });
});

describe('two machines with one id', () => {
  it('one of them takes a new id, and both are seen', () => {
    const world = new BeaconWorld();
    const other = world.seat();
    const twins = [
      world.seat({ tags: ['one'] }, { self: 'aa'.repeat(8) }),
      world.seat({ tags: ['two'] }, { self: 'aa'.repeat(8) }),
    ];
    for (const seat of [other, ...twins]) world.step(seat, { kind: 'start' });
    world.run(10_000);
    const renamed = twins.flatMap((seat) => seat.log.filter(({ action }) => action.kind === 'new-id'));
    expect(renamed).toHaveLength(1);
    expect(new Set(twins.map(({ machine }) => machine.self)).size).toBe(2);
    expect(
      other.machine
        .peers()
        .map(({ tags }) => tags[0])
        .sort(),
    ).toEqual(['one', 'two']);
  });

  it('our own words, said again by somebody else, are an echo; a liar cannot rename us for ever', () => {
    const [world, a] = pair();
    const own = a.log.flatMap(({ action }) =>
      action.kind === 'multicast' ? [action.beacon] : [],
    )[0] as Beacon;
    for (let i = 0; i < 10; i++) {
      hear(world, a, own);
      world.run(world.now + 500);
    }
    const renamed = () => a.log.filter(({ action }) => action.kind === 'new-id').length;
    expect(renamed()).toBe(0);
    for (let i = 0; i < 100; i++) {
      hear(world, a, { ...own, id: a.machine.self, instance: 2 ** 32 - 1 } as Beacon);
      world.run(world.now + 500);
    }
    expect(renamed()).toBe(1);
    expect(ignored(a)).toContain('same-id');
  });
});
