// Two hundred peers in one site, in virtual time: found, cheap, and one of them missed.
import { expect, it } from 'vitest';
import { all, BeaconWorld, type Seat, sees } from './beacon-world.ts';

const bytes = ({ receivedBytes, sentBytes }: Seat) => receivedBytes + sentBytes;

it('200 peers start within two seconds, cost each less than 10 kB/s, and miss one within 3 s', () => {
  const world = new BeaconWorld();
  const seats = world.start(200, 2_000);
  world.run(4_000);
  expect(all(seats)).toBe(true);
  // No storm: each of 200 announcements (75 bytes with headers) is told about four times, and then there are the beats.
  expect(Math.max(...seats.map(bytes))).toBeLessThan(4 * 200 * 75 + 4 * 200 * 66 + 20_000);

  world.run(5_000);
  const before = seats.map(bytes);
  world.run(10_000);
  const rates = seats.map((seat, i) => (bytes(seat) - (before[i] ?? 0)) / 5);
  expect(Math.max(...rates)).toBeLessThan(3_000);
  // And they do speak.
  expect(Math.min(...rates)).toBeGreaterThan(1_000);

  const [dead, ...others] = seats as [Seat, ...Seat[]];
  dead.down = true;
  const start = world.now;
  expect(world.runUntil(() => others.every((seat) => !sees(seat, dead)), 4_000) - start).toBeLessThan(3_000);
  expect(others.flatMap(({ log }) => log.filter(({ action }) => action.kind === 'went'))).toHaveLength(199);

  const [late] = world.start(1) as [Seat];
  const from = world.now;
  expect(world.runUntil(() => all([...others, late]), 2_000) - from).toBeLessThan(1_000);
}, 120_000);
