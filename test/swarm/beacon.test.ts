// The beacon in virtual time: found, known, missed, and never misled.
import { describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import type { Beacon } from '../../src/swarm/beacon-codec.ts';
import type { BeaconAction } from '../../src/swarm/beacon-ports.ts';
import type { BeaconEndpoint } from '../../src/swarm/beacon-table.ts';
import { all, BeaconWorld, IDLE, type Seat, SITE, seen, sees } from './beacon-world.ts';

const IMAGE = '0123456789abcdef';
const FAR: BeaconEndpoint = { address: '10.77.99.9' as Ipv4, port: 8068 };

function actions<Kind extends BeaconAction['kind']>(
  seat: Seat,
  kind: Kind,
): Extract<BeaconAction, { kind: Kind }>[] {
  return seat.log.flatMap(({ action }) =>
    action.kind === kind ? [action as Extract<BeaconAction, { kind: Kind }>] : [],
  );
}

function ignored(seat: Seat): string[] {
  return actions(seat, 'ignored')
    .map(({ why }) => why)
    .filter((why) => why !== 'own-echo');
}

/** As if it came from there, to this seat alone. */
function forge(
  world: BeaconWorld,
  to: Seat,
  beacon: Partial<Beacon> & Pick<Beacon, 'kind'>,
  from = FAR,
  site = SITE,
): void {
  const stamp = {
    id: 'ffffffffffffffff',
    instance: 9,
    revision: 0,
    freeUplinkBytesPerSecond: 0,
    direct: false,
  };
  world.step(to, { kind: 'heard', from, site, multicast: false, beacon: { ...stamp, ...beacon } as Beacon });
}

/** Two that know each other. */
function pair(options: ConstructorParameters<typeof BeaconWorld>[0] = {}): [BeaconWorld, Seat, Seat] {
  const world = new BeaconWorld(options);
  const [a, b] = world.start(2) as [Seat, Seat];
  world.run(1_500);
  expect(all([a, b])).toBe(true);
  return [world, a, b];
}

function lastOf(seat: Seat, kind: 'multicast' | 'unicast'): Beacon {
  return actions(seat, kind).at(-1)?.beacon as Beacon;
}

describe('finding each other', () => {
  it.each([
    [2, 50],
    [10, 200],
  ])('%i that start at once have all found all, and a latecomer too, within %i ms', (count, withinMs) => {
    const world = new BeaconWorld();
    const seats = world.start(count);
    expect(world.runUntil(() => all(seats), 2_000)).toBeLessThan(withinMs);
    world.run(world.now + 5_000);
    const start = world.now;
    const late = world.start(1);
    expect(world.runUntil(() => all([...seats, ...late]), 2_000) - start).toBeLessThan(withinMs);
  });

  it('finds all within 2 s with 5 % of all datagrams lost', () => {
    const world = new BeaconWorld({ loss: 0.05 });
    const seats = world.start(20, 300);
    expect(world.runUntil(() => all(seats), 3_000)).toBeLessThan(2_300);
  });

  it('shows each what the other says of itself, at the address that it was heard from', () => {
    const [world, a, b] = pair();
    world.step(b, {
      kind: 'announce',
      own: {
        ...IDLE,
        role: 'target',
        tags: ['till'],
        holdings: [{ image: IMAGE, held: 1, of: 4 }],
        unfit: ['busy'],
        crossing: [IMAGE],
        freeUplinkBytesPerSecond: 1_234_567,
      },
    });
    world.run(world.now + 50);
    expect(seen(a, b)).toEqual({
      id: b.machine.self,
      address: b.endpoint.address,
      port: 8068,
      role: 'target',
      httpPort: 8067,
      tags: ['till'],
      holdings: [{ image: IMAGE, held: 1, of: 4 }],
      unfit: ['busy'],
      crossing: [IMAGE],
      freeUplinkBytesPerSecond: 1_300_000,
    });
  });

  it('replays exactly', () => {
    const logs = [1, 2].map(() => {
      const world = new BeaconWorld({ loss: 0.1, seed: 5 });
      const seats = world.start(8, 500);
      world.run(20_000);
      return JSON.stringify(seats.map((seat) => seat.log));
    });
    expect(logs[0]).toBe(logs[1]);
  });
});

describe('losing each other', () => {
  it.each([2, 50])('notices a silent death among %i within 3 s', (count) => {
    const world = new BeaconWorld();
    const seats = world.start(count, 1_000);
    world.run(6_000);
    const [dead, ...others] = seats as [Seat, ...Seat[]];
    const start = world.now;
    dead.down = true;
    const end = world.runUntil(() => others.every((seat) => !sees(seat, dead)), 4_000);
    expect(end - start).toBeLessThan(3_000);
    expect(others.flatMap((seat) => actions(seat, 'went').map(({ why }) => why))).toEqual(
      others.map(() => 'silent'),
    );
  });

  it('with 20 % loss a death is noticed all the same, and nobody is buried alive', () => {
    const world = new BeaconWorld({ loss: 0.2, seed: 4 });
    const seats = world.start(30, 500);
    world.run(8_000);
    expect(all(seats)).toBe(true);
    world.run(128_000);
    expect(seats.flatMap((seat) => actions(seat, 'went'))).toEqual([]);
    const dead = seats[0] as Seat;
    dead.down = true;
    world.run(world.now + 3_000);
    expect(seats.slice(1).filter((seat) => sees(seat, dead))).toEqual([]);
  });

  it('knows a goodbye at once, and beats that it overtook bring nobody back', () => {
    const [world, a, b] = pair();
    const beat = lastOf(b, 'multicast');
    world.step(b, { kind: 'leave' });
    world.run(world.now + 5);
    expect(actions(a, 'went').map(({ why }) => why)).toEqual(['goodbye']);
    forge(world, a, { ...beat, kind: 'beat' }, b.endpoint);
    expect(a.machine.peers()).toEqual([]);
    expect(ignored(a)).toEqual(['has-left', 'has-left']);
    expect(b.machine.nextWake()).toBeUndefined();
    expect(b.machine.step({ kind: 'wake' }, world.now)).toEqual([]);
  });

  it('blames nobody for its own deafness', () => {
    const [world, a, b] = pair();
    a.down = true;
    world.run(world.now + 10_000);
    a.down = false;
    world.step(a, { kind: 'wake' });
    world.run(world.now + 5_000);
    expect(actions(a, 'went')).toEqual([]);
    expect(sees(a, b)).toBe(true);
    // The others had every reason to give it up, and have it back.
    expect(actions(b, 'went')).toHaveLength(1);
    expect(sees(b, a)).toBe(true);
  });

  it('takes a peer back after a cut, and knows one that was started anew by its new announcement', () => {
    const [world, a, b] = pair();
    b.cut = true;
    world.run(world.now + 4_000);
    expect(sees(a, b)).toBe(false);
    b.cut = false;
    world.run(world.now + 2_000);
    expect(sees(a, b) && sees(b, a)).toBe(true);
    b.down = true;
    const again = world.seat({ tags: ['again'] }, { self: b.machine.self });
    Object.assign(again, { endpoint: b.endpoint });
    world.seats.splice(world.seats.indexOf(b), 1);
    world.step(again, { kind: 'start' });
    world.run(world.now + 500);
    expect(a.machine.peers().map(({ tags }) => tags)).toEqual([['again']]);
  });
});

describe('what is said', () => {
  it('a change that matters is said at once, progress by and by, the rest not at all', () => {
    const [world, a, b] = pair();
    const say = (held: number) =>
      world.step(b, { kind: 'announce', own: { ...IDLE, holdings: [{ image: IMAGE, held, of: 9 }] } });
    world.run(world.now + 3_000);
    say(1);
    world.run(world.now + 120);
    expect(seen(a, b)?.holdings).toEqual([{ image: IMAGE, held: 1, of: 9 }]);
    say(2);
    say(3);
    world.run(world.now + 500);
    expect(seen(a, b)?.holdings[0]?.held).toBe(1);
    world.run(world.now + 3_000);
    expect(seen(a, b)?.holdings[0]?.held).toBe(3);
    say(9);
    world.run(world.now + 120);
    expect(seen(a, b)?.holdings[0]?.held).toBe(9);
    const said = actions(b, 'multicast').length;
    say(9);
    world.run(world.now + 50);
    expect(actions(b, 'multicast').length - said).toBeLessThan(2);
  });

  it('many changes in a row are gathered', () => {
    const [world, a, b] = pair();
    world.run(world.now + 3_000);
    const said = actions(b, 'multicast').length;
    for (let i = 0; i < 100; i++)
      world.at(world.now + i, () => world.step(b, { kind: 'announce', own: { ...IDLE, tags: [`t${i}`] } }));
    world.run(world.now + 250);
    expect(seen(a, b)?.tags).toEqual(['t99']);
    expect(actions(b, 'multicast').length - said).toBeLessThan(4);
  });

  it('whoever missed an announcement asks for it', () => {
    const [world, a, b] = pair();
    world.loss = 1;
    world.step(b, { kind: 'announce', own: { ...IDLE, tags: ['missed'] } });
    world.run(world.now + 10);
    world.loss = 0;
    expect(seen(a, b)?.tags).toEqual([]);
    world.run(world.now + 1_200);
    expect(seen(a, b)?.tags).toEqual(['missed']);
    expect(actions(a, 'unicast').some(({ beacon }) => beacon.kind === 'ask')).toBe(true);
    expect(lastOf(b, 'unicast').kind).toBe('announcement');
  });

  it('asks again while nobody answers, ever more seldom', () => {
    const [world, a] = pair();
    const asks = () => actions(a, 'unicast').filter(({ beacon }) => beacon.kind === 'ask').length;
    for (let i = 0; i < 30; i++) {
      forge(world, a, { kind: 'beat' });
      world.run(world.now + 1_000);
    }
    expect(asks()).toBeGreaterThan(4);
    expect(asks()).toBeLessThan(12);
    // One that never says who it is, is shown to nobody.
    expect(a.machine.peers()).toHaveLength(1);
  });

  it('an uplink that changes by little is no news, by much it is', () => {
    const [world, a, b] = pair();
    const say = (freeUplinkBytesPerSecond: number) => {
      world.step(b, { kind: 'announce', own: { ...IDLE, freeUplinkBytesPerSecond } });
      world.run(world.now + 1_200);
    };
    say(10_000_000);
    const before = actions(a, 'changed').length;
    say(11_000_000);
    expect(actions(a, 'changed')).toHaveLength(before);
    say(20_000_000);
    expect(seen(a, b)?.freeUplinkBytesPerSecond).toBe(20_000_000);
  });

  it('a new interface is greeted', () => {
    const [world, a] = pair();
    world.run(world.now + 3_000);
    world.step(a, { kind: 'sites', sites: [SITE, 8] });
    expect(lastOf(a, 'multicast')).toMatchObject({ kind: 'announcement', wants: true });
    forge(world, a, { kind: 'beat' }, FAR, 8);
    expect(ignored(a)).toEqual([]);
  });
});
