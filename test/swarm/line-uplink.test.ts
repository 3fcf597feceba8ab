// What a feeder concludes from how its followers take what it sends: who is slow, who goes behind whom, when it is itself.
import { describe, expect, it } from 'vitest';
import { LineCore } from '../../src/swarm/line-core.ts';
import { Follower } from '../../src/swarm/line-follower.ts';
import { Uplink } from '../../src/swarm/line-uplink.ts';
import { refOf } from './line-script.ts';

const MB = 1e6;

/** Followers that take a megabyte in so many milliseconds each, and always have more to be sent. */
function feeder(intakeBest = 0) {
  const setup = { self: 'F', role: 'peer', rows: 10_000, storedBytes: () => MB, has: () => true } as const;
  const core = new LineCore(setup, { random: { next: () => 0.5 } });
  core.intakeBest = intakeBest;
  const followers = new Map<string, Follower>();
  const uplink = new Uplink(core, followers);
  const paces = new Map<string, number>();
  return {
    core,
    uplink,
    followers,
    add(id: string, msPerChunk: number, facts: { held?: number; speed?: number } = {}): Follower {
      const follower = new Follower(core, refOf(id), facts.held ?? 0, facts.speed ?? 0);
      followers.set(id, follower);
      if (Number.isFinite(msPerChunk)) for (let row = 0; row < 500; row++) follower.queued(row);
      paces.set(id, core.now + msPerChunk);
      return Object.assign(follower, { msPerChunk });
    },
    run(forMs: number): void {
      for (const end = core.now + forMs; core.now < end; ) {
        core.now += 50;
        for (const [id, follower] of followers) {
          const { msPerChunk } = follower as Follower & { msPerChunk: number };
          follower.heardAt = core.now;
          if (core.now < (paces.get(id) ?? 0)) continue;
          paces.set(id, core.now + msPerChunk);
          follower.sent([...follower.queue][0] ?? 0, MB);
          uplink.measure(follower);
        }
      }
    },
  };
}

describe('who may take the place of a follower', () => {
  it('nobody, while that one is not behind, or takes as much as is known here', () => {
    const it = feeder();
    const a = it.add('A', 100);
    it.run(300);
    expect(it.uplink.mayReplace(a, 'B', 50 * MB)).toBe(false);
    it.run(2_000);
    expect(it.uplink.mayReplace(a, 'B', 0)).toBe(false);
    expect(it.uplink.mayReplace(a, 'B', 11 * MB)).toBe(false);
    expect(it.uplink.mayReplace(a, 'B', 50 * MB)).toBe(true);
  });

  it('nobody who is no faster than the slow one', () => {
    const it = feeder(10 * MB);
    const a = it.add('A', 1_000);
    it.run(3_000);
    expect(it.uplink.mayReplace(a, 'B', 1.2 * MB)).toBe(false);
    expect(it.uplink.mayReplace(a, 'B', 1.3 * MB)).toBe(true);
  });

  it('anybody, when that one is silent', () => {
    const it = feeder();
    const a = it.add('A', 100);
    it.core.now = 450;
    expect(it.uplink.mayReplace(a, 'B', 0)).toBe(true);
  });

  it('nobody for a while after an exchange that brought nothing, ten times as long each time', () => {
    const it = feeder(10 * MB);
    const waits: number[] = [];
    let present = it.add('A', 1_000);
    for (const id of ['B', 'C', 'D']) {
      it.run(3_000);
      const from = it.core.now;
      while (!it.uplink.mayReplace(present, id, 0)) it.run(500);
      waits.push(it.core.now - from);
      it.followers.clear();
      present = it.add(id, 1_000);
    }
    expect(waits[0]).toBe(0);
    expect(waits[1]).toBe(0);
    expect(waits[2]).toBeGreaterThan(10_000);
  });
});

describe('is it our uplink that is slow?', () => {
  it('not before there was an exchange, nor when the one who came is gone, silent, or not behind', () => {
    const it = feeder(10 * MB);
    const a = it.add('A', 1_000);
    it.run(3_000);
    expect(it.uplink.isSlowItself()).toBe(false);
    expect(it.uplink.mayReplace(a, 'B', 0)).toBe(true);
    it.followers.clear();
    expect(it.uplink.isSlowItself()).toBe(false);
    const b = it.add('B', 1_000);
    expect(it.uplink.isSlowItself()).toBe(false);
    it.run(3_000);
    expect(it.uplink.isSlowItself()).toBe(true);
    b.heardAt = 0;
    expect(it.uplink.isSlowItself()).toBe(false);
  });

  it.each<[string, number, number, boolean]>([
    ['the new one takes as little', 1_000, 0, true],
    ['the new one takes more', 100, 0, false],
    ['the new one takes about what it claims', 1_000, 1.5 * MB, false],
  ])('after an exchange: %s', (_, msPerChunk, claim, expected) => {
    const it = feeder(10 * MB);
    const a = it.add('A', 1_000);
    it.run(3_000);
    expect(it.uplink.mayReplace(a, 'B', claim)).toBe(true);
    it.followers.clear();
    it.add('B', msPerChunk);
    it.run(9_000);
    expect(it.uplink.isSlowItself()).toBe(expected);
  });

  it('perhaps, when the only follower takes little, never took more elsewhere, and nobody comes after it', () => {
    const doubts = (change: (it: ReturnType<typeof feeder>) => void = () => {}, speed = 0) => {
      const it = feeder(10 * MB);
      it.add('A', 1_000, { speed });
      it.run(3_000);
      change(it);
      return it.uplink.isDoubtful();
    };
    expect([doubts(), doubts(undefined, 5 * MB), doubts(undefined, 1.1 * MB)]).toEqual([true, true, false]);
    expect(doubts((it) => it.followers.clear())).toBe(false);
    expect(doubts((it) => void it.add('B', 1_000))).toBe(false);
    expect(doubts((it) => Object.assign(it.core, { now: it.core.now + 10_000 }))).toBe(false);
    expect(doubts((it) => Object.assign(it.core, { intakeBest: MB }))).toBe(false);
    expect(doubts((it) => void it.uplink.mayReplace(it.followers.get('A') as Follower, 'B', 0))).toBe(false);
    const early = feeder(10 * MB);
    early.add('A', 1_000);
    early.run(1_000);
    expect(early.uplink.isDoubtful()).toBe(false);
  });
});

describe('who comes before whom', () => {
  it('one far ahead goes before a follower, if it is no slower as far as both know', () => {
    const it = feeder();
    const known = it.add('A', 100, { held: 10, speed: 10 * MB });
    const unknown = it.add('B', 100, { held: 10 });
    const goes = (held: number, speed: number, follower = known) =>
      it.uplink.goesBefore(held, speed, follower);
    expect([goes(25, 0), goes(26, 0), goes(26, 9 * MB), goes(26, 7 * MB)]).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(goes(26, 9 * MB, unknown)).toBe(false);
  });

  it('there is room for one more of a known speed, below what was carried already, and for eight in all', () => {
    const it = feeder();
    it.add('A', 100);
    it.run(2_000);
    expect(it.core.uplinkBest).toBeGreaterThan(9 * MB);
    expect([it.uplink.hasRoom(0), it.uplink.hasRoom(MB)]).toEqual([false, false]);
    it.core.uplinkBest = 20 * MB;
    expect([it.uplink.hasRoom(MB), it.uplink.hasRoom(9 * MB)]).toEqual([true, false]);
    for (const id of ['B', 'C', 'D', 'E', 'G', 'H', 'I']) it.add(id, Number.POSITIVE_INFINITY);
    expect(it.uplink.hasRoom(MB)).toBe(false);
  });

  it('beside one that is slow itself there is room, but not if the uplink may be to blame', () => {
    const slow = (it = feeder(10 * MB)) => {
      const a = it.add('A', 1_000);
      it.run(3_000);
      return { it, a };
    };
    const { it, a } = slow();
    expect(it.uplink.idlesBeside(a)).toBe(true);
    it.core.judgeUplink('perhaps', 'test');
    expect(it.uplink.idlesBeside(a)).toBe(false);
    const exchanged = slow();
    expect(exchanged.it.uplink.mayReplace(exchanged.a, 'A', 0)).toBe(true);
    expect(exchanged.it.uplink.idlesBeside(exchanged.a)).toBe(false);
    const full = slow();
    for (const id of ['B', 'C', 'D', 'E', 'G', 'H', 'I']) full.it.add(id, Number.POSITIVE_INFINITY);
    expect(full.it.uplink.idlesBeside(full.a)).toBe(false);
  });

  it('the busiest is the fastest of those that live and want something', () => {
    const it = feeder();
    expect(it.uplink.busiest()).toBeUndefined();
    it.add('A', 200);
    it.add('B', 100);
    it.add('C', 400);
    it.run(1_000);
    expect(it.uplink.busiest()?.ref.id).toBe('B');
    const idle = it.add('D', Number.POSITIVE_INFINITY);
    it.run(2_100);
    idle.heardAt = it.core.now;
    for (const id of ['A', 'B', 'C']) it.followers.delete(id);
    expect(it.uplink.busiest()).toBeUndefined();
    const silent = it.add('E', 100);
    silent.heardAt = it.core.now - 450;
    expect(it.uplink.busiest()).toBeUndefined();
  });
});

describe('too many', () => {
  it('is none or one', () => {
    const it = feeder();
    expect(it.uplink.tooMany()).toBeUndefined();
    it.add('A', 1_000);
    it.run(3_000);
    expect(it.uplink.tooMany()).toBeUndefined();
  });

  it('is the later of two that fill the uplink: it goes behind the one that holds more', () => {
    const it = feeder();
    const a = it.add('A', 200, { held: 30 });
    const b = it.add('B', 200, { held: 10 });
    it.run(3_000);
    expect(it.uplink.tooMany()).toEqual({ who: b, behind: a });
    const joins = feeder();
    joins.add('A', 200, { held: 30 });
    joins.add('B', 200, { held: 10 }).joins = true;
    joins.run(3_000);
    expect(joins.uplink.tooMany()).toBeUndefined();
  });

  it('is nobody while most of the uplink is free', () => {
    const it = feeder();
    it.add('A', 200, { held: 30 });
    it.add('B', 200, { held: 10 });
    it.run(3_000);
    it.core.uplinkBest = 100 * MB;
    expect(it.uplink.tooMany()).toBeUndefined();
  });

  it('is one that is slow and was passed by one that came beside it', () => {
    const it = feeder(10 * MB);
    const slow = it.add('A', 1_000, { held: 10 });
    const fast = it.add('B', 200, { held: 20 });
    it.run(4_000);
    it.core.uplinkBest = 100 * MB;
    expect(it.uplink.tooMany()).toBeUndefined();
    fast.held = 26;
    expect(it.uplink.tooMany()).toEqual({ who: slow, behind: fast });
  });

  it('is not a faster one behind a slow one that holds more', () => {
    const it = feeder();
    it.add('A', 1_000, { held: 30 });
    it.add('B', 200, { held: 10 });
    it.run(4_000);
    expect(it.uplink.tooMany()).toBeUndefined();
  });
});
