// The pool of addresses: nobody gets another's, everybody keeps his own, and what others use is left alone.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { addressOf, LeasePool, MOST_ADDRESSES, numberOf } from '../../src/dhcp/lease-pool.ts';

const ip = (last: number) => `10.77.0.${last}` as Ipv4;
const pool = (count = 4) => new LeasePool({ first: ip(10), last: ip(9 + count) }, [ip(1)]);
const HOUR = 3_600_000;

describe('an address', () => {
  it('is the same for a client that asks again, also after its lease has run out', () => {
    const p = pool();
    const first = p.offer('a', undefined, 0) as Ipv4;
    expect(p.offer('a', undefined, 1)).toBe(first);
    expect(p.take('a', first, HOUR, 2)).toBe(true);
    expect(p.offer('a', undefined, 2 * HOUR)).toBe(first);
  });

  it('is the one that the client asks for, when that is free and in the range', () => {
    const p = pool();
    expect(p.offer('a', ip(12), 0)).toBe(ip(12));
    expect(p.offer('b', ip(12), 0)).not.toBe(ip(12));
    expect(p.offer('c', ip(99), 0)).not.toBe(ip(99));
  });

  it('is offered to one client at a time, and free again after a minute', () => {
    const p = pool(1);
    expect(p.offer('a', undefined, 0)).toBe(ip(10));
    expect(p.offer('b', undefined, 59_999)).toBeUndefined();
    expect(p.take('b', ip(10), HOUR, 59_999)).toBe(false);
    expect(p.offer('b', undefined, 60_001)).toBe(ip(10));
  });

  it('that was never given goes before one that was', () => {
    const p = pool(2);
    const used = p.offer('a', undefined, 0) as Ipv4;
    p.take('a', used, 10, 0);
    expect(p.offer('b', used === ip(10) ? ip(99) : ip(98), HOUR)).not.toBe(used);
  });

  it('that somebody else uses is left alone for ten minutes', () => {
    const p = pool(1);
    const address = p.offer('a', undefined, 0) as Ipv4;
    p.take('a', address, HOUR, 0);
    p.isTaken(address, 0);
    expect(p.of('a')).toBeUndefined();
    expect(p.offer('a', undefined, 599_999)).toBeUndefined();
    expect(p.offer('a', undefined, 600_001)).toBe(address);
  });

  it('goes back with a release, and with the choice of another server', () => {
    const p = pool(1);
    p.take('a', ip(10), HOUR, 0);
    p.release('a');
    expect(p.leases(1)).toEqual([]);
    p.offer('b', undefined, 1);
    p.release('b');
    expect(p.offer('c', undefined, 1)).toBe(ip(10));
  });

  it('never is one of our own', () => {
    const p = new LeasePool({ first: ip(1), last: ip(2) }, [ip(1)]);
    expect([p.size, p.offer('a', ip(1), 0), p.offer('b', undefined, 0)]).toEqual([1, ip(2), undefined]);
  });

  it('is kept over a restart, but not when the range has changed', () => {
    const kept = [
      { address: ip(11), client: 'a', untilMs: HOUR },
      { address: ip(200), client: 'b', untilMs: HOUR },
    ];
    const p = new LeasePool({ first: ip(10), last: ip(13) }, [], kept);
    expect(p.leases(0)).toEqual([kept[0]]);
    expect(p.take('c', ip(11), HOUR, 0)).toBe(false);
  });
});

it('no two clients have one address at the same time, whatever happens', () => {
  const client = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const step = fc.oneof(
    fc.record({ kind: fc.constant('offer' as const), client, last: fc.integer({ min: 8, max: 14 }) }),
    fc.record({ kind: fc.constant('take' as const), client, last: fc.integer({ min: 8, max: 14 }) }),
    fc.record({ kind: fc.constant('release' as const), client, last: fc.constant(0) }),
    fc.record({ kind: fc.constant('taken' as const), client, last: fc.integer({ min: 10, max: 13 }) }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(step, fc.nat(40_000)), { maxLength: 60 }), (steps) => {
      const p = pool();
      let now = 0;
      for (const [{ kind, client: who, last }, passedMs] of steps) {
        now += passedMs;
        if (kind === 'offer') p.offer(who, ip(last), now);
        if (kind === 'take') p.take(who, ip(last), now + 100_000, now);
        if (kind === 'release') p.release(who);
        if (kind === 'taken') p.isTaken(ip(last), now);
        const leases = p.leases(now);
        expect(new Set(leases.map(({ address }) => address)).size).toBe(leases.length);
        expect(new Set(leases.map((lease) => lease.client)).size).toBe(leases.length);
        for (const { address, client: holder } of leases) {
          expect(p.of(holder)).toBe(address);
          expect(numberOf(address)).toBeGreaterThanOrEqual(numberOf(ip(10)));
          expect(numberOf(address)).toBeLessThanOrEqual(numberOf(ip(13)));
        }
      }
    }),
  );
});

it('numbers and addresses are the same thing', () => {
  fc.assert(fc.property(fc.nat(0xffffffff), (number) => numberOf(addressOf(number)) === number));
  expect(() => new LeasePool({ first: ip(9), last: ip(1) }, [])).toThrow('assertion');
  expect(() => new LeasePool({ first: addressOf(1), last: addressOf(1 + MOST_ADDRESSES) }, [])).toThrow(
    'assertion',
  );
});

it('a lease that has run out goes to another client, and the former one is forgotten there', () => {
  const p = pool(1);
  expect(p.take('a', ip(10), 100, 0)).toBe(true);
  expect(p.take('b', ip(10), 300, 200)).toBe(true);
  expect([p.of('a'), p.of('b')]).toEqual([undefined, ip(10)]);
  expect(p.leases(200).map(({ client }) => client)).toEqual(['b']);
});

it('a pool whose every address is the server`s own offers none', () => {
  const p = new LeasePool({ first: ip(1), last: ip(1) }, [ip(1)]);
  expect([p.size, p.offer('a', undefined, 0)]).toEqual([0, undefined]);
});

it('an address that never was anybody`s goes first, whatever the client`s name', () => {
  for (let i = 0; i < 20; i++) {
    const p = pool(2);
    expect(p.take('a', ip(10), 10, 0)).toBe(true);
    expect(p.offer(`client ${i}`, undefined, HOUR)).toBe(ip(11));
  }
});
