// So many lines of a kind per second, and then how many were left out.
import { expect, it } from 'vitest';
import { LogLimit } from '../../src/base/log-limit.ts';

it('lets the first lines of each second through, kind by kind, and counts the rest', () => {
  const limit = new LogLimit(2);
  const steps: [string, number, number | undefined][] = [
    ['a', 0, 0],
    ['a', 10, 0],
    ['a', 20, undefined],
    ['a', 999, undefined],
    ['b', 999, 0],
    ['a', 1_000, 2],
    ['a', 1_001, 0],
    ['a', 1_002, undefined],
    ['a', 60_000, 1],
  ];
  for (const [kind, now, expected] of steps)
    expect(limit.admit(kind, now), `${kind} at ${now}`).toBe(expected);
});
