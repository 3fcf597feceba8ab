// The seeded generator: one number replays everything, and numbers spread over their range.
import { expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { randomInt, seededRandom } from '../../src/base/random.ts';

it('the same seed gives the same numbers, another one others', () => {
  const draw = (seed: number) =>
    Array.from(
      { length: 5 },
      (
        (random) => () =>
          random.next()
      )(seededRandom(seed)),
    );
  expect(draw(1)).toEqual(draw(1));
  expect(draw(1)).not.toEqual(draw(2));
});

it('every whole number below the bound comes about equally often, none at or above it', () => {
  const random = seededRandom(7);
  const counts = new Array<number>(8).fill(0);
  for (let i = 0; i < 8000; i++) {
    const drawn = randomInt(random, 8);
    counts[drawn] = (counts[drawn] as number) + 1;
  }
  expect(counts).toHaveLength(8);
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
});

it('the silent log keeps nothing, also for its children', () => {
  const child = silentLog.child({ machine: 'm-abc' });
  for (const level of ['debug', 'info', 'warn', 'error'] as const)
    expect(child[level]({ why: 'test' }, 'nothing')).toBeUndefined();
});
