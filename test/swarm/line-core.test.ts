// The facts that a line's parts share: who is there, who is set aside for how long, who crosses.
import { describe, expect, it } from 'vitest';
import { LINE_LIMITS, LineCore } from '../../src/swarm/line-core.ts';
import { peer } from './line-script.ts';

const core = () =>
  new LineCore(
    { self: 'M', role: 'target', rows: 8, storedBytes: () => 1, has: (row) => row < 2 },
    { random: { next: () => 0.5 } },
  );

it('counts what is held, each chunk once', () => {
  const it = core();
  expect([it.heldCount, it.has(1), it.has(2), it.complete]).toEqual([2, true, false, false]);
  it.setHeld(2, true);
  it.setHeld(2, true);
  it.setHeld(0, false);
  expect(it.heldCount).toBe(2);
  for (let row = 0; row < 8; row++) it.setHeld(row, true);
  expect(it.complete).toBe(true);
});

it('sees the others, never itself, and the most that a fit one holds', () => {
  const it = core();
  it.setSite([peer('M', { held: 8 }), peer('A', { held: 3 }), peer('B', { held: 5, fit: false })], 'A');
  expect([[...it.peers.keys()], it.siteBest]).toEqual([['A', 'B'], 3]);
});

describe('who crosses the WAN', () => {
  it('is whoever is designated, another or ourselves', () => {
    const it = core();
    expect([it.isDesignated, it.crosser]).toEqual([false, undefined]);
    it.setSite([peer('A')], 'A');
    expect([it.isDesignated, it.crosser?.id]).toEqual([false, 'A']);
    it.setSite([peer('A')], 'M');
    expect([it.isDesignated, it.crosser]).toEqual([true, undefined]);
  });

  it('is the first of those that the liar was caught by, as long as that one does its part', () => {
    const it = core();
    for (let i = 0; i < 2; i++) it.bans.corrupt('X', 0);
    const site = (...others: Parameters<typeof it.setSite>[0]) =>
      it.setSite([peer('X', { crosses: true }), ...others], 'X');
    site(peer('A', { crosses: true }), peer('Z', { crosses: true }));
    expect(it.isDesignated).toBe(false);
    site(peer('A'), peer('Z', { crosses: true }));
    expect(it.isDesignated).toBe(true);
    site(peer('A', { crosses: true }));
    it.setAside('A', 'silent');
    expect(it.isDesignated).toBe(true);
  });

  it('is ourselves while we ban who should: a liar does not keep the site from the origin', () => {
    const it = core();
    it.setSite([peer('A')], 'A');
    it.bans.corrupt('A', 0);
    it.bans.corrupt('A', 0);
    expect(it.isDesignated).toBe(true);
    it.now = 10 * 60_000;
    expect(it.isDesignated).toBe(false);
  });
});

it('a doubt of the own uplink is cleared when somebody had to be passed, a judgement is not', () => {
  const it = core();
  it.clearUplink();
  expect(it.uplinkSlow).toBe(false);
  it.judgeUplink('perhaps', 'test');
  expect(it.uplinkSlow).toBe(true);
  it.clearUplink();
  expect(it.uplinkSlow).toBe(false);
  it.judgeUplink(true, 'test');
  it.clearUplink();
  expect(it.uplinkSlow).toBe(true);
});

describe('setting aside', () => {
  it('lasts twice as long each time, up to a minute, until it has delivered', () => {
    const it = core();
    it.setSite([peer('A')], undefined);
    const asideMs = () => {
      it.setAside('A', 'test');
      const from = it.now;
      while (!it.usable('A')) it.now += 500;
      return it.now - from;
    };
    expect(Array.from({ length: 8 }, asideMs)).toEqual([
      ...[1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000],
    ]);
    it.delivered('A');
    expect(asideMs()).toBe(LINE_LIMITS.asideMs[0]);
  });

  it('counts failures that come together once', () => {
    const it = core();
    it.setAside('A', 'one');
    it.setAside('A', 'two');
    expect(it.takeActions()).toEqual([{ kind: 'note', what: 'feeder-set-aside', reason: 'one', peer: 'A' }]);
    it.now = LINE_LIMITS.asideMs[0];
    expect(it.usable('A')).toBe(true);
    expect(it.takeActions()).toEqual([]);
  });

  it('is of nobody who has not failed', () => {
    const it = core();
    it.delivered('A');
    it.setSite([peer('A'), peer('B', { fit: false })], undefined);
    expect(['A', 'B', 'M', 'X'].map((id) => it.usable(id))).toEqual([true, false, false, true]);
  });
});
