// The line as scripts in time: attaching, walking, passing on, crossing the WAN, leaving.
import { describe, expect, it } from 'vitest';
import {
  asks,
  attached,
  came,
  FULL,
  following,
  follows,
  lost,
  moved,
  open,
  peer,
  ROWS,
  refOf,
  says,
  script,
  served,
  site,
  standing,
  stands,
  want,
} from './line-script.ts';

describe('attach', () => {
  it('asks nobody before something is wanted', () => {
    expect(script().at(0, site('D', peer('D')))).toEqual([]);
  });

  it('asks a complete holder rather than the designated peer, and that rather than anybody', () => {
    const peers = [peer('A', { held: 9 }), peer('D'), peer('F', FULL)];
    expect(script().at(0, site('D', ...peers), ...want(0))).toEqual(['dial F']);
    expect(script().at(0, site('D', ...peers.slice(0, 2)), ...want(0))).toEqual(['dial D']);
    expect(script().at(0, site(undefined, peer('A', { held: 9 })), ...want(0))).toEqual(['dial A']);
  });

  it('never asks one that is unfit', () => {
    expect(script().at(0, site(undefined, peer('F', { ...FULL, fit: false })), ...want(0))).toEqual([]);
  });

  it('wants nothing before it is attached, then all in order', () => {
    const it = script();
    expect(it.at(0, site(undefined, peer('F', FULL)), ...want(3, 1, 2))).toEqual(['dial F']);
    expect(it.allAt(1, open('F'))).toEqual(['tell F attach']);
    expect(it.at(2, attached('F'))).toEqual(['fetch 1 from F', 'fetch 2 from F', 'fetch 3 from F']);
  });

  it('walks to the end of the line', () => {
    const it = script();
    it.at(0, site(undefined, peer('F', FULL)), ...want(0));
    it.at(1, open('F'));
    expect(it.at(2, moved('F', 'A'))).toEqual(['hang up F', 'dial A']);
    it.at(3, open('A'));
    expect(it.at(4, moved('A', 'B'))).toEqual(['hang up A', 'dial B']);
    it.at(5, open('B'));
    expect(it.at(6, attached('B', { depth: 2, above: [refOf('A'), refOf('F')] }))).toEqual([
      'fetch 0 from B',
    ]);
    expect(it.line.state()).toMatchObject({ feeder: 'B', depth: 3 });
  });

  it('does not walk in a circle', () => {
    const it = script();
    it.at(0, site(undefined, peer('F', FULL)), ...want(0));
    it.at(1, open('F'));
    it.at(2, moved('F', 'A'), open('A'));
    expect(it.at(3, moved('A', 'F'))).toEqual(['hang up A']);
  });

  it('takes up again with one that took it back after pointing it elsewhere in vain, and asks for all again', () => {
    const it = following();
    it.at(2, moved('F', 'A'));
    const words = it.until(1_000, () => [stands('F', FULL)]);
    expect(words).toContain('hang up A');
    for (const row of [0, 1, 2, 3]) expect(words).toContain(`fetch ${row} from F`);
    expect(it.line.state().feeder).toBe('F');
  });

  it('gives up dialling after a while, and tries again later', () => {
    const it = script();
    it.at(0, site(undefined, peer('F', FULL)), ...want(0));
    expect(it.until(399)).toEqual([]);
    expect(it.until(1_000)).toEqual(['suspect F', 'hang up F']);
    expect(it.until(3_000)).toContain('dial F');
  });

  it('asks the next one when one refuses', () => {
    const it = script();
    it.at(0, site('D', peer('D'), peer('F', FULL)), ...want(0), open('F'));
    expect(it.at(1, says('F', { kind: 'refused', why: 'unfit' }))).toEqual(['hang up F', 'dial D']);
  });
});

describe('feeding', () => {
  const source = () => script({ self: 'F', role: 'peer', held: () => true });

  it('keeps the first follower and points the others to it', () => {
    const it = source();
    expect(it.allAt(0, asks('A'))).toContain('tell A attached depth 0');
    expect(it.at(1, asks('B'))).toEqual(['tell B moved A (full)']);
  });

  it('serves what it holds', () => {
    const it = source();
    it.at(0, asks('A'));
    expect(it.at(1, ...follows('A', 5, 6))).toEqual(['serve 5 to A', 'serve 6 to A']);
  });

  it('holds a request until the chunk has come, and passes it on in the same step', () => {
    const it = following();
    it.at(1, asks('A'));
    expect(it.at(2, ...follows('A', 0, 9))).toEqual(['fetch 9 from F']);
    expect(it.line.state().holds).toBe(2);
    expect(it.at(3, came(0, 'F'))).toEqual(['serve 0 to A']);
    expect(it.at(4, came(9, 'F'))).toEqual(['serve 9 to A']);
  });

  it('takes back what is not wanted any more, here and above', () => {
    const it = following();
    it.at(1, asks('A'), ...follows('A', 9));
    expect(it.at(2, { kind: 'follower-unwants', follower: 'A', row: 9 })).toEqual(['cancel 9 from F']);
    expect(it.at(3, { kind: 'unwant', row: 3 })).toEqual(['cancel 3 from F']);
    it.at(4, came(0, 'F'), ...follows('A', 0));
    expect(it.at(5, { kind: 'follower-unwants', follower: 'A', row: 0 })).toEqual(['unserve 0 to A']);
  });

  it('refuses its own feeder: a ring', () => {
    expect(following('F', { held: 9 }).at(1, asks('F'))).toEqual(['tell F refused cycle']);
    const below = following('B', { depth: 1, above: [refOf('A')], held: 9 });
    expect(below.at(1, asks('A'))).toEqual(['tell A refused cycle']);
  });

  it('takes nobody while it is cut off from every source', () => {
    const it = following();
    it.at(1, lost('F'));
    expect(it.at(2, asks('A'))).toEqual(['tell A refused unfit']);
  });

  it('says where it stands at every beat, and that it is idle never', () => {
    const it = source();
    it.at(0, asks('A'));
    expect(it.line.nextWake()).toBe(150);
    expect(it.allAt(150, { kind: 'wake' })).toEqual(['tell A standing depth 0']);
    it.at(151, { kind: 'follower-lost', follower: 'A' });
    it.at(300, { kind: 'wake' });
    expect(it.line.nextWake()).toBeUndefined();
  });

  it('tells at once when it is nearer to the source or further from it', () => {
    const it = following();
    it.at(1, asks('A'));
    expect(it.allAt(2, says('F', { kind: 'standing', ...standing({ depth: 4 }) }))).toEqual([
      'tell A standing depth 5',
    ]);
  });

  it('says that it has lost a chunk', () => {
    const it = source();
    it.at(0, asks('A'), ...follows('A', 5));
    expect(it.at(1, { kind: 'gone', row: 5 })).toEqual(['unserve 5 to A', 'tell A missing 5']);
  });

  it('lets one far ahead go before its follower', () => {
    const it = source();
    it.at(0, asks('A', { held: 2 }), ...follows('A', 3));
    expect(it.at(1, asks('B', { held: 40 }))).toEqual(['unserve 3 to A', 'tell A moved B (full)']);
  });
});

describe('going round, as the one above', () => {
  /** F sends to A, which takes `msPerChunk`. */
  function sending(msPerChunk: number) {
    const it = script({ self: 'F', role: 'peer', held: () => true });
    it.at(0, asks('A'), ...follows('A', ...Array.from({ length: 30 }, (_, row) => row)));
    for (let row = 0; row < 3; row++) it.at((row + 1) * msPerChunk, asks('A'), served('A', row));
    return it;
  }
  const claim = (rate: number) => asks('B', { rate, insteadOf: 'A' } as never);

  it('gives a slow one`s place to one that is faster', () => {
    const words = sending(1_000).at(3_001, asks('A'), claim(10e6));
    expect(words).toContain('tell A moved B (slow)');
    expect(words).toContain('unserve 3 to A');
  });

  it('does not when the other is no faster', () => {
    expect(sending(1_000).at(3_001, asks('A'), claim(1e6))).toEqual(['tell B moved A (full)']);
  });

  it('does not when the follower is not behind', () => {
    const it = script({ self: 'F', role: 'peer', held: () => true });
    it.at(0, asks('A'), ...follows('A', 0));
    expect(it.at(1_001, asks('A'), claim(10e6))).toEqual(['tell B moved A (full)']);
  });

  it('gives a silent one`s place to whoever asks for it', () => {
    expect(sending(100).at(1_000, claim(0))).toContain('tell A moved B (slow)');
  });

  it('tries a slow uplink with another one seldom', () => {
    const it = sending(1_000);
    it.at(3_001, asks('A'), claim(10e6), ...follows('B', 0, 1, 2, 3, 4, 5));
    for (let row = 0; row < 2; row++) it.at(4_001 + row * 1_000, asks('B'), served('B', row));
    const again = asks('C', { rate: 10e6, insteadOf: 'B' } as never);
    expect(it.at(4_900 + 102, asks('B'), again)).toContain('tell B moved C (slow)');
    it.at(5_003, ...follows('C', 0, 1, 2, 3, 4, 5));
    for (let row = 0; row < 2; row++) it.at(6_003 + row * 1_000, asks('C'), served('C', row));
    expect(it.at(7_500, asks('C'), asks('E', { rate: 10e6, insteadOf: 'C' } as never))).toEqual([
      'tell E moved C (full)',
    ]);
  });
});

describe('the designated peer', () => {
  const designated = (...peers: ReturnType<typeof peer>[]) => {
    const it = script({ self: 'D', role: 'peer' });
    it.at(0, site('D', ...peers));
    return it;
  };

  it('crosses the WAN for what is wanted, three at once, in order', () => {
    const it = designated(peer('A'));
    expect(it.at(1, asks('A'), ...follows('A', 0, 1, 2, 3))).toEqual([
      'fetch 0 from wan',
      'fetch 1 from wan',
      'fetch 2 from wan',
    ]);
    expect(it.at(2, came(0, 'wan'))).toEqual(['serve 0 to A', 'fetch 3 from wan']);
  });

  it('follows a complete holder rather than crossing', () => {
    expect(designated(peer('F', FULL)).at(1, ...want(0))).toEqual(['dial F']);
  });

  it('fetches from the site what others have, and over the WAN what nobody has', () => {
    const it = designated(peer('A', { held: 30, role: 'target' }));
    expect(it.at(1, ...want(5))).toEqual(['dial A']);
    it.at(2, open('A'));
    expect(it.at(3, attached('A', { held: 30, depth: 3 }))).toEqual(['fetch 5 from A']);
    expect(it.at(4, ...want(30))).toEqual(['fetch 30 from wan']);
  });

  it('backs off when the WAN fails, and goes on', () => {
    const it = designated();
    it.at(1, ...want(0));
    it.at(2, { kind: 'failed', row: 0, from: 'wan', why: 'broken', what: 'reset' });
    expect(it.line.nextWake()).toBe(252);
    expect(it.at(252, { kind: 'wake' })).toEqual(['fetch 0 from wan']);
    it.at(253, { kind: 'failed', row: 0, from: 'wan', why: 'broken', what: 'reset' });
    expect(it.line.nextWake()).toBe(753);
  });

  it('gives up what no source has after three times', () => {
    const it = designated();
    it.at(0, asks('A'), ...follows('A', 0), ...want(0));
    const miss = { kind: 'failed', row: 0, from: 'wan', why: 'missing', what: '404' } as const;
    expect(it.at(1, miss)).toEqual([]);
    expect(it.until(2_000)).toEqual(['fetch 0 from wan']);
    it.at(2_000, miss);
    it.until(10_000, () => [asks('A')]);
    expect(it.at(10_000, miss)).toEqual(['tell A missing 0', 'give up 0: missing']);
  });

  it('finishes what is half way when another is designated, then follows that one', () => {
    const it = designated(peer('A'));
    it.at(1, ...want(0, 1, 2, 3));
    expect(it.at(2, site('E', peer('E')))).toEqual(['dial E']);
    it.at(3, open('E'), came(0, 'wan'));
    expect(it.at(4, attached('E'))).toEqual(['fetch 3 from E']);
  });
});

describe('pausing and leaving', () => {
  it('asks for nothing while paused, serves what it has, and goes on', () => {
    const it = following();
    it.at(1, asks('A'), came(0, 'F'), ...follows('A', 1));
    expect(it.at(2, { kind: 'pause' })).toEqual([
      'tell A moved F (leaving)',
      'cancel 1 from F',
      'cancel 2 from F',
      'cancel 3 from F',
      'hang up F',
    ]);
    expect(it.until(5_000)).toEqual([]);
    expect(it.at(5_001, { kind: 'resume' })).toEqual(['dial F']);
  });

  it('hands its followers on when it leaves, and takes no more', () => {
    const it = following();
    it.at(1, asks('A'));
    expect(it.at(2, { kind: 'leave' })).toContain('tell A moved F (leaving)');
    expect(it.at(3, asks('B'))).toEqual(['tell B refused unfit']);
  });

  it('lets its feeder go when it has all', () => {
    const it = script({ held: (row) => row > 0 });
    it.at(0, site(undefined, peer('F', FULL)), ...want(0), open('F'), attached('F'));
    expect(it.at(1, came(0, 'F'))).toEqual(['hang up F']);
    expect(it.line.state()).toMatchObject({ feeder: undefined, depth: 0, held: ROWS });
  });

  it('gives up after a minute without anybody to ask', () => {
    const it = script();
    it.at(0, ...want(7));
    expect(it.until(59_999)).toEqual([]);
    expect(it.at(60_000, { kind: 'wake' })).toEqual(['give up 7: stalled']);
    expect(it.line.nextWake()).toBeUndefined();
  });
});
