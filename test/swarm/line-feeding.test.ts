// The feeder's side of a line as scripts in time: who joins, who is handed on, who is dropped, who stands in the way.
import { describe, expect, it } from 'vitest';
import { createLine } from '../../src/swarm/line.ts';
import { createMesh } from '../../src/swarm/mesh.ts';
import {
  asks,
  attached,
  came,
  FULL,
  follows,
  type Given,
  lost,
  open,
  peer,
  refOf,
  script,
  served,
  site,
  stands,
  want,
} from './line-script.ts';
import { joins } from './mesh-script.ts';

const source = (given: Given = {}) => script({ self: 'F', role: 'peer', held: () => true, ...given });
describe('one that joins as a node of a mesh', () => {
  it('is told what is held, what comes, and what is gone', () => {
    const it = script();
    it.at(0, site(undefined, peer('F', FULL)), ...want(0, 1), open('F'), attached('F'));
    expect(it.allAt(1, joins('J'))).toEqual([
      'tell J attached depth 1',
      'note follower-came J',
      'tell J holds',
      'tell J standing depth 1',
    ]);
    expect(it.at(2, came(0, 'F'))).toEqual(['tell J have 0']);
    expect(it.at(3, { kind: 'gone', row: 0 })).toEqual(['tell J missing 0']);
    it.at(4, ...follows('J', 1));
    expect(it.at(5, came(1, 'F'))).toEqual(['serve 1 to J']);
  });

  it('is refused by one that leaves', () => {
    const it = source();
    it.at(0, { kind: 'leave' });
    expect(it.at(1, joins('J'))).toEqual(['tell J refused unfit']);
  });

  it('is given nobody`s place, and is in nobody`s way', () => {
    const it = source();
    it.at(0, joins('J'), ...follows('J', 0));
    it.at(100, joins('J'), served('J', 0));
    expect(it.allAt(101, asks('A', { held: 40 }))).not.toContain('tell J moved A (full)');
  });
});

describe('rings', () => {
  it('of two that ask each other: the one with the lower id becomes the feeder', () => {
    const asking = (self: string, other: string) => {
      const it = script({ self });
      it.at(0, site(undefined, peer(other, { held: 9 })), ...want(0));
      return it.at(1, asks(other));
    };
    expect(asking('M', 'A')).toEqual(['tell A refused cycle']);
    expect(asking('M', 'Z')).toEqual([]);
  });

  it('is not thought of with the designated peer, which fetches what nobody has', () => {
    const it = script();
    it.at(0, site('D', peer('D')), ...want(0), open('D'), attached('D', { held: 0 }));
    expect(it.allAt(1, asks('D'))).toContain('tell D attached depth 1');
  });
});

describe('one that is moved or refused and hangs on', () => {
  it('is dropped after ten seconds, but not when it has come back meanwhile', () => {
    const it = source();
    it.at(0, asks('A'));
    it.at(1, asks('B'), asks('C'));
    it.at(5_000, { kind: 'follower-lost', follower: 'A' }, asks('B'));
    const words = it.until(12_000, () => [asks('B')]);
    expect(words).toEqual(['drop C']);
  });
});

describe('while paused', () => {
  it('one that lacks something takes nobody, one that has all takes all', () => {
    const it = script();
    it.at(0, { kind: 'pause' });
    expect(it.at(1, asks('A'))).toEqual(['tell A refused unfit']);
    const whole = source();
    whole.at(0, asks('A'));
    expect(whole.at(1, { kind: 'pause' })).toEqual([]);
    expect(whole.at(2, ...follows('A', 3))).toEqual(['serve 3 to A']);
  });

  it('takes back what it asked of the WAN, and of one that it was about to ask', () => {
    const it = script({ self: 'D', role: 'peer' });
    it.at(0, site('D'), ...want(0));
    expect(it.line.state().feeder).toBe('wan');
    expect(it.at(1, { kind: 'pause' })).toEqual(['cancel 0 from wan']);
    const asking = script();
    asking.at(0, site(undefined, peer('F', FULL)), ...want(0));
    expect(asking.at(1, { kind: 'pause' })).toEqual(['hang up F']);
  });
});

describe('leaving', () => {
  it('hands on to whoever has all or is designated, not to one that follows us, nor to itself', () => {
    const it = source();
    it.at(
      0,
      site('D', peer('D'), peer('G', FULL), peer('A', FULL), peer('U', { ...FULL, fit: false })),
      asks('A'),
    );
    expect(it.at(1, { kind: 'leave' })).toEqual(['tell A moved G (leaving)']);
    const first = source();
    first.at(0, site('D', peer('G', FULL), peer('D')), asks('A'));
    expect(first.at(1, { kind: 'leave' })).toEqual(['tell A moved G (leaving)']);
    const poor = source();
    poor.at(0, site('D', peer('D'), peer('P', { held: 9 })), asks('A'));
    expect(poor.at(1, { kind: 'leave' })).toEqual(['tell A moved D (leaving)']);
  });

  it('leaves its followers to heal when it knows nobody', () => {
    const it = source();
    it.at(0, site(undefined, peer('P', { held: 9 })), asks('A'));
    expect(it.at(1, { kind: 'leave' })).toEqual([]);
  });

  it('does not hand a follower on to that follower itself', () => {
    const it = script();
    it.at(0, site('D', peer('D')), ...want(0), open('D'), attached('D', { held: 0 }), asks('D'));
    expect(it.at(1, { kind: 'leave' })).toEqual(['cancel 0 from D', 'hang up D']);
  });

  it('goes back on what it was about to ask', () => {
    const it = script();
    const above = [refOf('A'), refOf('F')];
    it.at(0, site(undefined, peer('A'), peer('B', FULL)), ...want(0, 1, 2), open('B'));
    it.at(1, attached('B', { held: 3, depth: 2, above }));
    expect(it.until(700, () => [stands('B', { held: 3, depth: 2, above })])).toEqual(['dial A']);
    const words = it.at(701, { kind: 'leave' });
    expect(words).toContain('hang up A');
    expect(words).toContain('hang up B');
  });
});

describe('the designated peer', () => {
  it('lets its feeder go when nothing more is to be had there', () => {
    const it = script({ self: 'D', role: 'peer' });
    it.at(0, site('D', peer('A', { held: 30, role: 'target' })), ...want(5));
    it.at(1, open('A'), attached('A', { held: 30, depth: 3 }));
    expect(it.at(2, came(5, 'A'))).toEqual(['hang up A']);
  });

  it('crosses for what a follower asks of it and its feeder turns out not to have', () => {
    const it = script({ self: 'D', role: 'peer' });
    it.at(0, site('D', peer('A', { held: 30, role: 'target' })), ...want(5));
    it.at(1, open('A'), attached('A', { held: 30, depth: 3 }), asks('B'));
    it.at(2, site('D', peer('A', { held: 3, role: 'target' })));
    expect(it.at(3, ...follows('B', 5))).toEqual(['cancel 5 from A', 'hang up A', 'fetch 5 from wan']);
  });

  it('asks nobody who holds less than it does: what it lacks, they will hardly have', () => {
    const it = script({ self: 'D', role: 'peer', held: (row) => row >= 10 && row < 20 });
    expect(it.at(0, site('D', peer('A', { held: 5 })), ...want(3))).toEqual(['fetch 3 from wan']);
  });

  it('notes when it begins to cross, and when it has brought its last for another to cross', () => {
    const it = script({ self: 'D', role: 'peer' });
    it.at(0, site('D'));
    expect(it.allAt(1, ...want(0))).toEqual(['fetch 0 from wan', 'note crossing-wan wan']);
    it.at(2, site('E', peer('E')));
    expect(it.allAt(3, came(0, 'wan'))).toContain('note left-wan wan');
  });

  it('is not given up on while the WAN still brings what it was asked for', () => {
    const it = script({ self: 'D', role: 'peer' });
    it.at(0, site('D'), ...want(0, 1, 2, 3));
    expect(it.at(60_000, { kind: 'wake' })).toEqual(['give up 3: stalled']);
  });

  it('gives up for a follower alone without telling itself', () => {
    const it = script({ self: 'D', role: 'peer' });
    it.at(0, site('D'), asks('A'), ...follows('A', 0));
    const miss = { kind: 'failed', row: 0, from: 'wan', why: 'missing', what: '404' } as const;
    it.at(1, miss);
    it.until(2_000, () => [asks('A')]);
    it.at(2_000, miss);
    it.until(10_000, () => [asks('A')]);
    expect(it.at(10_000, asks('A'), miss)).toEqual(['tell A missing 0']);
  });
});

it.each([
  ['line', createLine],
  ['mesh', createMesh],
] as const)('patience begins when something is wanted, not before (%s)', (_, make) => {
  const it = script({ make });
  it.at(0, site(undefined));
  it.at(500_000, ...want(7));
  expect(it.until(559_000)).toEqual([]);
  expect(it.until(561_000)).toContain('give up 7: stalled');
});

describe('complete holders', () => {
  it('with a free uplink are asked before others, peers before targets', () => {
    const dialled = (...peers: ReturnType<typeof peer>[]) =>
      script().at(0, site(undefined, ...peers), ...want(0));
    expect(dialled(peer('A', FULL), peer('B', { ...FULL, freeUplinkBytesPerSecond: 1e6 }))).toEqual([
      'dial B',
    ]);
    expect(dialled(peer('A', { ...FULL, role: 'target' }), peer('B', FULL))).toEqual(['dial B']);
  });

  it('lost one after the other leave the third', () => {
    const it = script();
    it.at(0, site(undefined, peer('A', FULL), peer('B', FULL), peer('C', FULL)), ...want(0));
    expect(it.at(1, lost('A'))).toEqual(['suspect A', 'hang up A', 'dial B']);
    expect(it.at(2, lost('B'))).toEqual(['suspect B', 'hang up B', 'dial C']);
  });
});
