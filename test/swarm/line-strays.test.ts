// Late and stray words on a line: what comes of one that is no longer, or never was, our feeder or follower.
import { describe, expect, it } from 'vitest';
import type { LineEvent } from '../../src/swarm/line-ports.ts';
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
  stands,
  want,
} from './line-script.ts';

/** A follows it. */
const followed = () => following('F', {}, asks('A'));

describe('changes nothing', () => {
  it.each<[string, LineEvent]>([
    ['a place given by a stranger', attached('X')],
    ['a beat of a stranger', stands('X')],
    ['a refusal of a stranger', says('X', { kind: 'refused', why: 'unfit' })],
    ['a stranger that points elsewhere', moved('X', 'Y')],
    ['a stranger`s end', lost('X')],
    ['bytes of a stranger', { kind: 'bytes', from: 'X', bytes: 9 }],
    ['a chunk that a stranger does not have', says('X', { kind: 'missing', row: 0 })],
    ['a chunk that the feeder does not have and was not asked for', says('F', { kind: 'missing', row: 9 })],
    ['what the feeder holds, which is for the mesh', says('F', { kind: 'holds', rows: new Uint8Array(8) })],
    ['what it has got, too', says('F', { kind: 'have', row: 7 })],
    ['a failure of what was not asked for', { kind: 'failed', row: 9, from: 'F', why: 'broken', what: '' }],
    ['our own feeder opened again', open('F')],
    ['what a stranger wants', { kind: 'follower-wants', follower: 'X', row: 0 }],
    ['what a stranger wants no more', { kind: 'follower-unwants', follower: 'X', row: 0 }],
    ['a chunk that left for a stranger', served('X', 0)],
    ['a follower lost that is none', { kind: 'follower-lost', follower: 'X' }],
    ['a row beyond the image', { kind: 'follower-wants', follower: 'A', row: ROWS }],
    ['a chunk gone that nobody waits for', { kind: 'gone', row: 9 }],
  ])('%s', (_, event) => {
    const it = followed();
    const before = it.line.state();
    expect(it.at(1, event)).toEqual([]);
    expect(it.line.state()).toEqual(before);
  });
});

it('one that was not dialled, but opens, is hung up on', () => {
  expect(followed().at(1, open('X'))).toEqual(['hang up X']);
});

it('a chunk that comes from elsewhere is cancelled where it was asked for', () => {
  expect(followed().at(1, came(0, 'X'))).toEqual(['cancel 0 from F']);
});

it('a chunk asked for twice is sent once', () => {
  const it = followed();
  it.at(1, came(0, 'F'));
  expect(it.at(2, ...follows('A', 0, 0))).toEqual(['serve 0 to A']);
  it.at(3, { kind: 'follower-unwants', follower: 'A', row: 0 });
  it.at(3, came(1, 'F'), came(2, 'F'), ...follows('A', 1, 2));
  expect(it.at(3, { kind: 'follower-unwants', follower: 'A', row: 1 })).toEqual(['unserve 1 to A']);
  expect(it.at(4, served('A', 0), ...follows('A', 0))).toEqual(['serve 0 to A']);
});

it('a feeder that refuses us after all is left', () => {
  const words = followed().at(1, says('F', { kind: 'refused', why: 'banned' }));
  expect(words).toEqual([...[0, 1, 2, 3].map((row) => `cancel ${row} from F`), 'hang up F']);
});

it('asks its feeder for sixteen chunks at a time', () => {
  const it = followed();
  it.at(1, ...want(...Array.from({ length: 20 }, (_, row) => row + 4)));
  expect(it.at(2, came(0, 'F'))).toEqual(['fetch 16 from F']);
});

it('an event that it does not know is our own bug', () => {
  expect(() => followed().at(1, { kind: 'nonsense' } as never)).toThrow('unreachable');
});

describe('pointed elsewhere', () => {
  it('to one that is unfit, it asks somebody else', () => {
    const it = script();
    it.at(0, site('D', peer('D'), peer('F', FULL), peer('U', { fit: false })), ...want(0), open('F'));
    expect(it.at(1, moved('F', 'U'))).toEqual(['hang up F', 'dial D']);
    const fed = followed();
    fed.at(1, site('D', peer('D'), peer('F', FULL), peer('U', { fit: false })));
    expect(fed.allAt(2, moved('F', 'U', 'slow'))).toEqual(['tell F attach']);
  });

  it('in vain, it asks the old one back; what that says then counts, and it is not hung up on', () => {
    const back = () => {
      const it = followed();
      it.at(1, moved('F', 'C', 'slow'), open('C'));
      expect(it.allAt(2, says('C', { kind: 'refused', why: 'unfit' }))).toEqual([
        'hang up C',
        'tell F attach',
      ]);
      return it;
    };
    expect(back().at(3, moved('F', 'E'))).toEqual(['dial E']);
    expect(back().at(3, says('F', { kind: 'refused', why: 'unfit' }))).toEqual([]);
    expect(back().at(3, lost('F'))).toContain('hang up F');
    // It answers no more, but beats: it has taken our beat for an attach.
    const late = back();
    late.until(500, () => [{ kind: 'bytes', from: 'F', bytes: 9 }]);
    expect(late.at(501, stands('F'))).toContain('fetch 0 from F');
  });

  it('while it asks to go round, it forgets that question', () => {
    const it = script();
    it.at(0, site(undefined, peer('F', FULL), peer('A'), peer('B')), ...want(0, 1, 2), open('F'));
    const above = [refOf('A'), refOf('F')];
    it.at(1, moved('F', 'B'), open('B'), attached('B', { held: 3, depth: 2, above }));
    expect(it.until(700, () => [stands('B', { held: 3, depth: 2, above })])).toEqual(['dial A']);
    expect(it.at(701, moved('B', 'C', 'slow'))).toEqual(['hang up A', 'dial C']);
  });

  it('sends those who come now to where it goes, but not whoever that is', () => {
    const it = followed();
    it.at(1, moved('F', 'C', 'slow'));
    expect(it.at(2, asks('B'))).toEqual(['tell B moved C (full)']);
    expect(it.at(3, asks('C'))).not.toContain('tell C moved C (full)');
  });
});

describe('a node that is held up itself', () => {
  it('gives the one that it dials the time that it lost', () => {
    const it = script();
    it.at(0, site(undefined, peer('F', FULL)), ...want(0), asks('A'));
    // Due at 150 for its follower: 350 ms too late, so that the dial has until 770 instead of 400.
    expect(it.at(500, { kind: 'wake' })).toEqual([]);
    expect(it.until(770, () => [asks('A')])).toEqual([]);
    expect(it.until(780, () => [asks('A')])).toEqual(['suspect F', 'hang up F']);
  });

  it('reads what waits for it before it judges, when it is woken late at just that moment', () => {
    const dialling = script();
    dialling.at(0, site(undefined, peer('F', FULL)), ...want(0));
    expect(dialling.at(480, { kind: 'wake' })).toEqual([]);
    expect(dialling.at(490, open('F'))).not.toContain('suspect F');
    const fed = followed();
    const due = fed.line.nextWake() ?? 0;
    expect(fed.at(due + 5_000, { kind: 'wake' })).not.toContain('suspect F');
    expect(fed.at(due + 5_010, stands('F'))).not.toContain('suspect F');
  });
});

describe('cut off from every source', () => {
  it('waits five seconds for those above to mend it, then asks a source itself', () => {
    const it = script();
    it.at(0, site('D', peer('D'), peer('B', { held: 9 })), ...want(0), open('D'));
    it.at(1, moved('D', 'B'), open('B'));
    expect(it.allAt(2, attached('B', { held: 9, depth: 0xffff }))).toContain('note attached B');
    const beat = () => [stands('B', { held: 9, depth: 0xffff, above: [refOf('D')] })];
    expect(it.until(4_900, beat).filter((word) => word === 'dial D')).toEqual([]);
    expect(it.until(5_400, beat)).toContain('dial D');
  });

  it('has nobody to ask when the only source feeds it', () => {
    const it = script();
    it.at(0, site('D', peer('D')), ...want(0), open('D'), attached('D', { held: 0, depth: 0xffff }));
    const beat = () => [stands('D', { held: 0, depth: 0xffff })];
    expect(it.until(7_000, beat).filter((word) => word.startsWith('dial'))).toEqual([]);
  });
});
