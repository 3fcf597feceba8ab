// The course of an imaging as scripts in time, and as a property over random failures: it ends right, or with a code.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Random, randomInt, seededRandom } from '../../src/base/random.ts';
import { ChunkTable, encodeChunkTable, SliceTable, SliceTableWriter } from '../../src/chunk/manifest.ts';
import { EDGE_BYTES } from '../../src/imaging/proof.ts';
import {
  DEFAULT_LIMITS,
  Session,
  type SessionAction,
  type SessionContent,
  type SessionEvent,
  type SessionLimits,
} from '../../src/imaging/session.ts';

const SLICE = 64 * 1024;

/** So many chunks of four slices each, a stretch of zeros behind each chunk. */
function content(chunkCount: number, zeroBytes = SLICE): SessionContent {
  const writer = new SliceTableWriter();
  writer.zero(EDGE_BYTES);
  for (let chunk = 0; chunk < chunkCount; chunk++) {
    for (let slice = 0; slice < 4; slice++)
      writer.data(SLICE, new Uint8Array(32).fill(chunk), chunk, slice * SLICE);
    if (zeroBytes > 0) writer.zero(zeroBytes);
  }
  writer.zero(EDGE_BYTES);
  const rows = Array.from({ length: chunkCount }, (_, chunk) => ({
    digest: `sha256:${chunk.toString(16).padStart(64, '0')}` as const,
    size: 1000,
    plainBytes: 4 * SLICE,
  }));
  return { slices: new SliceTable(writer.bytes()), chunks: new ChunkTable(encodeChunkTable(rows)) };
}

const fetched = (actions: readonly SessionAction[]) =>
  actions.flatMap((action) => (action.kind === 'fetch' ? [action.chunk] : []));
const kinds = (actions: readonly SessionAction[]) => actions.map((action) => action.kind);

describe('fetching', () => {
  it('asks in the order of the table, several at a time, and goes on as each one arrives', () => {
    const session = new Session(content(6), { ...DEFAULT_LIMITS, maxFetches: 3 });
    expect(fetched(session.step({ kind: 'start' }, 0))).toEqual([0, 1, 2]);
    const actions = session.step({ kind: 'fetched', chunk: 1 }, 5);
    expect(actions[0]).toEqual({ kind: 'write', chunk: 1 });
    expect(fetched(actions)).toEqual([3]);
  });

  it('holds no more plain bytes than memory has, but always at least one chunk', () => {
    const session = new Session(content(6), { ...DEFAULT_LIMITS, maxHeldBytes: 8 * SLICE });
    expect(fetched(session.step({ kind: 'start' }, 0))).toEqual([0, 1]);
    expect(fetched(session.step({ kind: 'fetched', chunk: 0 }, 1))).toEqual([]);
    expect(fetched(session.step({ kind: 'written', chunk: 0 }, 2))).toEqual([2]);
    const tiny = new Session(content(6), { ...DEFAULT_LIMITS, maxHeldBytes: 1 });
    expect(fetched(tiny.step({ kind: 'start' }, 0))).toEqual([0]);
  });

  it('takes a chunk that came for others, never asks for it, and passes it when its turn comes', () => {
    const session = new Session(content(6), { ...DEFAULT_LIMITS, maxFetches: 2 });
    session.step({ kind: 'start' }, 0);
    expect(session.step({ kind: 'offered', chunk: 2 }, 1)).toEqual([{ kind: 'write', chunk: 2 }]);
    expect(session.step({ kind: 'offered', chunk: 2 }, 1)).toEqual([]);
    // Under way already: it comes, or has come, by itself.
    expect(session.step({ kind: 'offered', chunk: 1 }, 1)).toEqual([]);
    expect(session.step({ kind: 'offered', chunk: 4 }, 1)).toEqual([{ kind: 'write', chunk: 4 }]);
    expect(fetched(session.step({ kind: 'fetched', chunk: 0 }, 2))).toEqual([3]);
    expect(fetched(session.step({ kind: 'fetched', chunk: 1 }, 3))).toEqual([5]);
    expect(fetched(session.step({ kind: 'fetched', chunk: 3 }, 4))).toEqual([]);
    session.step({ kind: 'fetched', chunk: 5 }, 5);
    for (const chunk of [0, 1, 2, 3, 4]) session.step({ kind: 'written', chunk }, 6);
    expect(kinds(session.step({ kind: 'written', chunk: 5 }, 7))).toEqual(['flush']);
  });

  it('takes no chunk that came for others when memory is full, and asks for it in its turn', () => {
    const limits = { ...DEFAULT_LIMITS, maxFetches: 8, maxHeldBytes: 8 * SLICE };
    const session = new Session(content(3), limits);
    expect(fetched(session.step({ kind: 'start' }, 0))).toEqual([0, 1]);
    expect(session.step({ kind: 'offered', chunk: 2 }, 1)).toEqual([]);
    session.step({ kind: 'fetched', chunk: 0 }, 2);
    expect(fetched(session.step({ kind: 'written', chunk: 0 }, 3))).toEqual([2]);
  });

  it('waits when all sources fail, twice as long each time, probes with one request, then goes on at full width', () => {
    const session = new Session(content(8), { ...DEFAULT_LIMITS, maxFetches: 4 });
    session.step({ kind: 'start' }, 0);
    const fail = (chunk: number, now: number) =>
      session.step({ kind: 'fetch-failed', chunk, why: 'unreachable', what: 'refused' }, now);
    for (const chunk of [2, 0, 3, 1]) expect(fail(chunk, 100)).toEqual([]);
    expect(session.trouble).toBe('refused');
    expect(session.nextWake()).toBe(600);
    expect(session.step({ kind: 'wake' }, 599)).toEqual([]);
    expect(fetched(session.step({ kind: 'wake' }, 600))).toEqual([0]);
    fail(0, 650);
    expect(session.nextWake()).toBe(1650);
    expect(fetched(session.step({ kind: 'wake' }, 1650))).toEqual([0]);
    expect(fetched(session.step({ kind: 'fetched', chunk: 0 }, 1700))).toEqual([1, 2, 3, 4]);
    expect(session.trouble).toBeUndefined();
  });

  it.each([
    ['missing', 'PB-CHUNK-MISSING'],
    ['corrupt', 'PB-CHUNK-CORRUPT'],
  ] as const)(
    'lets others pass a %s chunk, asks for it again later, fails when patience ends',
    (why, code) => {
      const limits: SessionLimits = { ...DEFAULT_LIMITS, maxFetches: 1, contentPatienceMs: 3_000 };
      const session = new Session(content(2), limits);
      session.step({ kind: 'start' }, 0);
      const missing: SessionEvent = { kind: 'fetch-failed', chunk: 0, why, what: 'not there' };
      expect(fetched(session.step(missing, 0))).toEqual([1]);
      session.step({ kind: 'fetched', chunk: 1 }, 10);
      session.step({ kind: 'written', chunk: 1 }, 10);
      expect(session.nextWake()).toBe(500);
      expect(fetched(session.step({ kind: 'wake' }, 500))).toEqual([0]);
      expect(session.step(missing, 500)).toEqual([]);
      expect(fetched(session.step({ kind: 'wake' }, 1500))).toEqual([0]);
      expect(session.step(missing, 3000)).toEqual([{ kind: 'fail', code, what: 'not there' }]);
    },
  );

  it('fails when no source delivers anything for too long, and goes on where it was when resumed', () => {
    const session = new Session(content(3), { ...DEFAULT_LIMITS, maxFetches: 1, patienceMs: 1_000 });
    session.step({ kind: 'start' }, 0);
    session.step({ kind: 'fetched', chunk: 0 }, 100);
    session.step({ kind: 'written', chunk: 0 }, 100);
    const broken: SessionEvent = { kind: 'fetch-failed', chunk: 1, why: 'unreachable', what: 'gone' };
    expect(session.step(broken, 500)).toEqual([]);
    session.step({ kind: 'wake' }, 1000);
    expect(session.step(broken, 1100)).toEqual([{ kind: 'fail', code: 'PB-SOURCE-FAILED', what: 'gone' }]);
    expect(session.nextWake()).toBeUndefined();
    expect(fetched(session.step({ kind: 'resume' }, 9000))).toEqual([1]);
    expect(session.writtenBytes).toBe(4 * SLICE);
  });
});

describe('proving', () => {
  const written = (limits: Partial<SessionLimits> = {}) => {
    const session = new Session(content(1), { ...DEFAULT_LIMITS, ...limits });
    session.step({ kind: 'start' }, 0);
    session.step({ kind: 'fetched', chunk: 0 }, 1);
    expect(kinds(session.step({ kind: 'written', chunk: 0 }, 2))).toEqual(['flush']);
    return session;
  };
  const piecesOf = (actions: readonly SessionAction[]) =>
    actions.flatMap((action) => (action.kind === 'prove' ? [action.piece] : []));

  it('flushes, proves every piece, seals, and is complete', () => {
    const session = written({ pieceBytes: EDGE_BYTES, maxProofs: 2 });
    const first = piecesOf(session.step({ kind: 'flushed' }, 3));
    expect(first.map((piece) => piece.offset)).toEqual([0, EDGE_BYTES]);
    const rest = first.flatMap((piece) =>
      piecesOf(session.step({ kind: 'proved', piece, rezeroed: false }, 4)),
    );
    expect(rest.length).toBe(1);
    const last = rest.flatMap((piece) => session.step({ kind: 'proved', piece, rezeroed: false }, 5));
    expect(kinds(last)).toEqual(['seal']);
    expect(session.provedBytes).toBe(content(1).slices.imageBytes);
    expect(kinds(session.step({ kind: 'sealed' }, 6))).toEqual(['complete']);
  });

  it('flushes and proves once more where zeros had to be written, and fails when they do not stay', () => {
    for (const stays of [true, false]) {
      const session = written();
      const [piece] = piecesOf(session.step({ kind: 'flushed' }, 3));
      if (piece === undefined) throw new Error('no piece');
      expect(kinds(session.step({ kind: 'proved', piece, rezeroed: true }, 4))).toEqual(['flush']);
      const again = piecesOf(session.step({ kind: 'flushed' }, 5));
      expect(again).toEqual([piece]);
      const end = session.step({ kind: 'proved', piece, rezeroed: !stays }, 6);
      expect(end).toMatchObject([stays ? { kind: 'seal' } : { kind: 'fail', code: 'PB-DISK-READ-BACK' }]);
    }
  });

  it('fails when a slice reads back differently, once, whatever the proofs under way say later', () => {
    const session = written({ pieceBytes: EDGE_BYTES, maxProofs: 3 });
    const [first, second, third] = piecesOf(session.step({ kind: 'flushed' }, 3));
    if (first === undefined || second === undefined || third === undefined) throw new Error('three pieces');
    const end = session.step({ kind: 'differs', piece: first, what: 'byte 0' }, 4);
    expect(end).toEqual([{ kind: 'fail', code: 'PB-DISK-READ-BACK', what: 'byte 0' }]);
    expect(session.step({ kind: 'differs', piece: second, what: 'byte 1' }, 5)).toEqual([]);
    expect(session.step({ kind: 'proved', piece: third, rezeroed: false }, 6)).toEqual([]);
    expect(session.provedBytes).toBe(0);
    expect(session.phase).toBe('failed');
  });
});

it('an image of zeros only needs no chunk', () => {
  const session = new Session(content(0));
  expect(kinds(session.step({ kind: 'start' }, 0))).toEqual(['flush']);
});

/** Performs a session against sources and a disk that fail at random; the world is only a seed. */
function play(random: Random, chunkCount: number) {
  const limits = {
    ...DEFAULT_LIMITS,
    maxFetches: 1 + randomInt(random, 6),
    pieceBytes: SLICE * 3,
    patienceMs: 20_000,
  };
  const failing = random.next() * 0.9;
  const offering = random.next() < 0.5 ? 0 : 0.1;
  const session = new Session(content(chunkCount), limits);
  const inFlight: { event: SessionEvent; at: number }[] = [];
  const writes: number[] = [];
  const verified = new Set<number>();
  let now = 0;
  let resumes = 0;
  let ending: SessionAction | undefined;
  const later = (event: SessionEvent) => inFlight.push({ event, at: now + randomInt(random, 400) });
  const perform = (action: SessionAction): void => {
    switch (action.kind) {
      case 'fetch': {
        expect(verified.has(action.chunk)).toBe(false);
        if (random.next() >= failing) {
          verified.add(action.chunk);
          return void later({ kind: 'fetched', chunk: action.chunk });
        }
        const why = (['missing', 'corrupt', 'unreachable'] as const)[randomInt(random, 3)] ?? 'missing';
        return void later({ kind: 'fetch-failed', chunk: action.chunk, why, what: why });
      }
      case 'write':
        expect(verified.has(action.chunk)).toBe(true);
        writes.push(action.chunk);
        return void later({ kind: 'written', chunk: action.chunk });
      case 'flush':
        expect(new Set(writes).size).toBe(chunkCount);
        return void later({ kind: 'flushed' });
      case 'prove':
        return void later({ kind: 'proved', piece: action.piece, rezeroed: false });
      case 'seal':
        return void later({ kind: 'sealed' });
      default:
        ending = action;
    }
  };
  for (const action of session.step({ kind: 'start' }, now)) perform(action);
  /** Brought for others of the site. */
  const offer = (chunk: number) => {
    if (chunk >= chunkCount || verified.has(chunk)) return;
    const taken = session.step({ kind: 'offered', chunk }, now);
    if (taken.length > 0) verified.add(chunk);
    for (const action of taken) perform(action);
  };
  for (let steps = 0; steps < 20_000; steps++) {
    if (ending?.kind === 'complete') break;
    if (random.next() < offering) offer(randomInt(random, chunkCount + 1));
    if (ending?.kind === 'fail' && inFlight.length === 0) {
      if (resumes === 2) break;
      resumes += 1;
      ending = undefined;
      for (const action of session.step({ kind: 'resume' }, now)) perform(action);
    }
    const [next] = inFlight.sort((a, b) => a.at - b.at);
    const wake = session.nextWake();
    if (next === undefined && wake === undefined && ending === undefined) throw new Error('stuck');
    const event: SessionEvent =
      next !== undefined && (wake === undefined || next.at <= wake) ? next.event : { kind: 'wake' };
    now = Math.max(now, event.kind === 'wake' ? (wake ?? now) : (next?.at ?? now));
    if (event.kind !== 'wake') inFlight.shift();
    else if (wake === undefined) continue;
    for (const action of session.step(event, now)) perform(action);
  }
  return { session, writes, ending };
}

it('whatever fails, it ends with every chunk written exactly once and all proved, or with a code', () => {
  let completed = 0;
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 0, max: 40 }), (seed, chunkCount) => {
      const { session, writes, ending } = play(seededRandom(seed), chunkCount);
      expect(new Set(writes).size).toBe(writes.length);
      if (ending?.kind === 'complete') {
        completed += 1;
        expect(writes.length).toBe(chunkCount);
        expect(session.provedBytes).toBe(content(chunkCount).slices.imageBytes);
      } else
        expect(ending).toMatchObject({ kind: 'fail', code: expect.stringMatching(/^PB-(CHUNK|SOURCE)-/) });
    }),
    { numRuns: 500 },
  );
  expect(completed).toBeGreaterThan(200);
});
