// Which sources are set aside, and for how long: scripts in time.
import { describe, expect, it } from 'vitest';
import {
  afterFailure,
  afterMiss,
  askingOrder,
  type ChunkNotes,
  GOOD_STANDING,
  isAside,
  type Standing,
  withNote,
} from '../../src/chunk/set-aside.ts';

describe('a failure', () => {
  it('sets aside for 5 s, then twice as long each time, up to 5 min', () => {
    let standing = GOOD_STANDING;
    let now = 1_000;
    const asides = Array.from({ length: 9 }, () => {
      standing = afterFailure(standing, now, now + 10);
      const asideMs = standing.asideUntilMs - (now + 10);
      now = standing.asideUntilMs;
      return asideMs / 1_000;
    });
    expect(asides).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300]);
  });

  it('ends on the millisecond', () => {
    const standing = afterFailure(GOOD_STANDING, 0, 0);
    expect(isAside(standing, 4_999)).toBe(true);
    expect(isAside(standing, 5_000)).toBe(false);
  });

  it('of a request sent before one that was counted is not counted', () => {
    const standing = afterFailure(GOOD_STANDING, 100, 200);
    expect(afterFailure(standing, 150, 300)).toBe(standing);
    expect(afterFailure(standing, 201, 300).failures).toBe(2);
  });
});

describe('a miss', () => {
  it('counts only eight in a row', () => {
    let standing: Standing = GOOD_STANDING;
    for (let i = 1; i < 8; i++) {
      standing = afterMiss(standing, i, i);
      expect(isAside(standing, i)).toBe(false);
    }
    standing = afterMiss(standing, 8, 8);
    expect(standing).toMatchObject({ failures: 1, misses: 0 });
    expect(isAside(standing, 8)).toBe(true);
  });

  it('does not end the time aside', () => {
    const standing = afterMiss(afterFailure(GOOD_STANDING, 0, 0), 1, 1);
    expect(isAside(standing, 1)).toBe(true);
  });
});

describe('the order of asking', () => {
  const aside = (untilMs: number): Standing => ({ ...GOOD_STANDING, failures: 1, asideUntilMs: untilMs });
  it.each([
    { standings: [], order: [] },
    { standings: [GOOD_STANDING, GOOD_STANDING], order: [0, 1] },
    { standings: [aside(101), GOOD_STANDING], order: [1, 0] },
    { standings: [aside(100), GOOD_STANDING], order: [0, 1] },
    { standings: [aside(300), aside(200), GOOD_STANDING], order: [2, 1, 0] },
    { standings: [aside(300), aside(200)], order: [1, 0] },
  ])('%#: good ones as configured, then those whose time ends first', ({ standings, order }) => {
    expect(askingOrder(standings, 100)).toEqual(order);
  });
});

describe('notes of chunks', () => {
  const digest = (number: number) => `sha256:${number}` as const;
  const noNotes: ChunkNotes = new Map();

  it('last 5 s for what is missing, 15 s for what is wrong', () => {
    const notes = withNote(withNote(noNotes, digest(1), 'missing', 0), digest(2), 'corrupt', 0);
    expect(notes.get(digest(1))).toEqual({ why: 'missing', untilMs: 5_000 });
    expect(notes.get(digest(2))).toEqual({ why: 'corrupt', untilMs: 15_000 });
  });

  it('go when their time is over, and the oldest go when there are too many', () => {
    const old = withNote(noNotes, digest(1), 'missing', 0);
    expect([...withNote(old, digest(2), 'missing', 5_000).keys()]).toEqual([digest(2)]);
    let many = noNotes;
    for (let i = 0; i < 1_100; i++) many = withNote(many, digest(i), 'missing', i);
    expect(many.size).toBe(1_024);
    expect(many.has(digest(75))).toBe(false);
    expect(many.has(digest(76))).toBe(true);
  });
});
