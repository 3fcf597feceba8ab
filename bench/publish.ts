// Publishing beside the plain tools: zstd and sha256sum for speed and size, casync for what a second version adds.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bench } from './bench.ts';
import { imagePair } from './support/image-pair.ts';

const PEERBOOT = fileURLToPath(new URL('../bin/peerboot.js', import.meta.url));
const RUNS = 3;

interface Published {
  readonly seconds: number;
  readonly imageBytes: number;
  readonly storedBytes: number;
  readonly newBytes: number;
  readonly tableBytes: number;
}

function timed(work: () => void): number {
  const started = performance.now();
  work();
  return (performance.now() - started) / 1000;
}

function run(command: string, ...words: string[]): string {
  return execFileSync(command, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

function publish(home: string, image: string, version: string): Published {
  const to = ['--to', join(home, 'tree'), '--keys', join(home, 'keys')];
  let out = '';
  const seconds = timed(() => {
    out = run(
      process.execPath,
      PEERBOOT,
      'publish',
      image,
      '--name',
      'till',
      '--version',
      version,
      ...to,
      '--json',
    );
  });
  return { ...(JSON.parse(out.trim().split('\n').at(-1) as string) as Published), seconds };
}

function bytesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** What casync's store and index grow by. */
function casync(store: string, image: string, index: string): number {
  mkdirSync(store, { recursive: true });
  const before = bytesBelow(store);
  run('casync', 'make', `--store=${store}`, index, image);
  return bytesBelow(store) - before + statSync(index).size;
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

export const bench: Bench = {
  name: 'publish',
  about: 'a 2 GiB Debian disk and its next version: speed, stored bytes and added bytes',
  async run({ folder, progress }) {
    const pair = imagePair(progress);
    const packed = join(folder, 'first.zst');
    const [mine, theirs]: [number[], number[]] = [[], []];
    let first: Published | undefined;
    for (let round = 0; round < RUNS; round++) {
      progress(`round ${round + 1} of ${RUNS}`);
      const home = join(folder, `tree-${round}`);
      mkdirSync(home);
      // sha256sum also brings the file into the page cache; what is measured is work, not the disk.
      if (round === 0) run('sha256sum', pair.first);
      theirs.push(
        timed(() => {
          run('zstd', '-3', '-T0', '-q', '-f', pair.first, '-o', packed);
          run('sha256sum', pair.first);
        }),
      );
      if (round > 0) rmSync(join(folder, `tree-${round - 1}`), { recursive: true });
      first = publish(home, pair.first, '1');
      mine.push(first.seconds);
    }
    if (first === undefined) throw new Error('no round was run');
    progress('the second version, by peerboot and by casync');
    const second = publish(join(folder, `tree-${RUNS - 1}`), pair.second, '2');
    const store = join(folder, 'store.castr');
    const casyncFirst = casync(store, pair.first, join(folder, 'first.caibx'));
    const casyncSecond = casync(store, pair.second, join(folder, 'second.caibx'));

    const megabytes = (bytes: number) => Math.round(bytes / 1e5) / 10;
    const speed = (seconds: readonly number[]) => first.imageBytes / 1e6 / median(seconds);
    const wholeFile = statSync(packed).size;
    const stored = first.storedBytes + first.tableBytes;
    const added = second.newBytes + second.tableBytes;
    return [
      {
        work: 'publish a first version, durable and signed',
        ours: Math.round(speed(mine)),
        rival: Math.round(speed(theirs)),
        rivalName: 'zstd -3 -T0, then sha256sum',
        unit: 'MB/s',
        ratio: speed(mine) / speed(theirs),
      },
      {
        work: 'bytes stored for it, tables and all',
        ours: megabytes(stored),
        rival: megabytes(wholeFile),
        rivalName: 'zstd -3 of the whole file',
        unit: 'MB',
        ratio: stored / wholeFile,
        goal: { bound: 1.1, better: 'below' },
      },
      {
        work: 'bytes stored for it, tables and all',
        ours: megabytes(stored),
        rival: megabytes(casyncFirst),
        rivalName: 'casync',
        unit: 'MB',
        ratio: stored / casyncFirst,
      },
      {
        work: 'bytes that the second version adds, tables and all',
        ours: megabytes(added),
        rival: megabytes(casyncSecond),
        rivalName: 'casync',
        unit: 'MB',
        ratio: added / casyncSecond,
        goal: { bound: 1, better: 'below' },
      },
    ];
  },
};
