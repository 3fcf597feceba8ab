// DISCOVER flood: how soon 50 real machines get their offer among 5,000 DISCOVERs a second, beside dnsmasq as proxyDHCP.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Running, run, start } from '../test/lab/process.ts';
import { DNSMASQ } from '../test/support/dnsmasq.ts';
import { createTwoLans, type TwoLans } from '../test/support/two-lans.ts';
import type { Bench, BenchRow } from './bench.ts';
import type { DiscoverLoad, DiscoverResult } from './support/discover-load.ts';

const LOAD: DiscoverLoad = { perSecond: 5_000, seconds: 4, machines: 50, rounds: 8 };
const TICKS_PER_SECOND = 100;
/** For both servers and the load alike: the machine's other work is not what is measured. Needs root, as namespaces do. */
const BEFORE_OTHERS = ['nice', '-n', '-10'];
const WARM_UP: DiscoverLoad = { perSecond: 1_500, seconds: 2, machines: 1, rounds: 1 };

const program = (path: string) => fileURLToPath(new URL(path, import.meta.url));

interface Figures {
  readonly p50: number;
  readonly p99: number;
  readonly lost: number;
  readonly cpuMicrosPerDiscover: number;
}

/** User and system time of a process so far, in seconds. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

async function flood(lans: TwoLans, load: DiscoverLoad): Promise<DiscoverResult> {
  const words = [
    'netns',
    'exec',
    lans.clients[0],
    ...BEFORE_OTHERS,
    process.execPath,
    program('support/discover-load.ts'),
  ];
  return JSON.parse(await run('ip', [...words, JSON.stringify(load)])) as DiscoverResult;
}

async function measure(lans: TwoLans, server: Running): Promise<Figures> {
  // Some thousand first, for a program that compiles while it runs; a real one has been up for days.
  for (let tries = 0; (await flood(lans, WARM_UP)).offers === 0; tries++) {
    if (tries === 5) throw new Error(`no offer:\n${server.log.lines.slice(-5).join('\n')}`);
  }
  const before = cpuSeconds(server.pid);
  const { sent, latenciesMs } = await flood(lans, LOAD);
  const sorted = [...latenciesMs].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.ceil(part * sorted.length) - 1] ?? Number.POSITIVE_INFINITY;
  return {
    p50: at(0.5),
    p99: at(0.99),
    lost: LOAD.machines * LOAD.rounds - sorted.length,
    cpuMicrosPerDiscover: ((cpuSeconds(server.pid) - before) / sent) * 1e6,
  };
}

function row(work: string, unit: string, ours: number, rival: number, bound?: number): BenchRow {
  return {
    work,
    unit,
    ours,
    rival,
    rivalName: 'dnsmasq',
    // Nobody lost any: that is a draw.
    ratio: rival === 0 ? ours + 1 : ours / rival,
    ...(bound === undefined ? {} : { goal: { bound, better: 'below' as const, absolute: true } }),
  };
}

export const bench: Bench = {
  name: 'discover',
  about: `offers to ${LOAD.machines} machines (${LOAD.rounds} requests each) among ${LOAD.perSecond} DISCOVERs a second for ${LOAD.seconds} s, beside dnsmasq as proxyDHCP`,
  async run({ progress }) {
    const lans = await createTwoLans();
    const inPeer = async (...command: readonly string[]) => {
      const [nice = '', ...words] = [...BEFORE_OTHERS, ...command];
      const server = start(nice, words, { namespace: lans.peer });
      try {
        return await measure(lans, server);
      } finally {
        await server.stop();
      }
    };
    try {
      progress('dnsmasq');
      const theirs = await inPeer(
        'dnsmasq',
        ...[
          ...DNSMASQ,
          '--quiet-dhcp',
          '--interface=lan1',
          '--dhcp-range=10.77.11.0,proxy',
          '--leasefile-ro',
        ],
        '--pxe-service=X86-64_EFI,boot,snponly.efi',
      );
      progress('peerboot');
      const ours = await inPeer(process.execPath, program('../test/support/dhcp-responder.ts'), 'lan1');
      return [
        row('offer, median', 'ms', ours.p50, theirs.p50),
        row('offer, 99th percentile', 'ms', ours.p99, theirs.p99, 250),
        row('requests of real machines without an offer', 'of 400', ours.lost, theirs.lost, 0),
        row('processor time per DISCOVER', 'µs', ours.cpuMicrosPerDiscover, theirs.cpuMicrosPerDiscover),
      ];
    } finally {
      await lans.remove();
    }
  },
};
