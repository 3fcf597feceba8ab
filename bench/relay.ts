// One process receives proved chunks from a feeder and serves them to a follower, over loopback; beside nginx as a caching proxy.
import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { digestOf } from '../src/io/hash.ts';
import { testChunk } from '../test/support/chunks.ts';
import { startNginx } from '../test/support/nginx.ts';
import type { Bench, BenchContext, BenchRow } from './bench.ts';
import type { RelayNodeArguments } from './support/relay-node.ts';

const CHUNK_BYTES = 1_234_567;
const DISTINCT = 48;
/** V8 compiles what is hot in the first gigabytes; a disk image is many. */
const WARM_UP = 1_500;
const ROUND_CHUNKS = 400;
const ROUNDS = 4;
const TICKS_PER_SECOND = 100;
const GIGABYTES = (ROUND_CHUNKS * CHUNK_BYTES) / 1e9;

interface RelayProcess {
  readonly id: string;
  readonly port: number;
  ask<Answer>(command: string): Promise<Answer>;
  stop(): Promise<void>;
}

async function startNode(options: RelayNodeArguments): Promise<RelayProcess> {
  const script = fileURLToPath(new URL('support/relay-node.ts', import.meta.url));
  const profile = process.env.RELAY_PROFILE;
  const flags =
    profile === undefined || options.role !== 'relay' ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(
    process.execPath,
    [...flags, script, JSON.stringify(options)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => JSON.parse((await lines.next()).value ?? '{}');
  const { id, port } = await answer();
  return {
    id,
    port,
    async ask(command) {
      child.stdin.write(`${command}\n`);
      return answer();
    },
    async stop() {
      const gone = once(child, 'exit');
      child.stdin.write('stop\n');
      await gone;
    },
  };
}

interface Figures {
  readonly gigabitsPerSecond: number;
  readonly cpuSecondsPerGigabyte: number;
}

interface CpuSeconds {
  readonly cpuSeconds: number;
  readonly mainSeconds: number;
}

const middle = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

const median = (figures: readonly Figures[], of: keyof Figures) => middle(figures.map((one) => one[of]));

/** User and system time of a process so far. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

async function run({ folder, progress }: BenchContext): Promise<BenchRow[]> {
  const rows = WARM_UP + ROUNDS * ROUND_CHUNKS;
  const common = { rows, chunkBytes: CHUNK_BYTES, distinct: DISTINCT };
  progress('starting feeder, relay and follower');
  const feeder = await startNode({ ...common, role: 'feeder' });
  const relay = await startNode({ ...common, role: 'relay', above: feeder });
  const follower = await startNode({ ...common, role: 'follower', above: relay });
  const proxy = await startProxy(folder);
  /** The relay wants all of it as well, as a replica does; the follower is fed by nobody else. */
  const both = async (command: string) => {
    const [, { seconds }] = await Promise.all([
      relay.ask(command),
      follower.ask<{ seconds: number }>(command),
    ]);
    return seconds;
  };
  const own: Figures[] = [];
  const mainThread: number[] = [];
  const hashing: number[] = [];
  const theirs: Figures[] = [];
  try {
    await both(`fetch 0 ${WARM_UP}`);
    for (let round = 0; round < ROUNDS; round++) {
      progress(`round ${round + 1} of ${ROUNDS}`);
      const from = WARM_UP + round * ROUND_CHUNKS;
      const before = await relay.ask<CpuSeconds>('stats');
      const seconds = await both(`fetch ${from} ${from + ROUND_CHUNKS}`);
      const after = await relay.ask<CpuSeconds>('stats');
      const cpu = after.cpuSeconds - before.cpuSeconds;
      own.push({ gigabitsPerSecond: (8 * GIGABYTES) / seconds, cpuSecondsPerGigabyte: cpu / GIGABYTES });
      mainThread.push((after.mainSeconds - before.mainSeconds) / GIGABYTES);
      hashing.push(hashSecondsPerGigabyte());
      theirs.push(await proxy.round(round));
    }
  } finally {
    await follower.stop();
    await relay.stop();
    await feeder.stop();
    await proxy.stop();
  }
  const row = (work: string, of: keyof Figures, unit: string, goal?: BenchRow['goal']): BenchRow => {
    const [ours, rival] = [median(own, of), median(theirs, of)];
    return { work, unit, ours, rival, rivalName: 'nginx', ratio: ours / rival, ...(goal && { goal }) };
  };
  const hash = middle(hashing);
  const beside = (work: string, ours: number): BenchRow => ({
    work,
    unit: 'CPU s/GB',
    ours,
    rival: hash,
    rivalName: 'SHA-256 of the same chunks',
    ratio: ours / hash,
  });
  return [
    row('relayed', 'gigabitsPerSecond', 'Gb/s', { bound: 5, better: 'above', absolute: true }),
    row('CPU of the relay', 'cpuSecondsPerGigabyte', 'CPU s/GB'),
    beside('CPU of the relay beside proving alone', median(own, 'cpuSecondsPerGigabyte')),
    beside('of it on the thread that has the sockets', middle(mainThread)),
  ];
}

/** What proving alone costs on this machine at this moment: nobody who proves can do with less. */
function hashSecondsPerGigabyte(): number {
  const chunks = Array.from({ length: DISTINCT }, (_, seed) => testChunk(seed, CHUNK_BYTES).bytes);
  const before = process.cpuUsage();
  for (let i = 0; i < ROUND_CHUNKS; i++) digestOf(chunks[i % DISTINCT] ?? new Uint8Array(0));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6 / GIGABYTES;
}

/** nginx that fetches from nginx and keeps what it fetched; it proves nothing. curl takes 16 at a time. */
async function startProxy(folder: string) {
  const root = join(folder, 'origin');
  mkdirSync(root);
  for (let seed = 0; seed < DISTINCT; seed++) {
    writeFileSync(join(root, `${seed}`), testChunk(seed, CHUNK_BYTES).bytes);
  }
  const origin = await startNginx({ home: join(folder, 'nginx-origin'), root, accessLog: false });
  const proxy = await startNginx({
    home: join(folder, 'nginx-proxy'),
    root,
    accessLog: false,
    extraHttp: `proxy_cache_path ${folder}/cache keys_zone=cache:10m max_size=20g use_temp_path=off;
      upstream origin { server 127.0.0.1:${origin.port}; keepalive 16; }`,
    extra: `location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_cache cache; proxy_cache_valid 200 1h; proxy_cache_key $request_uri; }`,
  });
  const pid = proxy.process.pid as number;
  return {
    async round(round: number): Promise<Figures> {
      const list = join(folder, 'urls');
      const urls = Array.from(
        { length: ROUND_CHUNKS },
        (_, row) => `url = "${proxy.base}/${row % DISTINCT}?${round}-${row}"\noutput = /dev/null\n`,
      );
      writeFileSync(list, urls.join(''));
      const cpu = cpuSeconds(pid);
      const began = performance.now();
      const flags = ['--no-progress-meter', '--fail', '--parallel', '--parallel-max', '16', '--config', list];
      await promisify(execFile)('curl', flags);
      const seconds = (performance.now() - began) / 1_000;
      return {
        gigabitsPerSecond: (8 * GIGABYTES) / seconds,
        cpuSecondsPerGigabyte: (cpuSeconds(pid) - cpu) / GIGABYTES,
      };
    },
    async stop() {
      await proxy.stop();
      await origin.stop();
    },
  };
}

export const bench: Bench = {
  name: 'relay',
  about: `chunks of 1.2 MB from a feeder through one process to a follower, loopback, beside nginx as a caching proxy that proves nothing`,
  run,
};
