// The mesh as scripts in time: joining many, the rarest first, what fails and who takes over.
import { describe, expect, it } from 'vitest';
import type { LineEvent } from '../../src/swarm/line-ports.ts';
import {
  attached,
  came,
  FULL,
  follows,
  lost,
  moved,
  open,
  peer,
  ROWS,
  type Script,
  says,
  site,
  stands,
  want,
} from './line-script.ts';
import { beats, failed, fetches, holds, joined, joins, mesh, part } from './mesh-script.ts';

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

  it('does not hinder what the designated peer holds, nor the other way round', () => {
    const it = mesh();
    it.at(0, site('D', peer('D')), ...want(0, 1, 2, 3), open('D'), attached('D', { held: 0 }));
    // One chunk is on its way over the WAN; of what D has meanwhile, one is asked for beside it.
    const asked = fetches(it.at(2, says('D', { kind: 'have', row: 2 }), says('D', { kind: 'have', row: 3 })));
    expect(asked).toHaveLength(1);
    expect(['fetch 2 from D', 'fetch 3 from D']).toContain(asked[0]);
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
    expect(it.until(650)).toEqual([]);
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
    expect(it.at(2, lost('A'))).toEqual(['suspect A']);
    expect(it.at(3, site(undefined, part('B', 2), part('C')), ...joined('C', 1))).toEqual([
      'dial C',
      'tell C join',
      'fetch 1 from C',
    ]);
  });

  it('does not answer the dial for 400 ms, or is silent for 675 ms, and is suspected', () => {
    const it = mesh();
    it.at(0, site(undefined, part('A')), ...want(0));
    expect(it.until(600)).toEqual(['suspect A', 'hang up A']);
    const other = two();
    expect(other.until(650)).toEqual([]);
    expect(other.until(850)).toEqual([
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

it('an event or a message that it does not know is our own bug', () => {
  expect(() => mesh().at(0, { kind: 'nonsense' } as never)).toThrow('unreachable');
  const it = mesh();
  it.at(0, site(undefined, part('A')), ...want(0), open('A'));
  expect(() => it.at(1, says('A', { kind: 'nonsense' } as never))).toThrow('unreachable');
});
