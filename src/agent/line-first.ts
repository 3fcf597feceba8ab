// Where a target's chunks come from: the line of its image, and when that does not deliver, the sources over HTTP.
import { isPeerbootError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Clock, MonotonicMs, Timers } from '../base/time.ts';
import type { ChunkSource, FetchOptions, PartialChunk, Wanted } from '../chunk/ports.ts';

export interface LineFirstOptions {
  /** Undefined while it has not been joined. */
  readonly line: () => ChunkSource | undefined;
  /** So far, of whatever chunk: a line that is slow does not stand still. */
  readonly receivedBytes: () => number;
  readonly rest: ChunkSource;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  /** Hears of each chunk that the line brought. */
  readonly served: () => void;
  readonly patienceMs?: number | undefined;
}

/** Nobody of the site has delivered for so long: it heals in two seconds, and hands the WAN on in three. */
const PATIENCE_MS = 10_000;
/** Doubled each time that it stands still again. */
const FIRST_ASIDE_MS = 10_000;
const LONGEST_ASIDE_MS = 5 * 60_000;

export function createLineFirst(options: LineFirstOptions): ChunkSource {
  const { line: lineNow, rest, clock, timers, log, patienceMs = PATIENCE_MS } = options;
  const waiting = new Set<AbortController>();
  /** When the line last brought something, or began to be asked after a pause. */
  let seenBytes = 0;
  let movedMs: MonotonicMs = Number.NEGATIVE_INFINITY;
  let asideUntilMs: MonotonicMs = Number.NEGATIVE_INFINITY;
  let asideMs = FIRST_ASIDE_MS;

  /** Ends all requests once nothing has come for too long; returns how to stop watching. */
  function watch(): () => void {
    let cancel = () => {};
    const look = () => {
      // Another request has found it out.
      if (clock.nowMs() < asideUntilMs) return;
      const bytes = options.receivedBytes();
      if (bytes !== seenBytes) movedMs = clock.nowMs();
      seenBytes = bytes;
      const leftMs = patienceMs - (clock.nowMs() - movedMs);
      if (leftMs > 0) {
        cancel = timers.after(leftMs, look);
        return;
      }
      asideUntilMs = clock.nowMs() + asideMs;
      log.warn({ asideMs }, 'the line stands still: set aside');
      asideMs = Math.min(2 * asideMs, LONGEST_ASIDE_MS);
      for (const one of waiting) one.abort();
    };
    look();
    return () => cancel();
  }

  /** Undefined when the line did not deliver. */
  async function alongLine(
    line: ChunkSource,
    wanted: Wanted,
    given: FetchOptions,
  ): Promise<Uint8Array | undefined> {
    if (waiting.size === 0) movedMs = clock.nowMs();
    const stop = new AbortController();
    waiting.add(stop);
    const unwatch = watch();
    const signals = given.signal === undefined ? [stop.signal] : [stop.signal, given.signal];
    try {
      const bytes = await line.fetch(wanted, { ...given, signal: AbortSignal.any(signals) });
      movedMs = clock.nowMs();
      asideMs = FIRST_ASIDE_MS;
      options.served();
      return bytes;
    } catch (error) {
      if (!stop.signal.aborted && !isPeerbootError(error)) throw error;
      log.info({ digest: wanted.digest, err: error }, 'the line did not deliver');
      return undefined;
    } finally {
      unwatch();
      waiting.delete(stop);
    }
  }

  return {
    name: rest.name,
    async fetch(wanted, given = {}) {
      const line = clock.nowMs() < asideUntilMs ? undefined : lineNow();
      // What the line has brought of a chunk that it gives up is gone on with.
      const partial: PartialChunk = given.partial ?? { bytes: undefined, received: 0 };
      const options = { ...given, partial };
      const bytes = line === undefined ? undefined : await alongLine(line, wanted, options);
      return bytes ?? rest.fetch(wanted, options);
    },
  };
}
