// The course of one imaging as a machine: what to fetch and write next, when to prove, when to give up or go on.
import { assert } from '../base/errors.ts';
import type { Machine } from '../base/machine.ts';
import type { MonotonicMs } from '../base/time.ts';
import type { ChunkTable, SliceTable } from '../chunk/tables.ts';
import { type Piece, pieces } from './proof.ts';

/*
 * fetching ──all written──▶ flushing ──▶ proving ──▶ sealing ──▶ complete
 *    ▲  │                      ▲            │
 *    │  └─ failed ◀────────────┼────────────┤ a slice differs
 *    └──resume──┘              └────────────┘ zeros had to be written: flush, then prove those again
 *
 * Chunks are wanted in the order of their table, several at a time. A chunk that was verified is written from
 * memory and never wanted again, whatever fails later: `failed` keeps all that was reached, and `resume` goes on.
 */

export interface SessionContent {
  readonly slices: SliceTable;
  readonly chunks: ChunkTable;
}

export interface SessionLimits {
  /** Also how far ahead the line is asked: fewer would let it run dry between two requests. */
  readonly maxFetches: number;
  /** Plain bytes of chunks being fetched or written: what memory must hold. */
  readonly maxHeldBytes: number;
  readonly maxProofs: number;
  readonly pieceBytes: number;
  /** Wait after the first failure of all sources; doubled each time up to `maxRetryMs`. */
  readonly firstRetryMs: number;
  readonly maxRetryMs: number;
  /** Without one good chunk for so long, the imaging fails (and can be resumed). */
  readonly patienceMs: number;
  /** A chunk that is missing or corrupt everywhere may be so for this long: an origin is mended, a copy arrives. */
  readonly contentPatienceMs: number;
}

export const DEFAULT_LIMITS: SessionLimits = {
  maxFetches: 8,
  maxHeldBytes: 48 * 1024 * 1024,
  maxProofs: 2,
  pieceBytes: 8 * 1024 * 1024,
  firstRetryMs: 500,
  maxRetryMs: 10_000,
  patienceMs: 10 * 60_000,
  contentPatienceMs: 3 * 60_000,
};

export type FetchFailure = 'missing' | 'corrupt' | 'unreachable';
export type SessionFailureCode =
  | 'PB-CHUNK-MISSING'
  | 'PB-CHUNK-CORRUPT'
  | 'PB-SOURCE-FAILED'
  | 'PB-DISK-READ-BACK';

export type SessionEvent =
  | { readonly kind: 'start' }
  | { readonly kind: 'wake' }
  /** The stored bytes are here and proved against their digest. */
  | { readonly kind: 'fetched'; readonly chunk: number }
  | {
      readonly kind: 'fetch-failed';
      readonly chunk: number;
      readonly why: FetchFailure;
      readonly what: string;
    }
  /** A chunk has come that was not asked for, for somebody else of the site: it is taken if there is room. */
  | { readonly kind: 'offered'; readonly chunk: number }
  | { readonly kind: 'written'; readonly chunk: number }
  | { readonly kind: 'flushed' }
  /** `rezeroed`: a stretch was not zero and zeros have been written, so that it must be read once more. */
  | { readonly kind: 'proved'; readonly piece: Piece; readonly rezeroed: boolean }
  | { readonly kind: 'differs'; readonly piece: Piece; readonly what: string }
  | { readonly kind: 'sealed' }
  | { readonly kind: 'resume' };

export type SessionAction =
  | { readonly kind: 'fetch'; readonly chunk: number }
  /** Unpack, prove and write all slices that the chunk carries. */
  | { readonly kind: 'write'; readonly chunk: number }
  /** Make durable what was written, and forget what is cached, so that the next read is of the disk. */
  | { readonly kind: 'flush' }
  | { readonly kind: 'prove'; readonly piece: Piece }
  /** Write the withheld slices and the layout, flush, read them back. */
  | { readonly kind: 'seal' }
  | { readonly kind: 'complete' }
  | { readonly kind: 'fail'; readonly code: SessionFailureCode; readonly what: string };

export type SessionPhase = 'fetching' | 'flushing' | 'proving' | 'sealing' | 'complete' | 'failed';

/** A chunk asked for in vain: how often it was missing or corrupt, since when, and when to ask again. */
interface Retry {
  tries: number;
  since: MonotonicMs;
  notBefore: MonotonicMs;
}

type ChunkState = 'wanted' | 'fetching' | 'writing' | 'written';

export class Session implements Machine<SessionEvent, SessionAction> {
  phase: SessionPhase = 'fetching';
  /** Plain bytes of chunks written; of image bytes proved. */
  writtenBytes = 0;
  provedBytes = 0;
  /** Why the last fetches failed, for the screen; undefined while they succeed. */
  trouble: string | undefined;
  readonly #content: SessionContent;
  readonly #limits: SessionLimits;
  readonly #states: ChunkState[];
  /** First chunk never asked for; those asked for in vain wait in `#again`. */
  #next = 0;
  readonly #again = new Map<number, Retry>();
  #fetching = 0;
  #heldBytes = 0;
  #written = 0;
  /** Failures of every source in a row, and until when they are left alone. */
  #failures = 0;
  #quietUntil: MonotonicMs = Number.NEGATIVE_INFINITY;
  #lastGood: MonotonicMs = Number.NEGATIVE_INFINITY;
  #pieces: Iterator<Piece>;
  #proving = 0;
  readonly #rezeroed: Piece[] = [];
  /** The second proof of zeros that had to be written: there is no third. */
  #strict = false;

  constructor(content: SessionContent, limits: SessionLimits = DEFAULT_LIMITS) {
    this.#content = content;
    this.#limits = limits;
    this.#states = Array.from({ length: content.chunks.rows }, () => 'wanted');
    this.#pieces = pieces(content.slices, limits.pieceBytes);
  }

  step(event: SessionEvent, now: MonotonicMs): readonly SessionAction[] {
    switch (event.kind) {
      case 'start':
        this.#lastGood = now;
        return this.#fetchOn(now);
      case 'wake':
        return this.#fetchOn(now);
      case 'fetched':
        this.#move(event.chunk, 'fetching', 'writing');
        this.#fetching -= 1;
        this.#failures = 0;
        this.#quietUntil = now;
        this.#lastGood = now;
        this.trouble = undefined;
        this.#again.delete(event.chunk);
        return [{ kind: 'write', chunk: event.chunk }, ...this.#fetchOn(now)];
      case 'offered':
        return this.#offered(event.chunk, now);
      case 'fetch-failed':
        return this.#fetchFailed(event.chunk, event.why, event.what, now);
      case 'written':
        return this.#chunkWritten(event.chunk, now);
      case 'flushed':
        assert(this.phase === 'flushing', `flushed while ${this.phase}`);
        this.phase = 'proving';
        return this.#proveOn();
      case 'proved':
        this.#proofEnds();
        return this.#pieceProved(event.piece, event.rezeroed);
      case 'differs':
        this.#proofEnds();
        return this.phase === 'failed' ? [] : this.#fail('PB-DISK-READ-BACK', event.what);
      case 'sealed':
        assert(this.phase === 'sealing', `sealed while ${this.phase}`);
        this.phase = 'complete';
        return [{ kind: 'complete' }];
      case 'resume':
        return this.#resume(now);
    }
  }

  #offered(chunk: number, now: MonotonicMs): readonly SessionAction[] {
    if (this.phase !== 'fetching' || this.#states[chunk] !== 'wanted' || !this.#fits(chunk)) return [];
    this.#move(chunk, 'wanted', 'writing');
    this.#again.delete(chunk);
    this.#passOffered();
    this.#heldBytes += this.#content.chunks.plainBytes(chunk);
    this.#lastGood = now;
    return [{ kind: 'write', chunk }];
  }

  /** Only a time at which something will be asked for; what waits for memory is woken by `written`. */
  nextWake(): MonotonicMs | undefined {
    if (this.phase !== 'fetching' || this.#fetching >= this.#mostFetches) return undefined;
    const times = Array.from(this.#again, ([chunk, retry]) =>
      this.#states[chunk] === 'wanted' ? retry.notBefore : Number.POSITIVE_INFINITY,
    );
    const ready = this.#next < this.#states.length ? Number.NEGATIVE_INFINITY : Math.min(...times);
    const wake = Math.max(ready, this.#quietUntil);
    const chunk = this.#nextWanted(wake);
    return chunk === undefined || !this.#fits(chunk) ? undefined : wake;
  }

  #fetchFailed(chunk: number, why: FetchFailure, what: string, now: MonotonicMs): readonly SessionAction[] {
    this.#move(chunk, 'fetching', 'wanted');
    this.#fetching -= 1;
    this.#heldBytes -= this.#content.chunks.plainBytes(chunk);
    this.trouble = what;
    const retry = this.#again.get(chunk) ?? { tries: 0, since: now, notBefore: now };
    this.#again.set(chunk, retry);
    if (why === 'unreachable') return this.#unreachable(what, now);
    retry.tries += 1;
    retry.notBefore = now + this.#backOff(retry.tries);
    if (this.phase === 'fetching' && now - retry.since >= this.#limits.contentPatienceMs) {
      return this.#fail(why === 'missing' ? 'PB-CHUNK-MISSING' : 'PB-CHUNK-CORRUPT', what);
    }
    return this.#fetchOn(now);
  }

  #unreachable(what: string, now: MonotonicMs): readonly SessionAction[] {
    // Requests that break together are one failure.
    if (now >= this.#quietUntil) {
      this.#failures += 1;
      this.#quietUntil = now + this.#backOff(this.#failures);
    }
    if (this.phase === 'fetching' && now - this.#lastGood >= this.#limits.patienceMs) {
      return this.#fail('PB-SOURCE-FAILED', what);
    }
    return this.#fetchOn(now);
  }

  #backOff(failures: number): number {
    return Math.min(this.#limits.firstRetryMs * 2 ** (failures - 1), this.#limits.maxRetryMs);
  }

  #fetchOn(now: MonotonicMs): readonly SessionAction[] {
    if (this.phase !== 'fetching') return [];
    const actions: SessionAction[] = [];
    while (this.#fetching < this.#mostFetches && now >= this.#quietUntil) {
      const chunk = this.#nextWanted(now);
      if (chunk === undefined || !this.#fits(chunk)) break;
      this.#move(chunk, 'wanted', 'fetching');
      this.#passOffered();
      this.#fetching += 1;
      this.#heldBytes += this.#content.chunks.plainBytes(chunk);
      actions.push({ kind: 'fetch', chunk });
    }
    return this.#written === this.#states.length ? this.#startFlush() : actions;
  }

  /** After a failure one request probes: a peer that comes back is not met with a burst that fails again. */
  get #mostFetches(): number {
    return this.#failures > 0 ? 1 : this.#limits.maxFetches;
  }

  #fits(chunk: number): boolean {
    const bytes = this.#content.chunks.plainBytes(chunk);
    return this.#heldBytes === 0 || this.#heldBytes + bytes <= this.#limits.maxHeldBytes;
  }

  /** Chunks asked for before come first: they lie earlier in the image. */
  #nextWanted(now: MonotonicMs): number | undefined {
    let first: number | undefined;
    for (const [chunk, { notBefore }] of this.#again) {
      if (this.#states[chunk] !== 'wanted' || notBefore > now) continue;
      if (first === undefined || chunk < first) first = chunk;
    }
    return first ?? (this.#next < this.#states.length ? this.#next : undefined);
  }

  /** Chunks that were offered need no asking. */
  #passOffered(): void {
    while (this.#next < this.#states.length && this.#states[this.#next] !== 'wanted') this.#next += 1;
  }

  #chunkWritten(chunk: number, now: MonotonicMs): readonly SessionAction[] {
    this.#move(chunk, 'writing', 'written');
    const bytes = this.#content.chunks.plainBytes(chunk);
    this.#heldBytes -= bytes;
    this.writtenBytes += bytes;
    this.#written += 1;
    return this.#fetchOn(now);
  }

  #startFlush(): readonly SessionAction[] {
    this.phase = 'flushing';
    return [{ kind: 'flush' }];
  }

  #proveOn(): readonly SessionAction[] {
    const actions: SessionAction[] = [];
    while (this.#proving < this.#limits.maxProofs) {
      const next = this.#pieces.next();
      if (next.done === true) break;
      this.#proving += 1;
      actions.push({ kind: 'prove', piece: next.value });
    }
    if (this.#proving > 0) return actions;
    if (this.#rezeroed.length === 0) {
      this.phase = 'sealing';
      return [{ kind: 'seal' }];
    }
    this.#strict = true;
    this.#pieces = this.#rezeroed.splice(0).values();
    return this.#startFlush();
  }

  #proofEnds(): void {
    assert(this.#proving > 0, 'a piece is being proved');
    this.#proving -= 1;
  }

  #pieceProved(piece: Piece, rezeroed: boolean): readonly SessionAction[] {
    if (this.phase === 'failed') return [];
    if (rezeroed && this.#strict) {
      return this.#fail(
        'PB-DISK-READ-BACK',
        `zeros written at byte ${piece.offset} and following do not stay`,
      );
    }
    if (rezeroed) this.#rezeroed.push(piece);
    else this.provedBytes += piece.length;
    return this.#proveOn();
  }

  #fail(code: SessionFailureCode, what: string): readonly SessionAction[] {
    this.phase = 'failed';
    return [{ kind: 'fail', code, what }];
  }

  /** After trouble with sources only: a disk that lied once is not asked again. */
  #resume(now: MonotonicMs): readonly SessionAction[] {
    assert(this.phase === 'failed' && this.#written < this.#states.length, 'only fetching can be resumed');
    this.phase = 'fetching';
    this.#lastGood = now;
    this.#quietUntil = now;
    for (const one of this.#again.values()) Object.assign(one, { tries: 0, since: now, notBefore: now });
    return this.#fetchOn(now);
  }

  #move(chunk: number, from: ChunkState, to: ChunkState): void {
    assert(this.#states[chunk] === from, `chunk ${chunk} is ${this.#states[chunk]}, not ${from}`);
    this.#states[chunk] = to;
  }
}
