// The mesh as scripts in time: joining many, the rarest first, what fails and who takes over, whom it serves.
import { describe, expect, it } from 'vitest';
import type { FollowerMessage } from '../../src/swarm/line-messages.ts';
import type { FetchFailure, LineEvent, LinePeer, Row } from '../../src/swarm/line-ports.ts';
import { createMesh } from '../../src/swarm/mesh.ts';
import {
  asks,
  attached,
  came,
  follows,
  type Given,
  lost,
  moved,
  open,
  peer,
  ROWS,
  refOf,
  type Script,
  says,
  script,
  served,
  site,
  stands,
  want,
} from './line-script.ts';

const FULL = { held: ROWS };
/** Passing time does not show the joins by which it says that it lives. */
function mesh(given: Given = {}): Script {
  const it = script({ ...given, make: createMesh });
  const until: Script['until'] = (ms, alive) =>
    it.until(ms, alive).filter((word) => !/^tell \w+ join$/.test(word));
  return { ...it, until };
}

/** One bit a row, as a source tells what it holds. */
function holds(source: string, ...rows: Row[]): LineEvent {
  const bits = new Uint8Array(ROWS / 8);
  for (const row of rows) bits[row >> 3] = (bits[row >> 3] as number) | (0x80 >> (row & 7));
  return says(source, { kind: 'holds', rows: bits });
}
const joins = (follower: string, held = 0): LineEvent => ({
  kind: 'follower-says',
  follower: refOf(follower),
  message: { kind: 'join', held } satisfies FollowerMessage,
});
const failed = (row: Row, from: string, why: FetchFailure): LineEvent => ({
  ...{ kind: 'failed', row, from, why, what: why },
});
/** A source of part of the image has joined, and says what it holds. */
const joined = (source: string, ...rows: Row[]): LineEvent[] => [
  open(source),
  attached(source, { held: rows.length, depth: 1 }),
  holds(source, ...rows),
];
const part = (id: string, held = 1): LinePeer => peer(id, { held, role: 'target' });
const fetches = (words: readonly string[]) => words.filter((word) => word.startsWith('fetch'));
const beats =
  (...sources: string[]) =>
  () =>
    sources.map((id) => stands(id, { held: 2, depth: 1 }));

describe('joining', () => {
  it('asks nobody before something is wanted', () => {
    expect(mesh().at(0, site('D', peer('D')))).toEqual([]);
  });

  it('dials the designated peer, and at most six in all of those that hold something', () => {
    const parts = ['A', 'B', 'C', 'E', 'F', 'G', 'H'].map((id) => part(id));
    const it = mesh();
    const words = it.at(0, site('D', ...parts, peer('D'), peer('Z')), ...want(0));
    expect(it.at(1, ...want(1))).toEqual([]);
    expect(words[0]).toBe('dial D');
    expect(new Set(words).size).toBe(6);
    expect(words).not.toContain('dial Z');
  });

  it('does not dial a designated peer that nobody sees, nor one that is unfit', () => {
    expect(mesh().at(0, site('D', peer('A', { ...FULL, fit: false })), ...want(0))).toEqual([]);
  });

  it('says join to each, and hangs up on one that it has not dialled', () => {
    const it = mesh();
    it.at(0, site(undefined, part('A'), peer('F', FULL)), ...want(0));
    expect(it.at(1, open('A'))).toEqual(['tell A join']);
    expect(it.at(1, open('X'))).toEqual(['hang up X']);
    expect(it.at(2, says('X', { kind: 'have', row: 0 }), lost('X'))).toEqual([]);
  });

  it('begins with the rarest of what a source has', () => {
    const it = mesh();
    it.at(0, site(undefined, part('A'), part('B')), ...want(0, 1, 2, 3, 4, 10, 11, 12));
    expect(fetches(it.at(1, ...joined('A', 0, 1, 2, 3, 4)))).toEqual([
      'fetch 0 from A',
      'fetch 1 from A',
      'fetch 2 from A',
    ]);
    expect(fetches(it.at(2, ...joined('B', 3, 10, 11, 12)))).toEqual([
      'fetch 10 from B',
      'fetch 11 from B',
      'fetch 12 from B',
    ]);
    expect(it.at(3, came(0, 'A'))).toEqual(['fetch 4 from A']);
    expect(it.at(4, came(10, 'B'))).toEqual(['fetch 3 from B']);
  });

  it('asks one that has all for one chunk at a time, and first for what nobody else has', () => {
    const it = mesh();
    it.at(0, site(undefined, peer('F', FULL), part('A')), ...want(0, 1));
    expect(it.at(1, ...joined('A', 0), open('F'), attached('F'))).toEqual([
      'tell A join',
      'fetch 0 from A',
      'tell F join',
      'fetch 1 from F',
    ]);
    expect(it.at(2, ...want(2))).toEqual([]);
    expect(it.at(3, came(1, 'F'))).toEqual(['fetch 2 from F']);
    expect(it.line.state()).toMatchObject({ strategy: 'swarm', feeder: 'A', depth: 1 });
  });

  it('asks one that has all also for what another has that is busy', () => {
    const it = mesh();
    it.at(0, site(undefined, peer('F', FULL), part('A')), ...want(0, 1, 2, 3));
    it.at(1, ...joined('A', 0, 1, 2, 3));
    expect(it.at(2, open('F'), attached('F'))).toEqual(['tell F join', 'fetch 3 from F']);
  });

  it('believes a source of fewer bits than rows, and a row beyond the image, no further than they go', () => {
    const it = mesh();
    it.at(0, site(undefined, part('A')), ...want(0, 60));
    expect(
      it.at(
        1,
        open('A'),
        attached('A', { held: 1 }),
        says('A', { kind: 'holds', rows: Uint8Array.of(0x80) }),
      ),
    ).toEqual(['tell A join', 'fetch 0 from A']);
    expect(it.at(2, says('A', { kind: 'have', row: ROWS }), says('A', { kind: 'have', row: 0 }))).toEqual([]);
    expect(it.at(3, says('A', { kind: 'have', row: 60 }))).toEqual(['fetch 60 from A']);
  });
});

describe('what nobody holds', () => {
  it('is asked of the designated peer, but not while somebody has not told what it holds', () => {
    const it = mesh();
    it.at(0, site('D', peer('D'), part('A')), ...want(0));
    expect(
      fetches(it.at(1, open('D'), attached('D', { held: 0 }), open('A'), attached('A', { held: 1 }))),
    ).toEqual([]);
    expect(it.at(2, holds('A', 9))).toEqual(['fetch 0 from D']);
  });

  it('counts as untold no longer when a node of another strategy says nothing at its second word', () => {
    const it = mesh();
    it.at(0, site('D', peer('D'), part('A')), ...want(0), open('D'), attached('D', { held: 0 }));
    expect(it.at(1, open('A'), attached('A', { held: 1 }))).toEqual(['tell A join']);
    expect(it.at(2, stands('A', { held: 1 }))).toEqual(['fetch 0 from D']);
  });

  it('counts as untold no longer when the node that did not tell leaves the site', () => {
    const it = mesh();
    it.at(0, site('D', peer('D'), part('A')), ...want(0), open('D'), attached('D', { held: 0 }));
    it.at(1, open('A'), attached('A', { held: 1 }));
    expect(it.at(2, site('D', peer('D')))).toEqual(['fetch 0 from D']);
  });

  it('is asked of the next one when another is designated; what its source holds stays there', () => {
    const it = mesh();
    it.at(0, site('D', peer('D')), ...want(0, 1), open('D'), attached('D', { held: 1 }), holds('D', 1));
    expect(it.line.state().feeder).toBe('D');
    const words = it.at(1, came(1, 'D'), ...want(2), site('E', peer('D'), peer('E')));
    expect(words).toEqual(['cancel 0 from D', 'dial E']);
  });

  it('comes over the WAN when we are designated, three at a time, never what is in the site', () => {
    const it = mesh({ self: 'D', role: 'peer' });
    expect(it.at(0, site('D', part('A')), ...want(0, 1, 2, 3, 4))).toEqual(['dial A']);
    expect(it.at(1, ...joined('A', 0))).toEqual([
      'tell A join',
      'fetch 1 from wan',
      'fetch 2 from wan',
      'fetch 3 from wan',
      'fetch 0 from A',
    ]);
    expect(it.line.state()).toMatchObject({ feeder: 'A', depth: 0 });
    expect(it.at(2, came(0, 'A'), came(1, 'wan'))).toEqual(['fetch 4 from wan']);
    expect(it.line.state().feeder).toBe('wan');
    it.at(3, came(2, 'wan'), came(3, 'wan'), came(4, 'wan'));
    expect(it.line.state().feeder).toBe('A');
  });

  it('is noted when we begin to cross, and when another does so', () => {
    const it = mesh({ self: 'D', role: 'peer' });
    it.at(0, site('D'));
    expect(it.allAt(1, ...want(0))).toEqual(['fetch 0 from wan', 'note crossing-wan wan']);
    expect(it.allAt(2, came(0, 'wan'), ...want(1), came(1, 'wan'))).not.toContain('note left-wan wan');
    expect(it.allAt(3, site('E', peer('E')), ...want(2))).toEqual(['dial E', 'note left-wan wan']);
  });

  it('rests after the WAN failed, and is given up when no source has it', () => {
    const it = mesh({ self: 'D', role: 'peer' });
    it.at(0, site('D'), joins('A'), ...want(0), ...follows('A', 0));
    expect(it.at(1, failed(0, 'wan', 'broken'))).toEqual([]);
    expect(it.until(300)).toEqual(['fetch 0 from wan']);
    it.at(300, failed(0, 'wan', 'missing'));
    expect(it.until(2_000)).toEqual(['fetch 0 from wan']);
    it.at(2_000, failed(0, 'wan', 'missing'));
    it.until(10_000);
    expect(it.at(10_000, failed(0, 'wan', 'missing'))).toEqual(['tell A missing 0', 'give up 0: missing']);
  });

  it('is given up after a minute with nobody to ask, but not while paused', () => {
    const it = mesh();
    it.at(0, ...want(7));
    expect(it.until(59_900)).toEqual([]);
    expect(it.until(60_200)).toEqual(['give up 7: stalled']);
    it.at(60_200, ...want(8));
    it.at(60_300, { kind: 'pause' });
    expect(it.until(200_000)).toEqual([]);
    expect(it.line.nextWake()).toBeUndefined();
  });

  it('is not given up while somebody fetches it, nor for a follower alone', () => {
    const it = mesh({ self: 'D', role: 'peer' });
    it.at(0, site('D'), joins('A'), ...follows('A', 0, 1, 2, 3));
    expect(it.at(60_100, { kind: 'wake' })).toEqual(['tell A missing 3']);
  });
});

describe('a source that fails', () => {
  /** A holds rows 0 and 1, B holds rows 0 and 2; 0, 1 and 2 are wanted. */
  function two(): Script {
    const it = mesh();
    it.at(0, site(undefined, part('A', 2), part('B', 2)), ...want(1, 2));
    it.at(1, ...joined('A', 0, 1), ...joined('B', 0, 2));
    return it;
  }

  it('at one chunk is asked for it no more, and another one is after a moment', () => {
    const it = two();
    expect(it.at(2, ...want(0))).toEqual(['fetch 0 from B']);
    expect(it.at(3, says('B', { kind: 'missing', row: 0 }))).toEqual([]);
    expect(it.until(200)).toEqual(['fetch 0 from A']);
    expect(it.at(201, failed(0, 'B', 'missing'))).toEqual([]);
  });

  it('that claims all and lacks one counts as whole no more', () => {
    const it = mesh();
    it.at(0, site(undefined, peer('F', FULL)), ...want(0, 1), open('F'), attached('F'));
    expect(it.at(1, says('F', { kind: 'missing', row: 0 }))).toEqual([]);
    expect(it.until(1_000)).toEqual([]);
  });

  it('at its connection is left, and set aside', () => {
    const it = two();
    expect(it.at(2, failed(1, 'A', 'broken'))).toEqual(['hang up A']);
    expect(it.until(900, beats('B'))).toEqual([]);
    expect(it.until(1_200, beats('B'))).toEqual(['dial A']);
  });

  it('by lying once is asked again, twice is banned', () => {
    const it = two();
    expect(it.at(3, failed(1, 'A', 'corrupt'))).toEqual([]);
    expect(it.until(150, beats('A', 'B'))).toEqual(['fetch 1 from A']);
    expect(it.allAt(151, failed(1, 'A', 'corrupt'))).toContain('note feeder-banned A');
    expect(it.until(5_000, beats('B'))).not.toContain('dial A');
  });

  it.each<[string, LineEvent]>([
    ['refuses', says('A', { kind: 'refused', why: 'unfit' })],
    ['points elsewhere, which a mesh does not follow', moved('A', 'C')],
  ])('%s is left', (_, event) => {
    expect(two().at(2, event)).toEqual(['cancel 1 from A', 'hang up A']);
  });

  it('and closed by itself needs no hanging up; its chunks wait for another', () => {
    const it = two();
    expect(it.at(2, lost('A'))).toEqual([]);
    expect(it.at(3, site(undefined, part('B', 2), part('C')), ...joined('C', 1))).toEqual([
      'dial C',
      'tell C join',
      'fetch 1 from C',
    ]);
  });

  it('does not answer the dial for 400 ms, or is silent for 900 ms, and is suspected', () => {
    const it = mesh();
    it.at(0, site(undefined, part('A')), ...want(0));
    expect(it.until(600)).toEqual(['suspect A', 'hang up A']);
    const other = two();
    expect(other.until(850)).toEqual([]);
    expect(other.until(1_100)).toEqual([
      'suspect B',
      'cancel 2 from B',
      'hang up B',
      'suspect A',
      'cancel 1 from A',
      'hang up A',
    ]);
  });

  it('lives, has what was asked for, and sends nothing', () => {
    const words = two().until(1_800, beats('A', 'B'));
    expect(words).toEqual(['cancel 2 from B', 'hang up B', 'cancel 1 from A', 'hang up A']);
  });

  it('is not stalled while bytes come, nor blamed for a pause of our own', () => {
    const it = two();
    const bytes = (): LineEvent[] => ['A', 'B'].map((from) => ({ kind: 'bytes', from, bytes: 9 }));
    expect(it.until(3_000, bytes)).toEqual([]);
    expect(it.at(9_000, { kind: 'wake' })).toEqual(['tell B join', 'tell A join']);
  });
});

describe('at the end', () => {
  it('an idle source takes over what waits at a busy one', () => {
    const it = mesh();
    it.at(0, site(undefined, part('A', 2), part('B', 2)), ...want(0, 1));
    it.at(1, ...joined('A', 0, 1));
    expect(it.at(2, ...joined('B', 0, 1))).toEqual(['tell B join', 'cancel 1 from A', 'fetch 1 from B']);
  });

  it('an idle source takes over from one that is held up, which is left', () => {
    const it = mesh();
    it.at(0, site(undefined, part('A', 2), part('B', 2)), ...want(0, 1));
    it.at(1, ...joined('A', 0), ...joined('B', 0, 1));
    // B brings a megabyte in 100 ms; A sends nothing of its own for long after that.
    it.at(101, came(1, 'B'));
    expect(it.until(550, beats('A', 'B'))).toEqual([]);
    expect(it.until(800, beats('A', 'B'))).toEqual(['cancel 0 from A', 'hang up A', 'fetch 0 from B']);
  });

  it('what came from elsewhere is cancelled where it was asked for', () => {
    const it = mesh();
    it.at(0, site(undefined, part('A', 2)), ...want(0));
    it.at(1, ...joined('A', 0));
    expect(it.at(2, came(0, 'B'))).toEqual(['cancel 0 from A']);
  });

  it('all sources are let go when all is held', () => {
    const it = mesh({ held: (row) => row > 0 });
    it.at(0, site(undefined, peer('F', FULL)), ...want(0), open('F'), attached('F'));
    expect(it.allAt(1, came(0, 'F'))).toEqual(['note complete', 'hang up F']);
    expect(it.at(2, ...want(0))).toEqual([]);
    expect(it.line.state()).toMatchObject({ held: ROWS, depth: 0, feeder: undefined });
    expect(it.line.nextWake()).toBeUndefined();
  });

  it('what is wanted no more is asked for no more', () => {
    const it = mesh();
    it.at(0, site(undefined, part('A', 2)), ...want(0), ...joined('A', 0));
    it.at(1, joins('B'), ...follows('B', 0));
    expect(it.at(2, { kind: 'unwant', row: 0 })).toEqual([]);
    expect(it.at(3, { kind: 'follower-unwants', follower: 'B', row: 0 })).toEqual(['cancel 0 from A']);
    expect(it.at(4, { kind: 'unwant', row: 9 })).toEqual([]);
  });
});

describe('followers', () => {
  const source = (given: Given = {}) => mesh({ self: 'F', role: 'peer', held: () => true, ...given });

  it('that join are told what is held, and served', () => {
    const it = source();
    expect(it.allAt(0, joins('A'))).toEqual([
      'tell A attached depth 0',
      'note follower-came A',
      'tell A holds',
    ]);
    expect(it.at(1, ...follows('A', 5, 5))).toEqual(['serve 5 to A']);
    expect(it.at(2, served('A', 5), joins('A', 1))).toEqual([]);
    expect(it.line.state().followers).toEqual([{ id: 'A', rate: 1e9, held: 1, joins: true }]);
  });

  it('are at most 24, and none while we leave', () => {
    const it = source();
    const many = Array.from({ length: 24 }, (_, i) => String.fromCodePoint(97 + i));
    it.at(0, ...many.map((id) => joins(id)));
    expect(it.at(1, joins('Z'))).toEqual(['tell Z refused full']);
    const leaving = source();
    leaving.at(0, { kind: 'leave' });
    expect(leaving.at(1, joins('A'))).toEqual(['tell A refused unfit']);
  });

  it('may ask for what is on its way to us, or what we cross the WAN for, and for nothing else', () => {
    const it = mesh();
    it.at(0, site(undefined, part('A', 1)), ...want(0), ...joined('A', 0), joins('B'));
    expect(it.at(1, ...follows('B', 0))).toEqual([]);
    expect(it.at(2, ...follows('B', 9))).toEqual(['tell B missing 9']);
    expect(it.at(3, ...follows('B', ROWS), ...follows('X', 0))).toEqual([]);
    expect(it.line.state().holds).toBe(1);
    it.at(4, joins('C'));
    it.at(5, asks('E'));
    expect(it.at(6, came(0, 'A'))).toEqual(['serve 0 to B', 'tell C have 0']);
    const designated = mesh({ self: 'D', role: 'peer' });
    designated.at(0, site('D'), joins('A'));
    expect(designated.at(1, ...follows('A', 3))).toEqual(['fetch 3 from wan']);
  });

  it('do not wait for what is asked of themselves', () => {
    const it = mesh();
    it.at(0, site(undefined, part('A', 1)), ...want(0), ...joined('A', 0), joins('A'));
    expect(it.at(1, ...follows('A', 0))).toEqual(['tell A missing 0']);
    const later = mesh();
    later.at(0, site(undefined, part('A', 1), part('B', 1)), ...want(0), joins('A'), ...follows('A', 0));
    expect(later.at(1, ...joined('B'), ...joined('A', 0))).toContain('tell A missing 0');
    expect(later.line.state().holds).toBe(0);
  });

  it('take back what they asked for', () => {
    const it = source();
    it.at(0, joins('A'), ...follows('A', 5));
    expect(it.at(1, { kind: 'follower-unwants', follower: 'A', row: 5 })).toEqual(['unserve 5 to A']);
    expect(it.at(2, { kind: 'follower-unwants', follower: 'A', row: 5 })).toEqual([]);
    expect(it.at(3, { kind: 'follower-unwants', follower: 'X', row: 5 }, served('X', 5))).toEqual([]);
  });

  it('are told what is no longer held: all that were told, and of a line who waits for it', () => {
    const it = source();
    it.at(0, joins('A'), asks('B'), ...follows('B', 5));
    expect(it.at(1, { kind: 'gone', row: 6 })).toEqual(['tell A missing 6']);
    expect(it.at(2, { kind: 'gone', row: 5 })).toEqual([
      'tell A missing 5',
      'unserve 5 to B',
      'tell B missing 5',
    ]);
  });

  it('of a line: the first is kept, others go behind it, and into the place of one that is lost or silent', () => {
    const it = source();
    expect(it.allAt(0, asks('A'))).toContain('tell A attached depth 0');
    expect(it.at(1, asks('B'))).toEqual(['tell B moved A (full)']);
    it.at(2, asks('A', { held: 3, rate: 7 }));
    expect(it.line.state().followers).toMatchObject([{ id: 'A', held: 3 }]);
    it.until(499);
    expect(it.allAt(500, asks('C'))).toContain('tell C attached depth 0');
    it.at(501, { kind: 'follower-lost', follower: 'C' }, { kind: 'follower-lost', follower: 'X' });
    expect(it.line.state().followers).toHaveLength(1);
  });

  it('of a line find nothing here while we are cut off, or paused with a part', () => {
    const it = mesh();
    expect(it.at(0, asks('A'))).toEqual(['tell A refused unfit']);
    it.at(1, site(undefined, part('B')), ...want(0), ...joined('B', 0));
    expect(it.allAt(2, asks('A'))).toContain('tell A attached depth 1');
    const paused = mesh({ self: 'D', role: 'peer' });
    paused.at(0, site('D'), { kind: 'pause' });
    expect(paused.at(1, asks('A'))).toEqual(['tell A refused unfit']);
    const whole = source();
    whole.at(0, { kind: 'pause' });
    expect(whole.allAt(1, asks('A'))).toContain('tell A attached depth 0');
  });

  it('forget what they waited for when they are lost', () => {
    const it = mesh();
    it.at(0, site(undefined, part('B')), ...want(0), ...joined('B', 0), asks('A'), ...follows('A', 7));
    expect(it.line.state().holds).toBe(1);
    it.at(1, { kind: 'follower-lost', follower: 'A' });
    expect(it.line.state().holds).toBe(0);
  });
});

describe('pausing and leaving', () => {
  /** Fetches from F and over the WAN; A follows by a line, B joins. */
  function busy(): Script {
    const it = mesh({ self: 'D', role: 'peer', held: (row) => row === 9 });
    it.at(0, site('D', part('E', 1)), ...want(0, 1), ...joined('E', 0));
    it.at(1, asks('A'), joins('B'), ...follows('A', 9));
    return it;
  }

  it('lets go of all, and hands on who has only us', () => {
    const it = busy();
    it.at(2, stands('E', FULL));
    expect(it.at(3, { kind: 'leave' })).toEqual([
      'unserve 9 to A',
      'tell A moved E (leaving)',
      'tell B moved E (leaving)',
      'cancel 1 from wan',
      'cancel 0 from E',
      'hang up E',
    ]);
    expect(it.until(2_000)).toEqual([]);
  });

  it('has nobody to hand on to when no source has all', () => {
    // They heal when the connection ends.
    expect(busy().at(2, { kind: 'pause' })).not.toContainEqual(expect.stringMatching(/^tell/));
  });

  it('does not hand a follower on to itself, but to the designated peer though that holds little', () => {
    const it = mesh();
    it.at(0, site('D', peer('D')), ...want(0), open('D'), attached('D', { held: 0 }), asks('A'), asks('D'));
    it.at(500, asks('D'), stands('D', { held: 0 }));
    expect(it.at(501, asks('A'), { kind: 'leave' })).toContain('tell A moved D (leaving)');
    const ring = mesh();
    ring.at(0, site('D', peer('D')), ...want(0), open('D'), attached('D', { held: 0 }), asks('D'));
    expect(ring.at(1, { kind: 'leave' })).not.toContainEqual(expect.stringMatching(/^tell/));
  });

  it('asks for nothing while paused, and goes on where it was', () => {
    const it = busy();
    it.at(2, { kind: 'pause' });
    expect(it.at(3, ...want(5))).toEqual([]);
    expect(it.until(90_000)).toEqual([]);
    expect(it.at(90_001, { kind: 'resume' })).toEqual(['dial E']);
  });

  it('with the whole image goes on serving while paused', () => {
    const it = mesh({ self: 'F', role: 'peer', held: () => true });
    it.at(0, joins('A'));
    expect(it.at(1, { kind: 'pause' }, ...follows('A', 3))).toEqual(['serve 3 to A']);
  });
});

it('an event or a message that it does not know is our own bug', () => {
  expect(() => mesh().at(0, { kind: 'nonsense' } as never)).toThrow('unreachable');
  const it = mesh();
  it.at(0, site(undefined, part('A')), ...want(0), open('A'));
  expect(() => it.at(1, says('A', { kind: 'nonsense' } as never))).toThrow('unreachable');
});
