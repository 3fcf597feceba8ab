// The token bucket: never more than rate · t + burst, nobody starves, a changed limit is in force at once.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bucket, burstBytes, shareOf } from '../../src/swarm/budget.ts';

const limits = fc.integer({ min: 10_000, max: 500_000_000 });
const asks = fc.array(
  fc.record({ afterMs: fc.integer({ min: 0, max: 400 }), bytes: fc.integer({ min: 1, max: 1 << 20 }) }),
  {
    minLength: 1,
    maxLength: 200,
  },
);

describe('who sends asks before', () => {
  it('never more than rate · t + burst passes, whatever is asked when', () => {
    fc.assert(
      fc.property(limits, asks, (limit, list) => {
        const bucket = new Bucket(limit, 0);
        let now = 0;
        let passed = 0;
        for (const { afterMs, bytes } of list) {
          now += afterMs;
          const granted = bucket.take(bytes, now);
          expect(granted).toBeLessThanOrEqual(bytes);
          passed += granted;
          expect(passed).toBeLessThanOrEqual((limit * now) / 1000 + burstBytes(limit) + 1);
        }
      }),
    );
  });

  it('whoever waits as long as told is given something, and the whole rate is used', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 10_000, max: 5_000_000 }),
        fc.integer({ min: 1, max: 5 }),
        (limit, senders) => {
          const bucket = new Bucket(limit, 0);
          const passed = Array.from({ length: senders }, () => 0);
          let now = 0;
          // Each asks in turn for a read's worth; when it gets nothing, all wait for what they were told.
          while (now < 5_000) {
            let waitMs = Number.POSITIVE_INFINITY;
            for (let i = 0; i < senders; i++) {
              const granted = bucket.take(16_384, now);
              passed[i] = (passed[i] ?? 0) + granted;
              waitMs = granted > 0 ? 0 : Math.min(waitMs, bucket.waitMs(now, 16_384));
            }
            if (waitMs > 0) {
              now += waitMs;
              expect(bucket.waitMs(now, 16_384)).toBe(0);
            }
            if (passed.reduce((a, b) => a + b, 0) > limit * 10 + 1e6) throw new Error('no end');
          }
          const total = passed.reduce((a, b) => a + b, 0);
          expect(total).toBeGreaterThanOrEqual(((limit * now) / 1000) * 0.99);
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('who reads counts after', () => {
  it('stays at the rate, one read at most above it', () => {
    fc.assert(
      fc.property(limits, fc.integer({ min: 1, max: 65_536 }), (limit, piece) => {
        const bucket = new Bucket(limit, 0);
        let now = 0;
        let passed = 0;
        for (let i = 0; i < 500; i++) {
          now += bucket.waitMs(now);
          bucket.spend(piece, now);
          passed += piece;
          if (passed > (limit * now) / 1000 + burstBytes(limit) + piece + 1)
            throw new Error(`${passed} at ${now}`);
        }
      }),
    );
  });

  it('a limit that is raised or taken away ends the waiting', () => {
    const bucket = new Bucket(10_000, 0);
    bucket.spend(1_000_000, 0);
    expect(bucket.waitMs(0)).toBeGreaterThan(90_000);
    bucket.change(50_000_000, 100);
    expect(bucket.waitMs(100)).toBe(0);
    bucket.spend(100_000_000, 100);
    bucket.change(null, 200);
    expect([bucket.waitMs(200), bucket.take(1 << 30, 200)]).toEqual([0, 1 << 30]);
  });
});

describe('without a limit', () => {
  it('all passes at once, and nothing is counted against a limit that is set later', () => {
    const bucket = new Bucket(null, 0);
    expect(bucket.limit).toBeNull();
    bucket.spend(1e9, 0);
    expect([bucket.take(1e9, 0), bucket.waitMs(0, 1e9)]).toEqual([1e9, 0]);
    bucket.change(1_000_000, 100);
    expect(bucket.limit).toBe(1_000_000);
    // No burst from before: it fills at the rate from now on.
    expect([bucket.take(1e9, 100), bucket.take(1e9, 200)]).toEqual([0, 100_000]);
  });

  it('told the same limit again, a bucket forgets no debt', () => {
    const bucket = new Bucket(10_000, 0);
    bucket.spend(1_000_000, 0);
    const before = bucket.waitMs(0);
    bucket.change(10_000, 0);
    expect(bucket.waitMs(0)).toBe(before);
  });

  it('a limit of nothing is our own bug', () => {
    expect(() => new Bucket(null, 0).change(0, 0)).toThrow('assertion failed: a limit is above 0');
  });
});

it('peers that cross at once share the limit and do not exceed it together', () => {
  fc.assert(
    fc.property(limits, fc.integer({ min: 0, max: 200 }), (limit, crossers) => {
      const share = shareOf(limit, crossers) as number;
      expect(share * Math.max(1, crossers)).toBeLessThanOrEqual(limit);
    }),
  );
  expect(shareOf(null, 3)).toBeNull();
});
