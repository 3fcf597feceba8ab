// The LAN limit: many that send at once stay under it together, each gets its part, and a change is in force at once.
import { expect, it } from 'vitest';
import type { Timers } from '../../src/base/time.ts';
import { openBytes } from '../../src/chunk/ports.ts';
import { createLanPace, type LanPace } from '../../src/service/lan-pace.ts';
import { changed, NOTHING_TOLD } from '../../src/swarm/control.ts';
import { handClock } from './peer.ts';

const LIMIT = 1_000_000;
const CHUNK = new Uint8Array(1_000_000);

/** Time goes on only from one timer to the next. */
function world(limit: number | null) {
  const clock = handClock();
  const waiting: { readonly atMs: number; readonly wake: () => void }[] = [];
  const timers: Timers = {
    after(delayMs, wake) {
      waiting.push({ atMs: clock.nowMs() + delayMs, wake });
      return () => {};
    },
  };
  const lan = createLanPace({ limit, clock, timers });
  const startMs = clock.nowMs();
  const run = async (done: () => boolean) => {
    for (let steps = 0; !done(); steps++) {
      if (steps > 10_000) throw new Error('no end');
      await new Promise((resolve) => setImmediate(resolve));
      waiting.sort((a, b) => a.atMs - b.atMs);
      const next = waiting.shift();
      if (next === undefined) continue;
      clock.advance(Math.max(0, next.atMs - clock.nowMs()));
      next.wake();
    }
    return (clock.nowMs() - startMs) / 1000;
  };
  return { lan, clock, run };
}

async function sendAll(lan: LanPace, onSent: (bytes: number) => void): Promise<void> {
  const chunk = openBytes(CHUNK);
  for (let at = 0; at < chunk.size; ) {
    const bytes = await lan.read(chunk, at, Math.min(256 * 1024, chunk.size - at));
    expect(bytes.length).toBeGreaterThan(0);
    at += bytes.length;
    onSent(bytes.length);
  }
}

it('three that send at once stay under it together, and go hand in hand', async () => {
  const { lan, run } = world(LIMIT);
  const sent = [0, 0, 0];
  const all = sent.map((_, i) =>
    sendAll(lan, (bytes) => {
      sent[i] = (sent[i] ?? 0) + bytes;
    }),
  );
  const half = await run(() => sent.reduce((a, b) => a + b, 0) >= 1_500_000);
  expect(half).toBeGreaterThan(1.2);
  expect(Math.min(...sent)).toBeGreaterThan(300_000);
  const seconds = await run(() => sent.every((bytes) => bytes === CHUNK.length));
  await Promise.all(all);
  expect(seconds).toBeGreaterThan(2.7);
  expect(seconds).toBeLessThan(3.1);
});

it('what the command said holds before what is configured, and takes effect at once', async () => {
  const { lan, clock, run } = world(10_000);
  let sent = 0;
  const sending = sendAll(lan, (bytes) => {
    sent += bytes;
  });
  await run(() => sent > 0);
  const from = clock.nowMs();
  lan.apply(changed(NOTHING_TOLD, { kind: 'limit', lan: null }));
  expect(lan.limit()).toBeNull();
  await run(() => sent === CHUNK.length);
  expect(clock.nowMs() - from).toBeLessThan(2_000);
  await sending;
  lan.apply(NOTHING_TOLD);
  expect(lan.limit()).toBe(10_000);
});

it('costs nothing without a limit', () => {
  const { lan } = world(null);
  expect([lan.take(1 << 30), lan.waitMs()]).toEqual([1 << 30, 0]);
  expect(lan.read(openBytes(CHUNK), 5, 10)).toBeInstanceOf(Uint8Array);
});
