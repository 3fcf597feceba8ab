// Presence in a site of 200: what one real peer spends on it in CPU and bytes, beside the same peer in a site of two.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { LOOK_EVERY_MS } from '../src/io/beacon-sockets.ts';
import { BEAT_MS, LARGE_SITE, sparseMs } from '../src/swarm/beacon-pace.ts';
import { type Running, run, start } from '../test/lab/process.ts';
import { addressOf, createPresenceLan } from '../test/support/presence-lan.ts';
import type { Bench, BenchContext, BenchRow } from './bench.ts';

const CHILD = fileURLToPath(new URL('../test/support/presence-child.ts', import.meta.url));
const CROWD = fileURLToPath(new URL('./support/presence-crowd.ts', import.meta.url));
const HEARING = fileURLToPath(new URL('./support/hearing-only.ts', import.meta.url));
const SITES = [2, 200];
/** V8 compiles what is hot, and all have become acquainted. */
const SETTLE_MS = 20_000;
const MEASURE_MS = 60_000;
const TICK_MS = 10;

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface Figures {
  readonly cpuPercent: number;
  /** Of a process that hears the same and does nothing. */
  readonly hearingPercent: number;
  readonly kilobytesPerSecond: number;
}

function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** All that crosses its interface, Ethernet headers included. */
async function linkBytes(namespace: string): Promise<number> {
  const files = ['rx_bytes', 'tx_bytes'].map((name) => `/sys/class/net/eth1/statistics/${name}`);
  const text = await run('ip', ['netns', 'exec', namespace, 'cat', ...files]);
  return text
    .trim()
    .split('\n')
    .map(Number)
    .reduce((a, b) => a + b);
}

async function measure(peers: number): Promise<Figures> {
  const lan = await createPresenceLan();
  const running: Running[] = [];
  try {
    const space = await lan.host('one', 1, [1]);
    const crowdSpace = await lan.host('crowd', 2, [1]);
    for (let i = 3; i <= peers; i++)
      await run('ip', ['-n', crowdSpace, 'addr', 'add', `${addressOf(i, 1)}/24`, 'dev', 'eth1']);
    const job = { id: '11'.repeat(8), lookEveryMs: LOOK_EVERY_MS };
    const one = start(process.execPath, [CHILD, JSON.stringify(job)], { namespace: space });
    running.push(one);
    const hearing = start(process.execPath, [HEARING, addressOf(1, 1)], { namespace: space });
    running.push(hearing);
    const toAllMs = peers > LARGE_SITE ? sparseMs(peers - 1) : BEAT_MS;
    const words = [CROWD, addressOf(2, 1), String(peers - 1), String(toAllMs), addressOf(1, 1)];
    running.push(start(process.execPath, words, { namespace: crowdSpace }));
    const sees = (line: string) =>
      line.includes('"peers"') && (JSON.parse(line) as { peers: unknown[] }).peers.length === peers - 1;
    await one.log.waitFor((line) => sees(line) || undefined, {
      timeoutMs: 30_000,
      what: `${peers - 1} peers seen`,
    });
    await wait(SETTLE_MS);
    const before = {
      cpu: cpuMs(one.pid),
      hearing: cpuMs(hearing.pid),
      bytes: await linkBytes(space),
      at: performance.now(),
    };
    await wait(MEASURE_MS);
    const after = {
      cpu: cpuMs(one.pid),
      hearing: cpuMs(hearing.pid),
      bytes: await linkBytes(space),
      at: performance.now(),
    };
    const elapsedMs = after.at - before.at;
    return {
      cpuPercent: ((after.cpu - before.cpu) / elapsedMs) * 100,
      hearingPercent: ((after.hearing - before.hearing) / elapsedMs) * 100,
      kilobytesPerSecond: (after.bytes - before.bytes) / elapsedMs,
    };
  } finally {
    await Promise.all(running.map((each) => each.stop()));
    await lan.remove();
  }
}

export const bench: Bench = {
  name: 'presence',
  about: 'CPU and bytes of presence for one real peer in a site of 200, beside the same in a site of two',
  async run({ progress }: BenchContext): Promise<readonly BenchRow[]> {
    const found: Figures[] = [];
    for (const peers of SITES) {
      progress(`a site of ${peers}`);
      found.push(await measure(peers));
    }
    const row = (work: string, unit: string, pick: (figures: Figures) => number, bound: number): BenchRow => {
      const [rival = 0, ours = 0] = found.map(pick);
      return {
        work,
        unit,
        ours,
        rival,
        rivalName: 'a site of two',
        ratio: ours / Math.max(rival, Number.MIN_VALUE),
        goal: { bound, better: 'below', absolute: true },
      };
    };
    const { cpuPercent = 0, hearingPercent = 0 } = found[1] ?? {};
    return [
      row('one of 200 peers: CPU', '%', ({ cpuPercent }) => cpuPercent, 1),
      row('one of 200 peers: sent and received', 'kB/s', ({ kilobytesPerSecond }) => kilobytesPerSecond, 10),
      {
        work: 'one of 200 peers: CPU beside hearing alone',
        unit: '%',
        ours: cpuPercent,
        rival: hearingPercent,
        rivalName: 'a Node socket that hears the same and does nothing',
        ratio: cpuPercent / Math.max(hearingPercent, Number.MIN_VALUE),
      },
    ];
  },
};
