// The mesh as scripts in time: whom it serves, and how it takes its leave.
import { describe, expect, it } from 'vitest';
import {
  asks,
  attached,
  came,
  FULL,
  follows,
  type Given,
  open,
  peer,
  ROWS,
  type Script,
  served,
  site,
  stands,
  want,
} from './line-script.ts';
import { joined, joins, mesh, part } from './mesh-script.ts';

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
