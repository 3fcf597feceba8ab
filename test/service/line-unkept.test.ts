// Chunks that a full disk did not take: which stay in memory, which go, and when.
import { describe, expect, it } from 'vitest';
import type { Timers } from '../../src/base/time.ts';
import { UnkeptRows } from '../../src/service/line-unkept.ts';

function world(spareBytes = 200) {
  const awaited = new Set<number>();
  const dropped: number[] = [];
  const armed: (() => void)[] = [];
  const timers: Timers = {
    after(_, act) {
      armed.push(act);
      return () => {
        if (armed.includes(act)) armed.splice(armed.indexOf(act), 1);
      };
    },
  };
  const rows = new UnkeptRows({
    timers,
    spareBytes,
    isAwaited: (row) => awaited.has(row),
    drop: (row) => void dropped.push(row),
  });
  return { rows, awaited, dropped, armed, quiet: () => armed.shift()?.() };
}

describe('chunks that could not be kept', () => {
  it('stay as long as they fit, and the oldest goes first', () => {
    const { rows, dropped } = world();
    for (const row of [7, 3, 5]) rows.add(row, 100);
    expect(dropped).toEqual([7]);
    rows.add(9, 200);
    expect(dropped).toEqual([7, 3, 5]);
  });

  it('stay beyond that while somebody waits for them', () => {
    const { rows, awaited, dropped } = world();
    awaited.add(1).add(2);
    for (const row of [1, 2, 3, 4]) rows.add(row, 100);
    expect(dropped).toEqual([3, 4]);
    awaited.delete(2);
    rows.settle();
    expect(dropped).toEqual([3, 4]);
    rows.add(5, 100);
    expect(dropped).toEqual([3, 4, 2]);
  });

  it('go when the line has moved on, those still waited for last', () => {
    const { rows, awaited, dropped, armed, quiet } = world();
    awaited.add(1);
    rows.add(1, 100);
    rows.add(2, 100);
    quiet();
    expect(dropped).toEqual([2]);
    quiet();
    expect(dropped).toEqual([2]);
    awaited.delete(1);
    quiet();
    expect(dropped).toEqual([2, 1]);
    expect(armed).toEqual([]);
  });

  it('leave no timer behind', () => {
    const { rows, armed } = world();
    rows.settle();
    expect(armed).toHaveLength(0);
    rows.add(1, 100);
    rows.settle();
    expect(armed).toHaveLength(1);
    rows.stop();
    rows.add(2, 100);
    expect(armed).toHaveLength(0);
  });
});
