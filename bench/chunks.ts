// Chunk service of a 1 GiB image over loopback: our HTTP service from its chunk store, beside nginx over the same files.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { chunkPath, ROUTES } from '../src/api/routes.ts';
import { type Digest, digestHex } from '../src/base/digest.ts';
import { testChunk } from '../test/support/chunks.ts';
import { startNginx } from '../test/support/nginx.ts';
import type { Bench, BenchContext, BenchRow } from './bench.ts';

const CHUNK_BYTES = 1_234_567;
const GIB = 1024 ** 3;
const CHUNKS = Math.ceil(GIB / CHUNK_BYTES);
const CONNECTIONS = 4;
const ROUNDS = 5;
const TICKS_PER_SECOND = 100;

interface Figures {
  readonly mebibytesPerSecond: number;
  readonly cpuSecondsPerGib: number;
}

/** User and system time of a process so far. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The whole image, four chunks at a time, thrown away by curl as soon as it has come. */
async function fetchAll(urls: readonly string[], pid: number, folder: string): Promise<Figures> {
  const list = join(folder, 'urls');
  writeFileSync(list, urls.map((url) => `url = "${url}"\noutput = /dev/null\n`).join(''));
  const cpu = cpuSeconds(pid);
  const began = performance.now();
  const options = ['--no-progress-meter', '--fail', '--parallel', '--parallel-max', String(CONNECTIONS)];
  await promisify(execFile)('curl', [...options, '--config', list]);
  const seconds = (performance.now() - began) / 1_000;
  const gib = (urls.length * CHUNK_BYTES) / GIB;
  return { mebibytesPerSecond: (gib * 1024) / seconds, cpuSecondsPerGib: (cpuSeconds(pid) - cpu) / gib };
}

function median(figures: readonly Figures[], of: keyof Figures): number {
  return figures.map((one) => one[of]).sort((a, b) => a - b)[figures.length >> 1] as number;
}

async function startOurs(folder: string): Promise<{ process: ChildProcess; port: number }> {
  const script = fileURLToPath(new URL('support/chunk-server.ts', import.meta.url));
  const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { process: child, port: Number(line) };
}

/** Lays the chunks into a store's folder as if they had been put; the store takes them in when it opens. */
function layChunks(store: string, progress: BenchContext['progress']): Digest[] {
  progress(`making ${CHUNKS} chunks of ${CHUNK_BYTES} bytes`);
  const folder = join(store, 'chunks');
  mkdirSync(folder, { recursive: true });
  return Array.from({ length: CHUNKS }, (_, seed) => {
    const { descriptor, bytes } = testChunk(seed, CHUNK_BYTES);
    const temp = join(store, 'new');
    writeFileSync(temp, bytes);
    renameSync(temp, join(folder, digestHex(descriptor.digest)));
    return descriptor.digest;
  });
}

async function run({ folder, progress }: BenchContext): Promise<BenchRow[]> {
  const store = join(folder, 'store');
  const digests = layChunks(store, progress);
  const nginx = await startNginx({
    home: join(folder, 'nginx'),
    root: join(store, 'chunks'),
    accessLog: false,
  });
  const ours = await startOurs(store);
  try {
    const theirUrls = digests.map((digest) => `${nginx.base}/${digestHex(digest)}`);
    const ourUrls = digests.map(
      (digest) => `http://127.0.0.1:${ours.port}${ROUTES.content}/${chunkPath(digest)}`,
    );
    const theirs = () => fetchAll(theirUrls, nginx.process.pid as number, folder);
    const own = () => fetchAll(ourUrls, ours.process.pid as number, folder);
    // nginx first: the page cache is then as warm for us.
    await theirs();
    const firstTime = await own();
    const rounds: { own: Figures; theirs: Figures }[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      progress(`round ${round} of ${ROUNDS}`);
      rounds.push({ theirs: await theirs(), own: await own() });
    }
    const row = (
      work: string,
      of: keyof Figures,
      figures: readonly Figures[],
      goal?: BenchRow['goal'],
    ): BenchRow => {
      const mine = median(figures, of);
      const rival = median(
        rounds.map((round) => round.theirs),
        of,
      );
      const unit = of === 'mebibytesPerSecond' ? 'MiB/s' : 'CPU s/GiB';
      return {
        work,
        unit,
        ours: mine,
        rival,
        rivalName: 'nginx',
        ratio: mine / rival,
        ...(goal && { goal }),
      };
    };
    const steady = rounds.map((round) => round.own);
    return [
      row('throughput', 'mebibytesPerSecond', steady, { bound: 0.9, better: 'above' }),
      row('CPU of the server', 'cpuSecondsPerGib', steady, { bound: 2, better: 'below' }),
      row('throughput, first time after a start (each chunk is proved)', 'mebibytesPerSecond', [firstTime]),
      row('CPU of the server, first time after a start', 'cpuSecondsPerGib', [firstTime]),
    ];
  } finally {
    const gone = once(ours.process, 'exit');
    ours.process.kill('SIGTERM');
    await gone;
    await nginx.stop();
  }
}

export const bench: Bench = {
  name: 'chunks',
  about: `a 1 GiB image in chunks of 1.2 MB over loopback, ${CONNECTIONS} at a time, beside nginx`,
  run,
};
