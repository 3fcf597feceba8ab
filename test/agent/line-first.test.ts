// The line first, then the sources over HTTP: when the line gives a chunk up, stands still, or is not there.
import { describe, expect, it } from 'vitest';
import { createLineFirst } from '../../src/agent/line-first.ts';
import { PeerbootError } from '../../src/base/errors.ts';
import { silentLog } from '../../src/base/log.ts';
import type { ChunkSource, FetchOptions, PartialChunk } from '../../src/chunk/ports.ts';

const wanted = { digest: `sha256:${'0'.repeat(64)}`, size: 4 } as const;
const fromLine = Uint8Array.of(1, 2, 3, 4);
const fromRest = Uint8Array.of(5, 6, 7, 8);

function world(lineFetch: ChunkSource['fetch']) {
  let now = 0;
  const alarms = new Set<{ at: number; wake: () => void }>();
  const seen: (PartialChunk | undefined)[] = [];
  const told: string[] = [];
  let line: ChunkSource | undefined = { name: 'line', fetch: lineFetch };
  let receivedBytes = 0;
  const source = createLineFirst({
    line: () => line,
    receivedBytes: () => receivedBytes,
    rest: {
      name: 'rest',
      async fetch(_wanted, options) {
        seen.push(options?.partial);
        return fromRest;
      },
    },
    clock: { nowMs: () => now, wallMs: () => 0 },
    timers: {
      after(delayMs, wake) {
        const alarm = { at: now + delayMs, wake };
        alarms.add(alarm);
        return () => alarms.delete(alarm);
      },
    },
    log: silentLog,
    served: () => told.push('line'),
    patienceMs: 1_000,
  });
  return {
    source,
    told,
    seen,
    alarms,
    pass(ms: number) {
      now += ms;
      for (const alarm of [...alarms]) {
        if (alarm.at > now) continue;
        alarms.delete(alarm);
        alarm.wake();
      }
    },
    move: () => receivedBytes++,
    setLine(next: ChunkSource | undefined) {
      line = next;
    },
  };
}

/** Never answers, but ends when it is no longer wanted. */
const silent = (_wanted: unknown, options: FetchOptions = {}) =>
  new Promise<Uint8Array>((_resolve, reject) => {
    options.signal?.addEventListener('abort', () => reject(options.signal?.reason));
  });

describe('a target asks', () => {
  it('the line, and nobody else while that delivers', async () => {
    const { source, told, seen, alarms } = world(async () => fromLine);
    expect(await source.fetch(wanted)).toBe(fromLine);
    expect(told).toEqual(['line']);
    expect(seen).toEqual([]);
    expect(alarms.size).toBe(0);
  });

  it('the others when there is no line', async () => {
    const one = world(async () => fromLine);
    one.setLine(undefined);
    expect(await one.source.fetch(wanted)).toBe(fromRest);
    expect(one.told).toEqual([]);
  });

  it('the others from the byte on at which the line gave up', async () => {
    const { source, seen } = world(async (_wanted, options) => {
      if (options?.partial !== undefined) Object.assign(options.partial, { bytes: fromLine, received: 3 });
      throw new PeerbootError('PB-SOURCE-FAILED', 'line: nobody has it');
    });
    expect(await source.fetch(wanted)).toBe(fromRest);
    expect(seen).toEqual([{ bytes: fromLine, received: 3 }]);
  });

  it('the others when the line stands still, leaves it alone for a while, each time for longer, then asks it again', async () => {
    const one = world(silent);
    for (const asideMs of [10_000, 20_000]) {
      const both = [one.source.fetch(wanted), one.source.fetch(wanted)];
      one.pass(999);
      expect(one.seen).toHaveLength(0);
      one.pass(1);
      expect(await Promise.all(both)).toEqual([fromRest, fromRest]);
      expect(one.seen.splice(0)).toHaveLength(2);
      one.pass(asideMs - 1);
      expect(await one.source.fetch(wanted)).toBe(fromRest);
      one.seen.length = 0;
      one.pass(1);
    }
    expect(one.alarms.size).toBe(0);
  });

  it('a slow line for as long as bytes of any chunk come', async () => {
    const one = world(silent);
    const chunk = one.source.fetch(wanted);
    for (let i = 0; i < 5; i++) {
      one.move();
      one.pass(1_000);
    }
    expect(one.seen).toHaveLength(0);
    one.pass(1_000);
    expect(await chunk).toBe(fromRest);
  });

  it('nobody any more when it gives up the whole imaging', async () => {
    const one = world(silent);
    const stop = new AbortController();
    const chunk = one.source.fetch(wanted, { signal: stop.signal });
    stop.abort(new Error('over'));
    await expect(chunk).rejects.toThrow('over');
    expect(one.seen).toHaveLength(0);
  });
});
