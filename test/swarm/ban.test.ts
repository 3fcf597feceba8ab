// Who is banned for lying: two wrong chunks within a minute, and only the one that sent them.
import { expect, it } from 'vitest';
import { Bans } from '../../src/swarm/ban.ts';

it('one wrong chunk may be an accident, a second one within a minute is none', () => {
  const bans = new Bans();
  expect(bans.corrupt('a', 0)).toBe(false);
  expect(bans.isBanned('a', 0)).toBe(false);
  expect(bans.corrupt('a', 60_000)).toBe(true);
  expect([bans.isBanned('a', 60_000), bans.isBanned('b', 60_000)]).toEqual([true, false]);
});

it('two that lie more than a minute apart ban nobody, but the later one counts on', () => {
  const bans = new Bans();
  bans.corrupt('a', 0);
  expect(bans.corrupt('a', 60_001)).toBe(false);
  expect(bans.corrupt('a', 60_002)).toBe(true);
});

it('a ban ends after ten minutes, and the count begins anew', () => {
  const bans = new Bans();
  bans.corrupt('a', 0);
  bans.corrupt('a', 1);
  expect(bans.isBanned('a', 600_000)).toBe(true);
  expect(bans.isBanned('a', 600_001)).toBe(false);
  expect(bans.corrupt('a', 600_002)).toBe(false);
  expect(bans.isBanned('a', 600_003)).toBe(false);
});
