// Whatever happens in whatever order: what a node must never do, for the line and for the mesh.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { createLine } from '../../src/swarm/line.ts';
import type { LineAction, LineEvent } from '../../src/swarm/line-ports.ts';
import { createMesh } from '../../src/swarm/mesh.ts';
import { peer, refOf, standing } from './line-script.ts';

const ROWS = 12;
const IDS = ['A', 'B', 'C', 'M'];
const id = fc.constantFrom(...IDS);
const other = fc.constantFrom('A', 'B', 'C');
const row = fc.nat({ max: ROWS - 1 });
const stand = fc
  .record({
    held: fc.nat({ max: ROWS }),
    depth: fc.constantFrom(0, 1, 5, 0xffff),
    above: fc.array(id, { maxLength: 4 }),
  })
  .map(({ above, ...rest }) => standing({ ...rest, above: above.map(refOf) }));

const word: fc.Arbitrary<LineEvent> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('want' as const), row }) },
  fc.record({ kind: fc.constant('unwant' as const), row }),
  fc.record({ kind: fc.constant('gone' as const), row }),
  fc
    .tuple(fc.option(id, { nil: undefined }), fc.array(fc.nat({ max: ROWS }), { minLength: 3, maxLength: 3 }))
    .map(([designated, held]) => ({
      kind: 'site' as const,
      peers: ['A', 'B', 'C'].map((name, i) => peer(name, { held: held[i] ?? 0 })),
      designated,
    })),
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('follower-wants' as const), follower: other, row }) },
  fc.record({ kind: fc.constant('follower-unwants' as const), follower: other, row }),
  fc
    .tuple(other, fc.nat({ max: ROWS }), fc.option(other, { nil: undefined }), fc.boolean())
    .map(([who, held, insteadOf, joins]) => ({
      kind: 'follower-says' as const,
      follower: refOf(who),
      message: joins
        ? { kind: 'join' as const, held }
        : { kind: 'attach' as const, held, rate: 0, ...(insteadOf === undefined ? {} : { insteadOf }) },
    })),
  fc.record({ kind: fc.constant('follower-lost' as const), follower: other }),
  fc.constantFrom<LineEvent>({ kind: 'pause' }, { kind: 'resume' }, { kind: 'wake' }),
);

/** What the world does next: a word of the above, or an answer to something that the node has asked for. */
const happening = fc.oneof(
  { weight: 3, arbitrary: word.map((event) => ({ event })) },
  { weight: 5, arbitrary: fc.nat().map((deliver) => ({ deliver })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.nat(), fc.constantFrom('corrupt', 'missing', 'broken'))
      .map(([fail, why]) => ({ fail, why })),
  },
  { weight: 3, arbitrary: fc.tuple(fc.nat(), fc.boolean()).map(([answer, ok]) => ({ answer, ok })) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.nat(), stand, other, fc.nat({ max: 6 }))
      .map(([link, where, to, what]) => ({ link, where, to, what })),
  },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 3_000 }).map((passMs) => ({ passMs })) },
);

describe.each([
  ['line', createLine],
  ['mesh', createMesh],
] as const)('%s', (_, create) => {
  it('never breaks a law', () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 120 }), fc.nat(), (happenings, seed) => {
        const held = new Set<number>([3]);
        const node = create(
          { self: 'M', role: 'peer', rows: ROWS, storedBytes: () => 1_000, has: (at) => held.has(at) },
          { random: seededRandom(seed) },
        );
        /** What is being fetched: `row from`. */
        const fetching = new Map<string, { row: number; from: string }>();
        const links = new Map<string, 'dialling' | 'open'>();
        const followers = new Set<string>();
        const serving = new Set<string>();
        let now = 0;

        const perform = (action: LineAction) => {
          switch (action.kind) {
            case 'dial':
              expect(links.has(action.to.id), `dialled ${action.to.id} twice`).toBe(false);
              expect(action.to.id).not.toBe('M');
              links.set(action.to.id, 'dialling');
              break;
            case 'hang-up':
              links.delete(action.feeder);
              for (const [key, { from }] of fetching) if (from === action.feeder) fetching.delete(key);
              break;
            case 'tell-feeder':
              expect(links.get(action.feeder)).toBe('open');
              break;
            case 'fetch': {
              expect(held.has(action.row), 'fetches what is held').toBe(false);
              if (action.from !== 'wan') expect(links.get(action.from)).toBe('open');
              const same = [...fetching.values()].filter((other) => other.row === action.row);
              expect(same, 'asks two sources for one chunk').toEqual([]);
              fetching.set(`${action.row} ${action.from}`, { row: action.row, from: action.from });
              break;
            }
            case 'cancel':
              expect(
                fetching.delete(`${action.row} ${action.from}`),
                'cancels what it has not asked for',
              ).toBe(true);
              break;
            case 'serve':
              expect(held.has(action.row), 'serves what is not held').toBe(true);
              expect(followers.has(action.follower)).toBe(true);
              serving.add(`${action.row} ${action.follower}`);
              break;
            case 'unserve':
              serving.delete(`${action.row} ${action.follower}`);
              break;
            case 'tell-follower':
            case 'drop-follower':
              expect(followers.has(action.follower)).toBe(true);
              break;
            case 'give-up':
            case 'note':
              break;
          }
        };
        const step = (event: LineEvent) => {
          for (const action of node.step(event, now)) perform(action);
        };
        const pick = <T>(all: Iterable<T>, at: number): T | undefined => {
          const list = [...all];
          return list[at % list.length];
        };

        for (const what of happenings) {
          if ('event' in what) {
            const { event } = what;
            if (event.kind === 'gone') held.delete(event.row);
            if (event.kind === 'follower-says') followers.add(event.follower.id);
            if (event.kind === 'follower-wants' && !followers.has(event.follower)) continue;
            step(event);
            if (event.kind === 'follower-lost') followers.delete(event.follower);
          } else if ('deliver' in what) {
            const done = pick(fetching.values(), what.deliver);
            if (done === undefined) continue;
            fetching.delete(`${done.row} ${done.from}`);
            held.add(done.row);
            step({ kind: 'arrived', row: done.row, from: done.from, bytes: 1_000 });
          } else if ('fail' in what) {
            const done = pick(fetching.values(), what.fail);
            if (done === undefined) continue;
            fetching.delete(`${done.row} ${done.from}`);
            const why = what.why as 'corrupt' | 'missing' | 'broken';
            step({ kind: 'failed', row: done.row, from: done.from, why, what: 'as told' });
          } else if ('answer' in what) {
            const feeder = pick(links.keys(), what.answer);
            if (feeder === undefined) continue;
            if (what.ok && links.get(feeder) === 'dialling') {
              links.set(feeder, 'open');
              step({ kind: 'feeder-open', feeder });
            } else if (!what.ok) {
              links.delete(feeder);
              for (const [key, { from }] of fetching) if (from === feeder) fetching.delete(key);
              step({ kind: 'feeder-lost', feeder, why: 'closed' });
            }
          } else if ('link' in what) {
            const feeder = pick(links.keys(), what.link);
            if (feeder === undefined || links.get(feeder) !== 'open') continue;
            const message = [
              { kind: 'attached', ...what.where } as const,
              { kind: 'standing', ...what.where } as const,
              { kind: 'moved', to: refOf(what.to), why: 'full' } as const,
              { kind: 'refused', why: 'unfit' } as const,
              { kind: 'holds', rows: Uint8Array.of(0xff, 0xf0) } as const,
              { kind: 'have', row: what.where.held % ROWS } as const,
              { kind: 'missing', row: what.where.held % ROWS } as const,
            ][what.what];
            if (message !== undefined) step({ kind: 'feeder-says', feeder, message });
          } else {
            const until = now + what.passMs;
            for (let wakes = 0; ; wakes++) {
              const wake = node.nextWake();
              if (wake === undefined || wake > until) break;
              expect(wakes, 'wakes without end').toBeLessThan(200);
              now = Math.max(now, wake);
              step({ kind: 'wake' });
              expect(node.nextWake() ?? Number.POSITIVE_INFINITY, 'no time passes').toBeGreaterThan(now);
            }
            now = until;
          }
        }
      }),
      { numRuns: 400, seed: 8068 },
    );
  });
});
