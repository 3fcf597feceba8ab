// A node whose own uplink is slow: it finds that out, sends whoever follows it up in its place, and goes to the end of the line.
import { describe, expect, it } from 'vitest';
import { createLine } from '../../src/swarm/line.ts';
import type { LineEvent, LinePeer } from '../../src/swarm/line-ports.ts';
import { createMesh } from '../../src/swarm/mesh.ts';
import {
  asks,
  attached,
  came,
  FULL,
  follows,
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

const F = peer('F', FULL);
/** F lives, and goes on sending. */
const ALIVE: readonly LineEvent[] = [stands('F'), { kind: 'bytes', from: 'F', bytes: 9 }];
const ROWS_ASKED = Array.from({ length: 40 }, (_, row) => row);

/** M is fed a chunk every 20 ms by F; A follows it, claims to hold `held`, and takes a chunk a second. */
function slowUplink(held: number, untilMs = 3_000): { it: Script; words: string[] } {
  const it = script();
  const words: string[] = [];
  it.at(
    0,
    site(undefined, F),
    ...want(...Array.from({ length: ROWS }, (_, row) => row)),
    open('F'),
    attached('F'),
  );
  it.at(1, asks('A', { held }));
  for (let ms = 20; ms <= untilMs; ms += 20) {
    const events: LineEvent[] = ms <= 1_200 ? [came(ms / 20 - 1, 'F')] : [];
    if (ms % 100 === 0) events.push(...ALIVE, asks('A', { held }));
    if (ms === 1_000) events.push(...follows('A', ...ROWS_ASKED));
    if (ms > 1_000 && ms % 1_000 === 0) events.push(served('A', ms / 1_000 - 2));
    for (const event of events) words.push(...it.allAt(ms, event));
    words.push(...it.allAt(ms, { kind: 'wake' }));
  }
  return { it, words };
}

describe('a node that is sent much and can pass on little', () => {
  it('tells its feeder so, and sends its follower there to take its place', () => {
    const { it, words } = slowUplink(50);
    expect(words).toContain('note uplink-slow');
    expect(words).toContain('tell F attach instead of M');
    expect(words).toContain('tell A moved F (instead)');
    expect(it.line.state()).toMatchObject({ slowUplink: true, feeder: 'F' });
  });

  it('keeps a follower that has only begun: its feeder shall not wait for that one', () => {
    const { it, words } = slowUplink(2);
    expect(words).toContain('note uplink-slow');
    expect(words).not.toContain('tell A moved F (instead)');
    expect(it.line.state().followers).toHaveLength(1);
  });

  it('keeps one that comes back, for half a minute', () => {
    const { it } = slowUplink(50);
    expect(
      it.allAt(3_100, ...ALIVE, { kind: 'follower-lost', follower: 'A' }, asks('A', { held: 50 })),
    ).toContain('tell A attached depth 1');
    expect(it.until(20_000, () => [...ALIVE, asks('A', { held: 50 })])).not.toContain(
      'tell A moved F (instead)',
    );
    expect(it.until(40_000, () => [...ALIVE, asks('A', { held: 50 })])).toContain('tell A moved F (instead)');
  });

  it('sends newcomers up at once, but not whoever has a slow uplink, too', () => {
    const { it } = slowUplink(50);
    expect(it.at(3_010, asks('B', { held: 60 }))).toEqual(['tell B moved F (instead)']);
    expect(it.at(3_020, asks('C', { held: 60, insteadOf: 'C' } as never))).toEqual(['tell C moved A (full)']);
  });
});

describe('a holder of all whose uplink is slow', () => {
  /** M has all and is fed by nobody; A took a chunk a second, B took its place and takes no more. */
  function exchanged(peers: readonly LinePeer[], make = createLine): string[] {
    const it = script({ self: 'M', role: 'peer', held: () => true, make });
    const words: string[] = [];
    const say = (ms: number, ...events: LineEvent[]) => words.push(...it.allAt(ms, ...events));
    say(0, site(undefined, ...peers), asks('A'), ...follows('A', ...ROWS_ASKED));
    for (let ms = 1_000; ms <= 3_000; ms += 1_000) say(ms, asks('A'), served('A', ms / 1_000 - 1));
    say(3_001, asks('A'), asks('B', { rate: 10e6, insteadOf: 'A' } as never), ...follows('B', ...ROWS_ASKED));
    for (let ms = 3_100; ms <= 7_000; ms += 100) {
      say(ms, asks('B', { rate: 10e6 }));
      if (ms % 1_000 === 0) say(ms, served('B', ms / 1_000 - 4));
    }
    return words;
  }

  it('sends its follower to another holder of all, if there is one', () => {
    const words = exchanged([peer('G', FULL), peer('D')]);
    expect(words).toContain('tell A moved B (slow)');
    expect(words).toContain('tell B moved G (instead)');
  });

  it.each([
    ['line', createLine],
    ['mesh', createMesh],
  ] as const)('keeps its follower when nobody else has all (%s)', (_, make) => {
    const words = exchanged([peer('P', { held: 9 })], make);
    expect(words).toContain('note uplink-slow');
    expect(words.filter((word) => word.startsWith('tell B moved'))).toEqual([]);
  });
});

describe('sent up', () => {
  it('asks the feeder of the one that sent it for that one`s place', () => {
    const it = script();
    it.at(0, site('D', peer('D'), peer('B', { held: 9 })), ...want(0), open('D'));
    expect(it.at(1, says('D', { kind: 'moved', to: refOf('B'), why: 'full' }))).toEqual([
      'hang up D',
      'dial B',
    ]);
    it.at(2, open('B'));
    expect(it.at(3, says('B', { kind: 'moved', to: refOf('D'), why: 'instead' }))).toEqual([
      'hang up B',
      'dial D',
    ]);
    expect(it.at(4, open('D'))).toEqual(['tell D attach instead of B']);
  });

  it('goes before nobody who is faster, however far ahead it is: it yields', () => {
    const it = script({ self: 'F', role: 'peer', held: () => true });
    it.at(0, asks('A', { held: 2 }), ...follows('A', 3));
    expect(it.at(1, asks('B', { held: 40, insteadOf: 'B' } as never))).toEqual(['tell B moved A (full)']);
  });

  it('lets one that holds about as much pass, and takes the place of one that yields', () => {
    const it = script({ self: 'F', role: 'peer', held: () => true });
    it.at(0, asks('A', { held: 40, insteadOf: 'A' } as never));
    expect(it.at(1, asks('B', { held: 10, insteadOf: 'A' } as never))).toEqual(['tell B moved A (full)']);
    expect(it.allAt(2, asks('C', { held: 30, insteadOf: 'A' } as never))).toEqual(
      expect.arrayContaining(['tell C attached depth 0', 'tell A moved C (slow)']),
    );
  });
});
