// The chunk store's puts with durability on, beside dd with fsync, mv and a sync of the folder for each file.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openChunkStore } from '../src/io/chunk-files.ts';
import { systemClock } from '../src/io/clock.ts';
import { type TestChunk, testChunks } from '../test/support/chunks.ts';
import type { Bench, BenchContext, BenchRow } from './bench.ts';

const SIZES = [
  { label: '1.2 MB', bytes: 1_234_567, count: 96 },
  { label: '4 KiB', bytes: 4_096, count: 256 },
];
const AT_ONCE = [1, 8, 32];
const ROUNDS = 3;

/** Puts a second; and the longest that the event loop stood still, in ms. */
async function ours(folder: string, chunks: readonly TestChunk[], atOnce: number) {
  const store = await openChunkStore({ folder, quotaBytes: 1e12, clock: systemClock });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const queue = chunks[Symbol.iterator]();
  const putter = async () => {
    for (const { descriptor, bytes } of queue) await store.put(descriptor, bytes);
  };
  delay.enable();
  const began = performance.now();
  await Promise.all(Array.from({ length: atOnce }, putter));
  const seconds = (performance.now() - began) / 1_000;
  delay.disable();
  await store.close();
  return { perSecond: chunks.length / seconds, stillMs: delay.max / 1e6 };
}

/** The same steps by the system's own tools; `$0` is a source file. Its digest is not even looked at. */
const KEEP = 'dd if="$0" of="$0.part" bs=4M conv=fsync status=none && mv "$0.part" "kept/$0" && sync kept';

async function theirs(folder: string, chunks: readonly TestChunk[], atOnce: number): Promise<number> {
  mkdirSync(join(folder, 'kept'), { recursive: true });
  const names = chunks.map(({ bytes }, i) => {
    writeFileSync(join(folder, `${i}`), bytes);
    return `${i}`;
  });
  const began = performance.now();
  const words = ['-P', String(atOnce), '-n', '1', 'sh', '-c', KEEP];
  const child = spawn('xargs', words, { cwd: folder, stdio: ['pipe', 'inherit', 'inherit'] });
  child.stdin.end(names.join('\n'));
  const [status] = (await once(child, 'exit')) as [number | null];
  if (status !== 0) throw new Error(`xargs ended with ${status}`);
  return chunks.length / ((performance.now() - began) / 1_000);
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] as number;

async function run({ folder, progress }: BenchContext): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  let stillMs = 0;
  for (const { label, bytes, count } of SIZES) {
    const chunks = testChunks(count, bytes);
    for (const atOnce of AT_ONCE) {
      progress(`${count} chunks of ${label}, ${atOnce} at a time`);
      const own: number[] = [];
      const rival: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const here = join(folder, 'round');
        rival.push(await theirs(join(here, 'tools'), chunks, atOnce));
        const mine = await ours(join(here, 'store'), chunks, atOnce);
        own.push(mine.perSecond);
        stillMs = Math.max(stillMs, mine.stillMs);
        rmSync(here, { recursive: true });
      }
      rows.push({
        work: `put chunks of ${label}, ${atOnce} at a time`,
        unit: 'puts/s',
        ours: median(own),
        rival: median(rival),
        rivalName: 'dd conv=fsync, mv, sync',
        ratio: median(own) / median(rival),
      });
    }
  }
  progress(`longest that the event loop stood still: ${stillMs.toFixed(0)} ms`);
  return rows;
}

export const bench: Bench = {
  name: 'store',
  about: 'puts into the chunk store, each durable when it is acknowledged, beside the system tools',
  run,
};
