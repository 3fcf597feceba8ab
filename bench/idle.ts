// An idle peer: resident memory and CPU of `peerboot up`, beside dnsmasq and nginx doing the same waiting.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Running, start } from '../test/lab/process.ts';
import { DNSMASQ } from '../test/support/dnsmasq.ts';
import { createTwoLans, type TwoLans } from '../test/support/two-lans.ts';
import { makePackage } from '../tools/package.ts';
import type { Bench, BenchContext, BenchRow } from './bench.ts';

const CHECKOUT = fileURLToPath(new URL('../bin/peerboot.js', import.meta.url));
/** V8 goes on tidying up for a while after the start. */
const SETTLE_MS = 20_000;
const IDLE_MS = 20_000;
const TICK_MS = 10;
/** About as large as real assets: an NBP is kept in memory, the rest is hashed at the start. */
const ASSETS = {
  'undionly.kpxe': 75_000,
  'snponly.efi': 175_000,
  vmlinuz: 14_000_000,
  'initramfs.img': 40_000_000,
};

interface Figures {
  readonly residentMb: number;
  /** Without pages of files, which all processes share and the kernel drops when it needs memory. */
  readonly ownMb: number;
  readonly cpuMsPerMinute: number;
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function status(pid: number, field: string): number {
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(
    readFileSync(`/proc/${pid}/status`, 'utf8'),
  )?.[1];
  return (Number(kib) * 1024) / 1e6;
}

function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function withChildren(pid: number): number[] {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const children = tasks.flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(withChildren)];
}

async function idleFigures(programs: readonly Running[]): Promise<Figures> {
  await wait(SETTLE_MS);
  const pids = programs.flatMap(({ pid }) => withChildren(pid));
  const sum = (measure: (pid: number) => number) => pids.reduce((total, pid) => total + measure(pid), 0);
  const before = sum(cpuMs);
  await wait(IDLE_MS);
  return {
    residentMb: sum((pid) => status(pid, 'VmRSS')),
    ownMb: sum((pid) => status(pid, 'RssAnon')),
    cpuMsPerMinute: ((sum(cpuMs) - before) / IDLE_MS) * 60_000,
  };
}

async function ours(
  program: string,
  lans: TwoLans,
  folder: string,
  more: readonly string[] = [],
): Promise<Figures> {
  const assets = join(folder, 'assets');
  mkdirSync(assets, { recursive: true });
  for (const [name, bytes] of Object.entries(ASSETS))
    writeFileSync(join(assets, name), new Uint8Array(bytes));
  const flags = [
    '--interface',
    'lan1',
    '--state',
    join(folder, 'state'),
    '--assets',
    assets,
    '--json',
    ...more,
  ];
  const launch = async () => {
    const peer = start(process.execPath, [program, 'up', ...flags], { namespace: lans.peer });
    await peer.log.waitFor((line) => (line.includes('peerboot ready') ? true : undefined), {
      timeoutMs: 30_000,
      what: 'the peer is ready',
    });
    return peer;
  };
  // The first start on a machine compiles; it is all the later ones that idle for months.
  await (await launch()).stop();
  const peer = await launch();
  const figures = await idleFigures([peer]);
  await peer.stop();
  return figures;
}

async function rival(lans: TwoLans, folder: string): Promise<Figures> {
  const conf = join(folder, 'nginx.conf');
  writeFileSync(
    conf,
    `daemon off; pid ${folder}/nginx.pid; error_log stderr; worker_processes auto; events {}
     http { access_log off; server { listen 10.77.11.2:8067; root ${folder}; } }`,
  );
  const proxy = [...DNSMASQ, '--user=root', '--interface=lan1', '--enable-tftp'];
  const range = [
    '--dhcp-range=10.77.11.0,proxy',
    `--tftp-root=${folder}`,
    '--pxe-service=x86PC,boot,undionly',
  ];
  const programs = [
    start('dnsmasq', [...proxy, ...range, `--dhcp-leasefile=${folder}/leases`], { namespace: lans.peer }),
    start('nginx', ['-c', conf], { namespace: lans.peer }),
  ];
  try {
    return await idleFigures(programs);
  } catch (cause) {
    throw new Error(programs.flatMap(({ log }) => log.lines).join('\n'), { cause });
  } finally {
    for (const program of programs) await program.stop();
  }
}

export const bench: Bench = {
  name: 'idle',
  about:
    'resident memory and CPU of an idle peer, beside dnsmasq (proxyDHCP, TFTP) and nginx (HTTP) together',
  async run({ folder, progress }: BenchContext): Promise<readonly BenchRow[]> {
    const lans = await createTwoLans();
    try {
      progress('dnsmasq and nginx');
      const theirs = await rival(lans, folder);
      progress('making the package');
      await makePackage(join(folder, 'package'));
      const installed = join(folder, 'package', 'bin', 'peerboot.js');
      const origin = ['--origin', 'http://10.77.11.1'];
      const measured: [string, Figures][] = [];
      for (const [name, program, flags] of [
        ['package', installed, []],
        ['package, origin down', installed, origin],
        ['checkout', CHECKOUT, []],
        ['checkout, origin down', CHECKOUT, origin],
      ] as const) {
        progress(name);
        measured.push([name, await ours(program, lans, join(folder, name), flags)]);
      }
      const row = (work: string, unit: string, mine: number, other: number, bound?: number): BenchRow => ({
        work,
        unit,
        ours: mine,
        rival: other,
        rivalName: 'dnsmasq + nginx',
        ratio: mine / Math.max(other, Number.MIN_VALUE),
        ...(bound === undefined ? {} : { goal: { bound, better: 'below' as const, absolute: true } }),
      });
      const rows = (name: string, figures: Figures) => [
        row(`${name}: resident`, 'MB', figures.residentMb, theirs.residentMb, 80),
        row(`${name}: resident, own pages`, 'MB', figures.ownMb, theirs.ownMb),
        row(`${name}: CPU`, 'ms/min', figures.cpuMsPerMinute, Math.max(theirs.cpuMsPerMinute, TICK_MS)),
      ];
      return measured.flatMap(([name, figures]) => rows(name, figures));
    } finally {
      await lans.remove();
    }
  },
};
