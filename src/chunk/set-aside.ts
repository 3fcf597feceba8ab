// Which sources are set aside, and for how long: pure policy, time is an argument.
import type { Digest } from '../base/digest.ts';
import type { MonotonicMs } from '../base/time.ts';

/** What one source is known for; a value, never changed in place. */
export interface Standing {
  /** Failures in a row. */
  readonly failures: number;
  /** Chunks in a row that it did not have. */
  readonly misses: number;
  /** Not asked before this time while another source can be. */
  readonly asideUntilMs: MonotonicMs;
  /** When the last failure was counted. */
  readonly failedAtMs: MonotonicMs;
}

export const GOOD_STANDING: Standing = {
  failures: 0,
  misses: 0,
  asideUntilMs: Number.NEGATIVE_INFINITY,
  failedAtMs: Number.NEGATIVE_INFINITY,
};

const FIRST_ASIDE_MS = 5_000;
const LONGEST_ASIDE_MS = 5 * 60_000;
/** A source without so many chunks in a row holds another tree, or half of one: it is then treated as failing. */
const MISSES_THAT_COUNT = 8;

/**
 * After a failure (refused, 5xx, stall, truncated, wrong bytes, TLS) of a request sent at `startedMs`: 5 s, then
 * twice as long each time, up to 5 min. Requests already on their way when a failure was counted say nothing new:
 * eight that break together are one failure.
 */
export function afterFailure(standing: Standing, startedMs: MonotonicMs, now: MonotonicMs): Standing {
  if (startedMs <= standing.failedAtMs) return standing;
  const failures = standing.failures + 1;
  const asideMs = Math.min(FIRST_ASIDE_MS * 2 ** (failures - 1), LONGEST_ASIDE_MS);
  return { failures, misses: 0, asideUntilMs: now + asideMs, failedAtMs: now };
}

/** After "I do not have that chunk": the source is in order, so only many in a row set it aside. */
export function afterMiss(standing: Standing, startedMs: MonotonicMs, now: MonotonicMs): Standing {
  const misses = standing.misses + 1;
  if (misses < MISSES_THAT_COUNT) return { ...standing, misses };
  return afterFailure(standing, startedMs, now);
}

export function isAside(standing: Standing, now: MonotonicMs): boolean {
  return now < standing.asideUntilMs;
}

/**
 * The order in which to ask, as indices: sources in good standing first, in the configured order. Those set aside
 * follow, the one whose time ends first leading: where nothing else is left, asking beats failing.
 */
export function askingOrder(standings: readonly Standing[], now: MonotonicMs): readonly number[] {
  const indices = standings.map((_, index) => index);
  const until = (index: number) => (standings[index] as Standing).asideUntilMs;
  return [
    ...indices.filter((index) => until(index) <= now),
    ...indices.filter((index) => until(index) > now).sort((a, b) => until(a) - until(b)),
  ];
}

/** Chunks that one source did not have or had wrong, so that it is not asked for them again at once. */
export type ChunkNotes = ReadonlyMap<
  Digest,
  { readonly why: 'missing' | 'corrupt'; readonly untilMs: MonotonicMs }
>;

/** A missing chunk may just be on its way there; a wrong one wants mending there, or a cache on the way to forget it. */
export const NOTE_MS = { missing: 5_000, corrupt: 15_000 } as const;
const MOST_NOTES = 1_024;

/** Adds a note; past 1,024 of them the oldest go, for a note only saves a request. */
export function withNote(
  notes: ChunkNotes,
  digest: Digest,
  why: 'missing' | 'corrupt',
  now: MonotonicMs,
): ChunkNotes {
  const kept = [...notes].filter(([known, note]) => note.untilMs > now && known !== digest);
  return new Map([...kept.slice(1 - MOST_NOTES), [digest, { why, untilMs: now + NOTE_MS[why] }]]);
}
