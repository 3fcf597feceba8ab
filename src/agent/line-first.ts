// Where a target's chunks come from: the line of its image, and when that does not deliver, the sources over HTTP.
import { isPeerbootError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Clock, MonotonicMs, Timers } from '../base/time.ts';
import type { ChunkSource, FetchOptions, PartialChunk, Wanted } from '../chunk/ports.ts';

export interface LineFirstOptions {
  /** Undefined while it has not been joined. */
  readonly line: () => ChunkSource | undefined;
  readonly rest: ChunkSource;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  /** Hears of each chunk that the line brought. */
  readonly served: () => void;
}

/** The line says itself when it gives a chunk up; this is for the case that it neither delivers nor says so. */
const PATIENCE_MS = 60_000;
const ASIDE_MS = 60_000;

export function createLineFirst(options: LineFirstOptions): ChunkSource {
  const { line: lineNow, rest, clock, timers, log } = options;
  const waiting = new Set<AbortController>();
  /** When the line last brought something, or began to be asked after a pause. */
  let movedMs: MonotonicMs = Number.NEGATIVE_INFINITY;
  let asideUntilMs: MonotonicMs = Number.NEGATIVE_INFINITY;

  /** Ends all requests once nothing has come for too long; returns how to stop watching. */
  function watch(): () => void {
    let cancel = () => {};
    const look = () => {
      const leftMs = PATIENCE_MS - (clock.nowMs() - movedMs);
      if (leftMs > 0) {
        cancel = timers.after(leftMs, look);
        return;
      }
      asideUntilMs = clock.nowMs() + ASIDE_MS;
      log.warn({ asideMs: ASIDE_MS }, 'the line stands still: set aside');
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
