// kill -9 at 200 random moments: no acknowledged chunk is lost, none corrupt is served. (A kill is no power cut: for
// that, the order of steps in chunk-files.real.test.ts.)
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Digest } from '../../src/base/digest.ts';
import { seededRandom } from '../../src/base/random.ts';
import { openChunkStore } from '../../src/io/chunk-files.ts';
import { systemClock } from '../../src/io/clock.ts';
import { digestOf } from '../../src/io/hash.ts';
import { killTestChunk } from '../support/chunks.ts';
import { logbook } from '../support/logbook.ts';

const KILLS = 200;
const SEEDS_A_ROUND = 100_000;
let scratch: string;
let folder: string;
let script: string;
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'pb-kill-'));
  folder = join(scratch, 'store');
  script = join(scratch, 'child.mjs');
  // One file starts three times as fast as twenty, and this one starts 200 times.
  const entry = fileURLToPath(new URL('./chunk-files-child.ts', import.meta.url));
  await build({ entryPoints: [entry], outfile: script, bundle: true, platform: 'node', format: 'esm' });
});
afterAll(() => rmSync(scratch, { recursive: true }));

interface Child {
  readonly process: ChildProcess;
  readonly acknowledged: number[];
  readonly warm: Promise<void>;
  readonly open: Promise<void>;
  /** It has acknowledged a chunk. */
  readonly firstWord: Promise<void>;
}

/** A process that has loaded its code and waits for the word: so its start-up costs no time of the test. */
function startChild(round: number): Child {
  const child = spawn(process.execPath, [script, folder, String(round * SEEDS_A_ROUND)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const acknowledged: number[] = [];
  const warm = Promise.withResolvers<void>();
  const open = Promise.withResolvers<void>();
  const firstWord = Promise.withResolvers<void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line === 'warm') warm.resolve();
    else if (line === 'open') open.resolve();
    else {
      acknowledged.push(Number(line.slice('ack '.length)));
      firstWord.resolve();
    }
  });
  return {
    process: child,
    acknowledged,
    warm: warm.promise,
    open: open.promise,
    firstWord: firstWord.promise,
  };
}

it(`keeps its word over ${KILLS} kills`, async () => {
  const random = seededRandom(20_261_122);
  const log = logbook();
  const proved = new Set<Digest>();
  let acknowledged = 0;
  let unacknowledged = 0;
  let tornFiles = 0;
  let next = startChild(0);
  for (let round = 0; round < KILLS; round++) {
    const child = next;
    await child.warm;
    if (round + 1 < KILLS) next = startChild(round + 1);
    child.process.stdin?.write('go\n');
    // Every tenth while it opens, half of them as soon as it has, the others once it has acknowledged something.
    if (round % 10 !== 0) await child.open;
    if (round % 10 > 5) await child.firstWord;
    const exit = once(child.process, 'close');
    setTimeout(() => child.process.kill('SIGKILL'), random.next() * 60);
    await exit;
    tornFiles += existingTemps();
    const store = await openChunkStore({ folder, quotaBytes: 1e12, clock: systemClock, log });
    try {
      for (const seed of child.acknowledged) {
        const { digest } = killTestChunk(seed).descriptor;
        expect(store.has(digest), `acknowledged chunk ${seed} of round ${round}`).toBe(true);
      }
      acknowledged += child.acknowledged.length;
      const fresh = [...store.list()].filter((chunk) => !proved.has(chunk.digest));
      for (const { digest } of fresh) {
        const bytes = await store.get(digest);
        expect(bytes && digestOf(bytes), `chunk found in round ${round}`).toBe(digest);
        proved.add(digest);
      }
      unacknowledged += fresh.length - child.acknowledged.length;
    } finally {
      await store.close();
    }
  }
  // The kills did fall into the middle of things: otherwise this test proves nothing.
  expect(acknowledged).toBeGreaterThan(KILLS / 3);
  expect(tornFiles).toBeGreaterThan(KILLS / 10);
  expect(log.lines.filter((line) => line.level === 'error')).toEqual([]);
  expect(proved.size).toBe(acknowledged + unacknowledged);
  console.log(JSON.stringify({ kills: KILLS, acknowledged, unacknowledged, tornFiles }));

  const store = await openChunkStore({ folder, quotaBytes: 1e12, clock: systemClock, log });
  for (const digest of proved) expect(await store.get(digest)).toBeDefined();
  await store.close();
});

function existingTemps(): number {
  try {
    return readdirSync(join(folder, 'temp')).length;
  } catch {
    return 0;
  }
}
