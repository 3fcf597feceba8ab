// Parts of a line by themselves: the way over the WAN after failures, and when a follower asks to go round its feeder.
import { describe, expect, it } from 'vitest';
import { LineCore } from '../../src/swarm/line-core.ts';
import { Rounds } from '../../src/swarm/line-rounds.ts';
import { Wan } from '../../src/swarm/line-wan.ts';
import { refOf } from './line-script.ts';

describe('the WAN', () => {
  it('rests after a failure, twice as long each time up to ten seconds, and not at all once a chunk came', () => {
    const wan = new Wan();
    expect(wan.mayAsk(0)).toBe(true);
    let now = 0;
    const rests = Array.from({ length: 8 }, () => {
      wan.failed(now);
      const restMs = wan.notBefore - now;
      expect([wan.mayAsk(wan.notBefore - 1), wan.mayAsk(wan.notBefore)]).toEqual([false, true]);
      now = wan.notBefore;
      return restMs;
    });
    expect(rests).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
    wan.arrived(0);
    wan.failed(now);
    expect(wan.notBefore - now).toBe(250);
  });

  it('takes requests that break together for one failure', () => {
    const wan = new Wan();
    wan.failed(0);
    wan.failed(0);
    wan.failed(249);
    expect(wan.notBefore).toBe(250);
  });

  it('asks for a chunk that no source has three times, ever later; one that came counts anew', () => {
    const wan = new Wan();
    expect([wan.missed(7, 0), wan.missed(7, 1000), wan.missed(7, 9000)]).toEqual([1000, 5000, undefined]);
    expect(wan.missed(7, 0)).toBe(1000);
    expect(wan.missed(8, 0)).toBe(1000);
    wan.arrived(7);
    expect([wan.missed(7, 0), wan.missed(8, 0)]).toEqual([1000, 4000]);
  });
});

describe('going round', () => {
  function rounds() {
    const setup = { self: 'M', role: 'target', rows: 8, storedBytes: () => 1, has: () => false } as const;
    const core = new LineCore(setup, { random: { next: () => 0.5 } });
    return { core, rounds: new Rounds(core) };
  }
  const [feeder, above, further] = [refOf('B'), refOf('A'), refOf('F')];

  it('is thought of half a second after attaching, and again half a second after each look', () => {
    const it = rounds();
    expect(it.rounds.due).toBe(false);
    it.rounds.attached();
    it.core.now = 499;
    expect(it.rounds.due).toBe(false);
    it.core.now = 500;
    expect(it.rounds.due).toBe(true);
    expect(it.rounds.next(feeder, [above], false)).toBeUndefined();
    expect(it.rounds.due).toBe(false);
    it.core.now = 1000;
    expect(it.rounds.due).toBe(true);
    expect(it.rounds.next(feeder, [], true)).toBeUndefined();
  });

  it('asks the one above the feeder four times and once more, then those further up, ever more rarely', () => {
    const it = rounds();
    it.rounds.attached();
    const asked: string[] = [];
    const waits: number[] = [];
    for (let i = 0; i < 9; i++) {
      const question = it.rounds.next(feeder, [above, further], true);
      asked.push(`${question?.ask.id} for ${question?.insteadOf.id}`);
      it.rounds.refused();
      const from = it.core.now;
      while (!it.rounds.due) it.core.now += 250;
      waits.push(it.core.now - from);
    }
    expect(asked.slice(0, 5)).toEqual(Array.from({ length: 5 }, () => 'A for B'));
    expect(asked.slice(5)).toEqual(['F for A', 'A for B', 'F for A', 'A for B']);
    expect(waits).toEqual([500, 500, 500, 500, 1000, 2000, 4000, 8000, 15_000]);
  });

  it('is thought of early when our rate falls, once, until it has risen again', () => {
    const it = rounds();
    it.rounds.attached();
    for (let i = 0; i < 9; i++) it.rounds.next(feeder, [above], true);
    it.rounds.refused();
    it.rounds.watch(70, 100);
    expect(it.rounds.due).toBe(false);
    it.rounds.watch(50, 100);
    it.core.now = 250;
    expect(it.rounds.due).toBe(true);
    it.rounds.refused();
    it.rounds.watch(50, 100);
    it.core.now = 500;
    expect(it.rounds.due).toBe(false);
    it.rounds.watch(90, 100);
    it.rounds.watch(50, 100);
    it.core.now = 750;
    expect(it.rounds.due).toBe(true);
  });
});
