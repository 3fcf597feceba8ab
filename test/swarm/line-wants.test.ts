// Wanted chunks: lower rows first, each in one place at a time, as a model says that is too plain to be wrong.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Wants } from '../../src/swarm/line-wants.ts';

const ROWS = 12;
const drain = (wants: Wants) => {
  const rows: number[] = [];
  for (let row = wants.peek(); row !== undefined; row = wants.peek()) {
    rows.push(row);
    wants.take();
  }
  return rows;
};

describe('a wanted row', () => {
  it('is given out once, lower rows first, whoever wants it how often', () => {
    const wants = new Wants(ROWS);
    for (const row of [5, 1, 9, 1]) wants.wantLocally(row);
    for (const row of [9, 0, 0]) wants.wantFor('A', row);
    wants.wantFor('B', 0);
    expect(wants.holds).toBe(3);
    expect([...wants.all()].sort((a, b) => a - b)).toEqual([0, 1, 5, 9]);
    expect(drain(wants)).toEqual([0, 1, 5, 9]);
    expect(wants.take()).toBeUndefined();
  });

  it('stays wanted until the last who wants it does no more', () => {
    const wants = new Wants(ROWS);
    wants.wantLocally(3);
    wants.wantFor('A', 3);
    wants.wantFor('B', 3);
    wants.unwantLocally(3);
    wants.unwantFor('A', 3);
    expect([wants.isWanted(3), wants.isLocal(3), wants.any]).toEqual([true, false, true]);
    wants.unwantFor('A', 3);
    wants.unwantFor('C', 7);
    wants.unwantLocally(3);
    expect(wants.isWanted(3)).toBe(true);
    wants.unwantFor('B', 3);
    expect([wants.isWanted(3), wants.any, wants.peek()]).toEqual([false, false, undefined]);
  });

  it('beyond the image is wanted by nobody', () => {
    const wants = new Wants(ROWS);
    wants.unwantLocally(2 ** 31);
    wants.unwantFor('A', 2 ** 31);
    expect([wants.isWanted(2 ** 31), wants.sourceOf(2 ** 31)]).toEqual([false, undefined]);
  });

  it('waits for its time after a failure, or for a new source', () => {
    const wants = new Wants(ROWS);
    for (const row of [1, 2]) wants.wantLocally(row);
    for (const row of drain(wants)) wants.fetch(row, 'F');
    expect(wants.nextDelayed()).toBeUndefined();
    wants.requeue(1, 500);
    wants.requeue(2, 700);
    wants.wantLocally(1);
    wants.wantFor('A', 1);
    expect([wants.peek(), wants.nextDelayed()]).toEqual([undefined, 500]);
    wants.wakeDelayed(499);
    expect(wants.peek()).toBeUndefined();
    wants.wakeDelayed(500);
    expect(drain(wants)).toEqual([1]);
    wants.wakeAll();
    expect([drain(wants), wants.nextDelayed()]).toEqual([[2], undefined]);
  });

  it('that nobody wants any more waits for nothing', () => {
    const wants = new Wants(ROWS);
    wants.wantLocally(1);
    wants.wantFor('A', 2);
    for (const row of drain(wants)) wants.fetch(row, 'F');
    wants.requeue(1, 500);
    wants.requeue(2, 500);
    wants.unwantLocally(1);
    wants.unwantFor('A', 2);
    expect(wants.nextDelayed()).toBeUndefined();
    wants.requeue(1);
    expect(wants.peek()).toBeUndefined();
  });

  it('is settled when it has come, and names who waited', () => {
    const wants = new Wants(ROWS);
    wants.wantLocally(1);
    wants.wantFor('A', 1);
    wants.wantFor('B', 1);
    wants.fetch(wants.take() as number, 'F');
    expect(wants.settle(1)).toEqual(['A', 'B']);
    expect([wants.any, wants.sourceOf(1), wants.fetchedFrom('F').size]).toEqual([false, undefined, 0]);
    expect(wants.settle(1)).toEqual([]);
  });

  it('may be brought by another source', () => {
    const wants = new Wants(ROWS);
    wants.wantLocally(1);
    wants.fetch(wants.take() as number, 'F');
    wants.refetch(1, 'G');
    expect([wants.sourceOf(1), wants.fetchedFrom('F').size, wants.fetchedFrom('G').size]).toEqual([
      'G',
      0,
      1,
    ]);
  });
});

const row = fc.nat(ROWS - 1);
const who = fc.constantFrom('A', 'B', 'C');
const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('want' as const), row }),
    fc.record({ kind: fc.constant('unwant' as const), row }),
    fc.record({ kind: fc.constant('want-for' as const), row, who }),
    fc.record({ kind: fc.constant('unwant-for' as const), row, who }),
    fc.record({ kind: fc.constant('fetch' as const) }),
    fc.record({ kind: fc.constant('requeue' as const), row }),
    fc.record({ kind: fc.constant('settle' as const), row }),
  ),
  { maxLength: 60 },
);

it('whatever happens in whatever order, it is as the model says', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const wants = new Wants(ROWS);
      const wanted = new Map<number, Set<string>>();
      const fetching = new Set<number>();
      const by = (one: number) => wanted.get(one) ?? new Set<string>();
      const add = (one: number, name: string) => wanted.set(one, by(one).add(name));
      const remove = (one: number, name: string) => {
        by(one).delete(name);
        if (by(one).size === 0) wanted.delete(one);
      };
      for (const step of list) {
        switch (step.kind) {
          case 'want':
            wants.wantLocally(step.row);
            add(step.row, 'us');
            break;
          case 'unwant':
            wants.unwantLocally(step.row);
            remove(step.row, 'us');
            break;
          case 'want-for':
            wants.wantFor(step.who, step.row);
            add(step.row, step.who);
            break;
          case 'unwant-for':
            wants.unwantFor(step.who, step.row);
            remove(step.row, step.who);
            break;
          case 'fetch': {
            const lowest = wants.peek();
            const waiting = [...wanted.keys()].filter((one) => !fetching.has(one));
            expect(lowest).toBe(waiting.length === 0 ? undefined : Math.min(...waiting));
            if (lowest === undefined) break;
            wants.take();
            wants.fetch(lowest, 'F');
            fetching.add(lowest);
            break;
          }
          case 'requeue':
            if (!fetching.delete(step.row)) break;
            wants.requeue(step.row);
            break;
          case 'settle':
            wants.settle(step.row);
            wanted.delete(step.row);
            fetching.delete(step.row);
            break;
        }
        expect(new Set(wants.all())).toEqual(new Set(wanted.keys()));
        expect(wants.fetchedFrom('F')).toEqual(fetching);
        expect(wants.any).toBe(wanted.size > 0);
      }
    }),
    { numRuns: 300 },
  );
});
