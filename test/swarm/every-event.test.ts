// Line and mesh: every kind of event in every situation, and what must hold after it. The types keep the table complete.
import { describe, it } from 'vitest';
import { createLine } from '../../src/swarm/line.ts';
import type { LineAction, LineEvent, LineMachine, Row, SourceId } from '../../src/swarm/line-ports.ts';
import { createMesh } from '../../src/swarm/mesh.ts';
import {
  asks,
  attached,
  BYTES,
  came,
  follows,
  lost,
  open,
  peer,
  ROWS,
  refOf,
  says,
  served,
  site,
  stands,
  want,
} from './line-script.ts';

type Kind = LineEvent['kind'];
/** F is, or was, the feeder; A the follower; rows 0 to 3 are wanted where anything is. Several of a kind where they differ. */
const EVENTS: Readonly<{ [K in Kind]: readonly LineEvent[] }> = {
  wake: [{ kind: 'wake' }],
  site: [site('M', peer('F', { held: ROWS })), site('F', peer('F')), site(undefined), site('X')],
  want: want(0, 7, 40, ROWS - 1),
  unwant: [
    { kind: 'unwant', row: 0 },
    { kind: 'unwant', row: 40 },
  ],
  arrived: [came(0, 'F'), came(0, 'wan'), came(0, 'X'), came(40, 'F')],
  bytes: [
    { kind: 'bytes', from: 'F', bytes: 9 },
    { kind: 'bytes', from: 'wan', bytes: 9 },
  ],
  failed: (['missing', 'corrupt', 'broken', 'stalled', 'refused'] as const).flatMap((why) =>
    ['F', 'wan', 'X'].map((from) => ({ kind: 'failed' as const, row: 0, from, why, what: why })),
  ),
  gone: [
    { kind: 'gone', row: 0 },
    { kind: 'gone', row: 40 },
  ],
  'feeder-open': [open('F'), open('X')],
  'feeder-says': ['F', 'X'].flatMap((id) => [
    attached(id),
    attached(id, { held: 3, depth: 0xffff }),
    stands(id, { held: 9, depth: 2, above: [refOf('G')] }),
    stands(id, { held: 9, depth: 3, above: [refOf('M')] }),
    ...(['full', 'slow', 'leaving', 'instead'] as const).map((why) =>
      says(id, { kind: 'moved', to: refOf('G'), why }),
    ),
    ...(['unknown-image', 'unfit', 'cycle', 'banned', 'full'] as const).map((why) =>
      says(id, { kind: 'refused', why }),
    ),
    says(id, { kind: 'missing', row: 0 }),
    says(id, { kind: 'holds', rows: new Uint8Array(ROWS / 8).fill(0xff) }),
    says(id, { kind: 'have', row: 0 }),
  ]),
  'feeder-lost': [lost('F'), lost('X')],
  'follower-says': [
    ...['A', 'F', 'X'].map((id) => asks(id, { held: 40, rate: 1e6 })),
    asks('X', { insteadOf: 'A' } as never),
    asks('X', { insteadOf: 'X' } as never),
    { kind: 'follower-says', follower: refOf('J'), message: { kind: 'join', held: 0 } },
  ],
  'follower-wants': [...follows('A', 0, 40, ROWS), ...follows('X', 0)],
  'follower-unwants': ['A', 'X'].map((follower) => ({ kind: 'follower-unwants', follower, row: 0 })),
  served: [served('A', 40), served('X', 0)],
  'follower-lost': ['A', 'X'].map((follower) => ({ kind: 'follower-lost', follower })),
  pause: [{ kind: 'pause' }],
  resume: [{ kind: 'resume' }],
  leave: [{ kind: 'leave' }],
};

const FULL = site(undefined, peer('F', { held: ROWS }));
const FED = [FULL, ...want(0, 1, 2, 3), open('F'), attached('F')];
const SITUATIONS: Readonly<Record<string, readonly LineEvent[]>> = {
  'nothing wanted': [FULL],
  'nobody to ask': [site(undefined), ...want(0, 1, 2, 3)],
  asking: [FULL, ...want(0, 1, 2, 3)],
  fed: FED,
  'fed and feeding': [...FED, came(40, 'F'), asks('A'), ...follows('A', 0, 9, 40)],
  'pointed elsewhere': [...FED, says('F', { kind: 'moved', to: refOf('G'), why: 'slow' })],
  'feeder lost': [...FED, asks('A'), lost('F')],
  'crossing the WAN': [site('M'), ...want(0, 1, 2, 3), asks('A'), ...follows('A', 9)],
  'designated, but fed': [
    site('M', peer('F', { held: 30 })),
    ...want(0, 1, 2, 3, 35),
    ...[open('F'), attached('F', { held: 30, depth: 1 })],
  ],
  paused: [...FED, asks('A'), { kind: 'pause' }],
  leaving: [...FED, asks('A'), { kind: 'leave' }],
  complete: [FULL, asks('A'), ...Array.from({ length: ROWS }, (_, row) => came(row, 'F'))],
};

/** Holds each action, and where it leaves the machine, to what must always be so. */
class Checker {
  readonly #line: LineMachine;
  readonly #held = new Set<Row>();
  readonly #fetching = new Map<Row, SourceId>();
  #stopped = false;

  constructor(make: typeof createLine) {
    const setup = {
      self: 'M',
      role: 'target',
      rows: ROWS,
      storedBytes: () => BYTES,
      has: () => false,
    } as const;
    this.#line = make(setup, { random: { next: () => 0.5 } });
  }

  step(event: LineEvent, now: number): void {
    if (event.kind === 'arrived') this.#held.add(event.row);
    if (event.kind === 'gone') this.#held.delete(event.row);
    if (event.kind === 'pause' || event.kind === 'leave') this.#stopped = true;
    if (event.kind === 'resume') this.#stopped = false;
    if (event.kind === 'arrived' && this.#fetching.get(event.row) === event.from)
      this.#fetching.delete(event.row);
    if (event.kind === 'failed' && this.#fetching.get(event.row) === event.from)
      this.#fetching.delete(event.row);
    if (event.kind === 'feeder-lost') this.#forget(event.feeder);
    if (event.kind === 'feeder-says' && event.message.kind === 'missing') {
      const { row } = event.message;
      if (this.#fetching.get(row) === event.feeder) this.#fetching.delete(row);
    }
    for (const action of this.#line.step(event, now)) this.#check(action);
    hold(this.#line.state().held === this.#held.size, 'it counts what is held');
    hold((this.#line.nextWake() ?? now) >= now, 'it is not woken in the past');
  }

  #forget(source: SourceId): void {
    for (const [row, from] of this.#fetching) if (from === source) this.#fetching.delete(row);
  }

  #check(action: LineAction): void {
    switch (action.kind) {
      case 'dial':
        hold(!this.#stopped, 'nobody is asked while paused or leaving');
        return;
      case 'fetch':
        hold(!this.#stopped, 'nothing is fetched while paused or leaving');
        hold(action.row < ROWS && !this.#held.has(action.row), `row ${action.row} is missing`);
        hold(!this.#fetching.has(action.row), `row ${action.row} is asked of one at a time`);
        this.#fetching.set(action.row, action.from);
        return;
      case 'cancel':
        hold(this.#fetching.get(action.row) === action.from, `row ${action.row} is cancelled where it is`);
        this.#fetching.delete(action.row);
        return;
      case 'hang-up':
        this.#forget(action.feeder);
        return;
      case 'serve':
        hold(this.#held.has(action.row), `row ${action.row} is held`);
        return;
      default:
        return;
    }
  }
}

/** Plain: an expectation for each of a hundred thousand steps would take seconds. */
function hold(condition: boolean, what: string): void {
  if (!condition) throw new Error(`does not hold: ${what}`);
}

describe.each([
  ['line', createLine],
  ['mesh', createMesh],
] as const)('%s', (_, make) => {
  describe.each(Object.entries(SITUATIONS))('%s', (_situation, before) => {
    it.each(Object.entries(EVENTS))('%s', (_kind, events) => {
      for (const event of events) {
        const checker = new Checker(make);
        before.forEach((one, at) => {
          checker.step(one, at);
        });
        checker.step(event, 100);
        checker.step(event, 101);
        for (let now = 150; now < 3_000; now += 150) checker.step({ kind: 'wake' }, now);
      }
    });
  });
});
