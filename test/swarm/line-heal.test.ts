// The line when something dies, stalls, lies or is slow: scripts in time, seen from the follower.
import { describe, expect, it } from 'vitest';
import { Bans } from '../../src/swarm/ban.ts';
import type { LineEvent } from '../../src/swarm/line-ports.ts';
import {
  attached,
  came,
  lost,
  moved,
  open,
  peer,
  ROWS,
  refOf,
  type Script,
  says,
  script,
  site,
  stands,
  want,
} from './line-script.ts';

/** M follows B, which follows A, which follows F; F has all. */
function inLine(): Script {
  const it = script();
  const above = [refOf('A'), refOf('F')];
  it.at(0, site(undefined, peer('F', { held: ROWS }), peer('A'), peer('B')), ...want(0, 1, 2), open('F'));
  it.at(1, moved('F', 'B'), open('B'), attached('B', { held: 3, depth: 2, above }));
  return it;
}
const lives = () => [stands('B', { held: 3, depth: 2, above: [refOf('A'), refOf('F')] })];

describe('a lost feeder', () => {
  it('is replaced by the one above it, which is asked for the same chunks', () => {
    const it = inLine();
    expect(it.at(10, lost('B'))).toEqual(['suspect B', 'hang up B', 'dial A']);
    expect(it.allAt(11, open('A'))).toEqual(['tell A attach instead of B']);
    expect(it.at(12, attached('A', { depth: 1 }))).toEqual([
      'fetch 0 from A',
      'fetch 1 from A',
      'fetch 2 from A',
    ]);
  });

  it('asks for nothing that has come', () => {
    const it = inLine();
    it.at(5, came(0, 'B'));
    it.at(10, lost('B'), open('A'));
    expect(it.at(12, attached('A', { depth: 1 }))).toEqual(['fetch 1 from A', 'fetch 2 from A']);
  });

  it('is replaced by one further up when that one is dead, too, within 2 s', () => {
    const it = inLine();
    it.at(10, lost('B'));
    expect(it.until(2_000)).toEqual(['suspect A', 'hang up A', 'dial F', 'suspect F', 'hang up F']);
  });

  it('is taken for dead when it has been silent for 450 ms', () => {
    const it = inLine();
    expect(it.until(450)).toEqual([]);
    expect(it.until(460)).toEqual([
      'suspect B',
      'cancel 0 from B',
      'cancel 1 from B',
      'cancel 2 from B',
      'hang up B',
      'dial A',
    ]);
  });

  it('is not lost while it says where it stands, or bytes come', () => {
    const it = inLine();
    expect(it.until(5_000, lives)).not.toContain('hang up B');
    const bytes = (): LineEvent[] => [{ kind: 'bytes', from: 'B', bytes: 9 }];
    expect(it.until(7_000, bytes)).not.toContain('hang up B');
  });

  it('is not blamed for a pause of our own machine', () => {
    const it = inLine();
    expect(it.at(5_000, { kind: 'wake' })).not.toContain('hang up B');
    expect(it.until(5_600)).toContain('hang up B');
  });

  it('is given longer when it has always kept us waiting', () => {
    const it = inLine();
    for (let ms = 400; ms <= 2_000; ms += 400) {
      expect(it.until(ms)).not.toContain('hang up B');
      it.at(ms, ...lives());
    }
    expect(it.until(2_900)).not.toContain('hang up B');
    expect(it.until(3_100)).toContain('hang up B');
  });

  it('is left when it has what we want, lives, and sends nothing', () => {
    const it = inLine();
    it.at(10, stands('B', { held: ROWS, depth: 1, above: [refOf('F')] }));
    const words = it.until(1_700, () => [stands('B', { held: ROWS, depth: 1, above: [refOf('F')] })]);
    expect(words).toContain('hang up B');
    expect(words).toContain('dial F');
  });

  it('is not asked again until its time aside is over', () => {
    const it = script();
    it.at(0, site(undefined, peer('F', { held: ROWS })), ...want(0), open('F'), attached('F'));
    it.at(10, lost('F'));
    expect(it.until(900)).toEqual([]);
    expect(it.until(2_200)).toContain('dial F');
  });
});

describe('a feeder that points elsewhere', () => {
  it('is kept until the next one has taken us', () => {
    const it = inLine();
    expect(it.at(10, moved('B', 'C', 'slow'))).toEqual(['dial C']);
    expect(it.at(11, came(0, 'B'), open('C'))).toEqual([]);
    expect(it.at(12, attached('C', { depth: 5 }))).toEqual([
      'cancel 1 from B',
      'cancel 2 from B',
      'hang up B',
      'fetch 1 from C',
      'fetch 2 from C',
    ]);
  });

  it('is asked to be replaced when it leaves', () => {
    const it = inLine();
    expect(it.at(10, moved('B', 'A', 'leaving'))).toEqual(['dial A']);
    expect(it.allAt(11, open('A'))).toEqual(['tell A attach instead of B']);
  });

  it('does not strand us when the next one is dead', () => {
    const it = inLine();
    it.at(10, moved('B', 'C'));
    expect(it.at(11, lost('C'))).toEqual(['suspect C', 'hang up C', 'dial A']);
  });
});

describe('a ring', () => {
  it('is left as soon as it is seen', () => {
    const it = inLine();
    const words = it.at(10, stands('B', { held: 3, depth: 3, above: [refOf('A'), refOf('M')] }));
    expect(words).toContain('hang up B');
  });

  it('too long to be seen is left by its depth', () => {
    const it = inLine();
    expect(it.at(10, stands('B', { held: 3, depth: 3_000, above: [refOf('A')] }))).toContain('hang up B');
  });
});

describe('a feeder at whose heels we are', () => {
  it('may be slow: the one above it is asked', () => {
    const it = inLine();
    expect(it.until(700, lives)).toEqual(['dial A']);
    expect(it.allAt(701, open('A'))).toEqual(['tell A attach instead of B']);
    expect(it.at(702, attached('A', { depth: 1 }))).toEqual([
      'cancel 0 from B',
      'cancel 1 from B',
      'cancel 2 from B',
      'hang up B',
      'fetch 0 from A',
      'fetch 1 from A',
      'fetch 2 from A',
    ]);
  });

  it('is not: we stay, and ask those further up later', () => {
    const it = inLine();
    it.until(700, lives);
    it.at(701, open('A'));
    expect(it.at(702, moved('A', 'B'))).toEqual(['hang up A']);
    const asked: string[] = [];
    for (let ms = 800; ms < 6_000; ms += 100) {
      for (const word of it.until(ms, lives)) {
        if (!word.startsWith('dial')) continue;
        asked.push(word);
        const id = word.slice(5);
        it.at(ms, open(id));
        it.at(ms, moved(id, 'B'));
      }
    }
    expect(asked.slice(0, 5)).toEqual(['dial A', 'dial A', 'dial A', 'dial A', 'dial F']);
  });

  it('is left alone when it is well ahead of us: then we are the slow one', () => {
    const it = inLine();
    const ahead = () => [stands('B', { held: 12, depth: 2, above: [refOf('A')] })];
    it.at(2, ...ahead());
    expect(it.until(1_400, ahead)).toEqual([]);
  });
});

describe('a liar', () => {
  const corrupt = (row: number) =>
    ({ kind: 'failed', row, from: 'B', why: 'corrupt', what: 'wrong digest' }) as const;

  it('is asked again after one wrong chunk, and never after two', () => {
    const it = inLine();
    expect(it.at(10, corrupt(0))).toEqual(['fetch 0 from B']);
    expect(it.at(20, corrupt(1))).toEqual(['cancel 2 from B', 'cancel 0 from B', 'hang up B', 'dial A']);
    expect(it.until(5_000)).not.toContain('dial B');
  });

  it('is banned for two within a minute only, and nobody else with it', () => {
    const bans = new Bans();
    expect(bans.corrupt('B', 0)).toBe(false);
    expect(bans.corrupt('C', 1)).toBe(false);
    expect(bans.corrupt('B', 60_001)).toBe(false);
    expect(bans.corrupt('B', 120_001)).toBe(true);
    expect(bans.isBanned('B', 720_000)).toBe(true);
    expect(bans.isBanned('C', 720_000)).toBe(false);
    expect(bans.isBanned('B', 720_001)).toBe(false);
  });
});

describe('a chunk that the feeder does not have', () => {
  it('is asked for again a little later; three in a row, and another feeder is', () => {
    const it = inLine();
    const missing = (row: number) => says('B', { kind: 'missing', row });
    expect(it.at(10, missing(0))).toEqual([]);
    expect(it.until(120)).toEqual(['fetch 0 from B']);
    expect(it.at(121, missing(0), missing(1))).toContain('dial A');
  });
});
