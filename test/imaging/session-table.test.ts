// The imaging session as one table: every phase, every kind of event, and what is asked for. The types keep it complete.
import { describe, expect, it } from 'vitest';
import { ChunkTable, encodeChunkTable, SliceTable, SliceTableWriter } from '../../src/chunk/manifest.ts';
import { EDGE_BYTES, type Piece } from '../../src/imaging/proof.ts';
import { DEFAULT_LIMITS, Session, type SessionEvent, type SessionPhase } from '../../src/imaging/session.ts';

const SLICE = 64 * 1024;

/** Two chunks of one slice each, between zeros: proved in one piece. */
function session(): Session {
  const writer = new SliceTableWriter();
  writer.zero(EDGE_BYTES);
  for (const chunk of [0, 1]) writer.data(SLICE, new Uint8Array(32).fill(chunk), chunk, 0);
  writer.zero(EDGE_BYTES);
  const rows = [0, 1].map((chunk) => ({
    ...{ digest: `sha256:${`${chunk}`.padStart(64, '0')}` as const, size: 1000, plainBytes: SLICE },
  }));
  const content = { slices: new SliceTable(writer.bytes()), chunks: new ChunkTable(encodeChunkTable(rows)) };
  return new Session(content, { ...DEFAULT_LIMITS, maxFetches: 1, patienceMs: 1000 });
}

const piece: Piece = { offset: 0, length: 2 * EDGE_BYTES + 2 * SLICE, rows: [] };
type Kind = SessionEvent['kind'];
const EVENTS: Readonly<{ [K in Kind]: Extract<SessionEvent, { kind: K }> }> = {
  start: { kind: 'start' },
  wake: { kind: 'wake' },
  fetched: { kind: 'fetched', chunk: 1 },
  'fetch-failed': { kind: 'fetch-failed', chunk: 1, why: 'unreachable', what: 'gone' },
  offered: { kind: 'offered', chunk: 1 },
  written: { kind: 'written', chunk: 0 },
  flushed: { kind: 'flushed' },
  proved: { kind: 'proved', piece, rezeroed: false },
  differs: { kind: 'differs', piece, what: 'byte 0' },
  sealed: { kind: 'sealed' },
  resume: { kind: 'resume' },
};

/** Chunk 0 is being written, chunk 1 fetched. */
const FETCHING: readonly SessionEvent[] = [EVENTS.start, { kind: 'fetched', chunk: 0 }];
const FLUSHING = [...FETCHING, EVENTS.written, EVENTS.fetched, { kind: 'written', chunk: 1 } as const];
const PROVING = [...FLUSHING, EVENTS.flushed];
const SEALING = [...PROVING, EVENTS.proved];
/** The sources failed while chunk 0 was being written; chunk 1 waits. */
const FAILED = [...FETCHING, EVENTS['fetch-failed']];

const REACHED: Readonly<Record<SessionPhase, readonly SessionEvent[]>> = {
  fetching: FETCHING,
  flushing: FLUSHING,
  proving: PROVING,
  sealing: SEALING,
  complete: [...SEALING, EVENTS.sealed],
  failed: FAILED,
};

const BUG = 'our bug';
/** A dash: nothing is asked for. */
const LATE = {
  start: '-',
  wake: '-',
  fetched: BUG,
  'fetch-failed': BUG,
  offered: '-',
  written: BUG,
} as const;
const TABLE: Readonly<Record<SessionPhase, Readonly<Record<Kind, string>>>> = {
  fetching: {
    start: '-',
    wake: '-',
    fetched: 'write',
    'fetch-failed': 'fail PB-SOURCE-FAILED',
    offered: '-',
    written: '-',
    flushed: BUG,
    proved: BUG,
    differs: BUG,
    sealed: BUG,
    resume: BUG,
  },
  flushing: { ...LATE, flushed: 'prove', proved: BUG, differs: BUG, sealed: BUG, resume: BUG },
  proving: {
    ...LATE,
    flushed: BUG,
    proved: 'seal',
    differs: 'fail PB-DISK-READ-BACK',
    sealed: BUG,
    resume: BUG,
  },
  sealing: { ...LATE, flushed: BUG, proved: BUG, differs: BUG, sealed: 'complete', resume: BUG },
  complete: { ...LATE, flushed: BUG, proved: BUG, differs: BUG, sealed: BUG, resume: BUG },
  failed: {
    ...LATE,
    // What was under way when it failed is still written.
    written: '-',
    flushed: BUG,
    proved: BUG,
    differs: BUG,
    sealed: BUG,
    resume: 'fetch',
  },
};

describe.each(Object.entries(TABLE) as [SessionPhase, Record<Kind, string>][])('%s', (phase, row) => {
  it.each(Object.entries(row) as [Kind, string][])('%s: %s', (kind, expected) => {
    const one = session();
    REACHED[phase].forEach((event, i) => {
      one.step(event, i * 1000);
    });
    expect(one.phase).toBe(phase);
    const step = () =>
      one
        .step(EVENTS[kind], 10_000)
        .map((action) => (action.kind === 'fail' ? `fail ${action.code}` : action.kind))
        .join(', ') || '-';
    if (expected === BUG) expect(step).toThrow('assertion failed');
    else expect(step()).toBe(expected);
  });
});

it('a disk that read back wrong is not asked again: resuming after that is our own bug', () => {
  const one = session();
  for (const event of PROVING) one.step(event, 0);
  one.step(EVENTS.differs, 0);
  expect(one.phase).toBe('failed');
  expect(() => one.step(EVENTS.resume, 1)).toThrow('assertion failed: only fetching can be resumed');
});
