// A death that one notices is soon known to all, and no suspicion buries a living one.
import { describe, expect, it } from 'vitest';
import type { PeerId } from '../../src/swarm/site.ts';
import { all, BeaconWorld, type Seat, sees } from './beacon-world.ts';

function site(count: number, options: ConstructorParameters<typeof BeaconWorld>[0] = {}) {
  const world = new BeaconWorld(options);
  const seats = world.start(count, 500) as [Seat, Seat, ...Seat[]];
  world.run(6_000);
  expect(all(seats)).toBe(true);
  return { world, seats, suspect: (by: Seat, of: Seat) => suspectBy(world, by, of.machine.self) };
}

function suspectBy(world: BeaconWorld, by: Seat, peer: PeerId): void {
  world.step(by, { kind: 'suspect', peer });
}

function went(seats: readonly Seat[]): string[] {
  return seats.flatMap(({ log }) =>
    log.flatMap(({ action }) => (action.kind === 'went' ? [action.why] : [])),
  );
}

type Way = 'unicast' | 'multicast';

function sent(seat: Seat, since: number, kind: 'probe' | 'suspicion' | 'beat', only?: Way): number {
  return seat.log.filter(
    ({ at, action }) =>
      at >= since &&
      (action.kind === 'unicast' || action.kind === 'multicast') &&
      (only ?? action.kind) === action.kind &&
      action.beacon.kind === kind,
  ).length;
}

describe('a suspicion', () => {
  it.each([
    [3, 0],
    [30, 0],
    [30, 0.2],
  ])(
    'of one that is dead is known to all %i within a second, with %f of all datagrams lost',
    (count, loss) => {
      const { world, seats, suspect } = site(count, { loss, seed: 3 });
      const [dead, first, ...others] = seats;
      dead.down = true;
      const start = world.now;
      suspect(first, dead);
      const end = world.runUntil(() => [first, ...others].every((seat) => !sees(seat, dead)), 3_000);
      // A lost suspicion leaves some with the silence.
      expect(end - start).toBeLessThan(loss === 0 ? 1_000 : 3_000);
      expect(went([first])).toEqual(['suspect']);
    },
  );

  it('of one that lives is answered by one beat, and nobody goes', () => {
    const { world, seats, suspect } = site(30);
    const [subject, first, ...others] = seats;
    const start = world.now;
    suspect(first, subject);
    world.run(start + 900);
    expect(went(seats)).toEqual([]);
    expect(others.map((seat) => sent(seat, start, 'probe'))).toEqual(others.map(() => 0));
    expect(sent(first, start, 'probe')).toBe(1);
  });

  it('buries nobody in 200 of them with 20 % loss', () => {
    const { world, seats, suspect } = site(12, { loss: 0.2, seed: 7 });
    for (let i = 0; i < 200; i++) {
      suspect(seats[i % 12] as Seat, seats[(i * 5 + 1) % 12] as Seat);
      world.run(world.now + 300);
    }
    expect(went(seats)).toEqual([]);
  });

  it('said again and again makes its subject say no more than one beat in 100 ms to all', () => {
    const { world, seats, suspect } = site(3);
    const [subject, liar] = seats;
    const start = world.now;
    for (let i = 0; i < 500; i++) {
      suspect(liar, subject);
      world.run(world.now + 2);
    }
    expect(sent(subject, start, 'beat', 'multicast')).toBeLessThan(12);
    expect(went(seats)).toEqual([]);
  });

  it('of one that is unknown, or of ourselves, says nothing', () => {
    const { world, seats } = site(2);
    const [a] = seats;
    const start = world.now;
    suspectBy(world, a, 'eeeeeeeeeeeeeeee' as PeerId);
    suspectBy(world, a, a.machine.self);
    expect(sent(a, start, 'suspicion')).toBe(0);
  });

  it('is forgotten by one who was deaf himself meanwhile', () => {
    const { world, seats, suspect } = site(2);
    const [subject, deaf] = seats;
    deaf.cut = true;
    suspect(deaf, subject);
    const at = world.now;
    deaf.down = true;
    world.run(at + 5_000);
    deaf.down = false;
    deaf.cut = false;
    world.step(deaf, { kind: 'wake' });
    world.run(world.now + 2_000);
    expect(went([deaf])).toEqual([]);
  });

  it('brings back whoever is heard again', () => {
    const { world, seats, suspect } = site(4);
    const [stopped, first, ...others] = seats;
    stopped.cut = true;
    suspect(first, stopped);
    world.run(world.now + 1_000);
    expect([first, ...others].some((seat) => sees(seat, stopped))).toBe(false);
    stopped.cut = false;
    world.run(world.now + 2_000);
    expect(all(seats)).toBe(true);
  });
});
