// TFTP: the same client fetches the same file from us, from tftpd-hpa and from dnsmasq, in one namespace over loopback.
import { randomBytes } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Ipv4 } from '../src/base/addresses.ts';
import { type Running, run, start } from '../test/lab/process.ts';
import { DNSMASQ } from '../test/support/dnsmasq.ts';
import { randomFile, serveTftp } from '../test/support/tftp-serving.ts';
import { until } from '../test/support/until.ts';
import type { Bench, BenchRow } from './bench.ts';
import type { TftpLoad } from './support/tftp-load.ts';

const OURS = '10.77.22.1';
const RIVALS = { 'tftpd-hpa': '10.77.22.2', dnsmasq: '10.77.22.3' } as const;

/**
 * Servers run on the first processor, the client on the other one (in the field it has its own machine) or on the same
 * one; all before other work on this host, which would otherwise decide the ratios.
 */
const SERVER_CPU = '0';
const NICE = '-15';
const OTHER_CPU = availableParallelism() > 1 ? '1' : '0';

interface Work extends Omit<TftpLoad, 'address'> {
  readonly name: string;
  readonly rounds: number;
  readonly cpu: string;
  readonly bound?: number;
}

const SMALL = { file: 'one.bin', blksize: 1468, windowsize: 1, clients: 1, rounds: 10, cpu: OTHER_CPU };
const LARGE = { ...SMALL, file: 'forty.bin', rounds: 3 };
const CROWD = { ...SMALL, clients: 50, rounds: 5 };
const WORKS: readonly Work[] = [
  // The large file first: V8 compiles the path of a block during its first ten thousand.
  { ...LARGE, name: 'fetch 40 MB, blksize 1468', bound: 1.2 },
  { ...SMALL, name: 'fetch 1 MB, blksize 1468', bound: 1.2 },
  { ...SMALL, name: 'fetch 1 MB, windowsize 16', windowsize: 16, bound: 0.5 },
  { ...LARGE, name: 'fetch 40 MB, windowsize 16', windowsize: 16, bound: 0.5 },
  { ...SMALL, name: 'fetch 1 MB, windowsize 64', windowsize: 64, bound: 0.5 },
  { ...LARGE, name: 'fetch 40 MB, windowsize 64', windowsize: 64, bound: 0.5 },
  { ...CROWD, name: '50 clients fetch 1 MB at once' },
  { ...CROWD, name: '50 clients fetch 1 MB at once, windowsize 16', windowsize: 16 },
  { ...LARGE, name: 'one processor for both: 40 MB, blksize 1468', cpu: SERVER_CPU, bound: 1.2 },
  {
    ...LARGE,
    name: 'one processor for both: 40 MB, windowsize 16',
    cpu: SERVER_CPU,
    windowsize: 16,
    bound: 0.5,
  },
];

export const bench: Bench = {
  name: 'tftp',
  about:
    'ms until atftp has the file, beside tftpd-hpa and dnsmasq (neither has windowsize); best of the rounds',
  async run({ folder, progress }) {
    const assets = join(folder, 'assets');
    await mkdir(assets);
    // in.tftpd reads as nobody.
    await chmod(folder, 0o755);
    await randomFile(join(assets, 'one.bin'), 1_000_000);
    await randomFile(join(assets, 'forty.bin'), 40_000_000);
    const namespace = `pb-${randomBytes(3).toString('hex')}-bench`;
    const undo: (() => Promise<unknown>)[] = [];
    try {
      await run('ip', ['netns', 'add', namespace]);
      undo.push(() => run('ip', ['netns', 'del', namespace]));
      await run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
      // Traffic takes the loopback path all the same, but in.tftpd will not start where loopback is all there is.
      await run('ip', ['-n', namespace, 'link', 'add', 'eth0', 'type', 'bridge']);
      await run('ip', ['-n', namespace, 'link', 'set', 'eth0', 'up']);
      for (const address of [OURS, ...Object.values(RIVALS)])
        await run('ip', ['-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0']);
      const ours = await serveTftp(
        {
          folder: assets,
          addresses: [OURS as Ipv4],
          port: 69,
          limits: { perClient: 100, requestBurst: 1e6 },
        },
        namespace,
        ['nice', ...placed(SERVER_CPU, [])],
      );
      undo.push(() => ours.process.stop());
      for (const rival of startRivals(assets, namespace)) undo.push(() => rival.stop());
      for (const address of Object.values(RIVALS)) await answering(address, namespace);

      const rows: BenchRow[] = [];
      for (const work of WORKS) {
        progress(work.name);
        const best = { [OURS]: Number.POSITIVE_INFINITY } as Record<string, number>;
        for (let round = 0; round < work.rounds; round++) {
          for (const address of [OURS, ...Object.values(RIVALS)]) {
            const ms = await fetchMs({ ...work, address }, work.cpu, namespace);
            best[address] = Math.min(best[address] ?? Number.POSITIVE_INFINITY, ms);
          }
        }
        rows.push(rowOf(work, best));
      }
      return rows;
    } finally {
      for (const end of undo.reverse()) await end();
    }
  },
};

function rowOf(work: Work, best: Readonly<Record<string, number>>): BenchRow {
  const ours = best[OURS] ?? Number.NaN;
  const [rivalName, rival] = Object.entries(RIVALS)
    .map(([name, address]) => [name, best[address] ?? Number.NaN] as const)
    .reduce((better, other) => (other[1] < better[1] ? other : better));
  const goal = work.bound === undefined ? {} : { goal: { bound: work.bound, better: 'below' as const } };
  return { work: work.name, ours, rival, rivalName, unit: 'ms', ratio: ours / rival, ...goal };
}

/** Both run in the foreground, so that they end with us. */
function startRivals(assets: string, namespace: string): Running[] {
  const commands = [
    ['in.tftpd', '-L', '--address', `${RIVALS['tftpd-hpa']}:69`, '-s', assets],
    [
      ...['dnsmasq', ...DNSMASQ, '--user=root', '--quiet-tftp'],
      ...['--enable-tftp', `--tftp-root=${assets}`, '--tftp-max=200'],
      ...['--bind-interfaces', `--listen-address=${RIVALS.dnsmasq}`],
    ],
  ];
  return commands.map((words) => start('nice', placed(SERVER_CPU, words), { namespace }));
}

function placed(cpu: string, words: readonly string[]): string[] {
  return ['-n', NICE, 'taskset', '-c', cpu, ...words];
}

async function fetchMs(load: TftpLoad, cpu: string, namespace: string): Promise<number> {
  const script = fileURLToPath(new URL('support/tftp-load.ts', import.meta.url));
  const words = placed(cpu, [process.execPath, script, JSON.stringify(load)]);
  return Number(await run('ip', ['netns', 'exec', namespace, 'nice', ...words]));
}

async function answering(address: string, namespace: string): Promise<void> {
  const curl = ['curl', '-s', '--max-time', '1', '-o', '/dev/null', `tftp://${address}/one.bin`];
  await until(
    () =>
      run('ip', ['netns', 'exec', namespace, ...curl]).then(
        () => true,
        () => false,
      ),
    { timeoutMs: 10_000, what: `an answer of ${address}` },
  );
}
