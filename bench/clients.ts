// 256 emulated machines that are switched on at once: how soon the last has its script, beside dnsmasq as proxyDHCP and TFTP server.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CrowdReport } from '../src/sim/firmware/crowd.ts';
import type { FirmwareName } from '../src/sim/firmware/names.ts';
import { type Running, start } from '../test/lab/process.ts';
import {
  type ClientLan,
  createClientLan,
  makeAssets,
  PEERBOOT,
  startBarePeer,
} from '../test/support/client-lan.ts';
import { DNSMASQ } from '../test/support/dnsmasq.ts';
import type { Bench, BenchRow } from './bench.ts';

const MACHINES = 256;
const ROUNDS = 3;
/** As large as Debian's. */
const ASSETS = { 'undionly.kpxe': 70_000, 'snponly.efi': 240_000, vmlinuz: 1_000, 'initramfs.img': 1_000 };
const SCRIPT = '#!ipxe\nprompt --timeout 1000 waiting\n';

interface Work {
  readonly firmware: FirmwareName;
  readonly what: string;
  /** Over how long they are switched on. */
  readonly withinS?: number;
  readonly goalMs?: number;
}

const WORKS: readonly Work[] = [
  { firmware: 'ipxe', what: 'iPXE in the card, power-on to script', goalMs: 2_000 },
  {
    firmware: 'bios',
    what: 'BIOS ROM, switched on within 1 s, 70 kB NBP by TFTP, iPXE, script (4 s of it are the ROM waiting)',
    // In one moment they overflow the DHCP server's receive buffer, and who was lost asks again 8 s later.
    withinS: 1,
  },
];

export const bench: Bench = {
  name: 'clients',
  about: `${MACHINES} machines switched on at once: ms until 99 of 100 have their script; median of ${ROUNDS} rounds`,
  async run({ folder, progress }) {
    const assets = makeAssets(folder, ASSETS);
    writeFileSync(join(assets, 'start.ipxe'), SCRIPT);
    const lan = await createClientLan();
    const running: Running[] = [];
    try {
      running.push(await lan.startDhcpServer());
      const ours = await inTurn(lan, progress, 'peerboot', () => startBarePeer(lan, folder, assets));
      const rival = await inTurn(lan, progress, 'dnsmasq', () => startDnsmasq(lan, folder, assets));
      return WORKS.flatMap((work, index) => rowsOf(work, ours[index] ?? [], rival[index] ?? []));
    } finally {
      for (const one of running.reverse()) await one.stop();
      await lan.remove();
    }
  },
};

/** Reports of every round of each work with this server alone on the network. */
async function inTurn(
  lan: ClientLan,
  progress: (message: string) => void,
  name: string,
  startServer: () => Promise<Running>,
): Promise<CrowdReport[][]> {
  const server = await startServer();
  try {
    // A program that compiles while it runs; a real one has been up for days.
    await simulate(lan, 'ipxe', 64);
    const all: CrowdReport[][] = [];
    for (const { firmware, what, withinS } of WORKS) {
      const reports: CrowdReport[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        progress(`${name}: ${what}, round ${round + 1}`);
        reports.push(await simulate(lan, firmware, MACHINES, withinS));
      }
      all.push(reports);
    }
    return all;
  } finally {
    await server.stop();
  }
}

async function simulate(
  lan: ClientLan,
  firmware: FirmwareName,
  count: number,
  withinS = 0,
): Promise<CrowdReport> {
  const words = ['simulate-client', '--firmware', firmware, '--count', `${count}`, '--interface', 'eth0'];
  const clients = start(process.execPath, [PEERBOOT, ...words, '--within', `${withinS}`, '--json'], {
    namespace: lan.clients,
  });
  await clients.exited;
  const line = clients.log.lines.find((text) => text.startsWith('{"ok"'));
  if (line === undefined) throw new Error(clients.log.lines.slice(-5).join('\n'));
  const report = JSON.parse(line) as CrowdReport & { error?: { what: string } };
  if (report.error !== undefined) throw new Error(report.error.what);
  return report;
}

function rowsOf({ firmware, what, goalMs }: Work, ours: CrowdReport[], rival: CrowdReport[]): BenchRow[] {
  const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
  const p99 = (reports: CrowdReport[]) =>
    median(reports.map((one) => one.stagesMs.script?.p99 ?? Number.NaN));
  const booted = (reports: CrowdReport[]) => median(reports.map((one) => one.booted));
  const row = (work: string, unit: string, measure: (reports: CrowdReport[]) => number): BenchRow => ({
    work,
    ours: measure(ours),
    rival: measure(rival),
    rivalName: 'dnsmasq',
    unit,
    ratio: measure(ours) / measure(rival),
  });
  const goal =
    goalMs === undefined ? {} : { goal: { bound: goalMs, better: 'below', absolute: true } as const };
  return [
    { ...row(what, 'ms', p99), ...goal },
    { ...row(`${firmware}: machines of ${MACHINES} that got there`, '', booted) },
  ];
}

/** ProxyDHCP and TFTP; one static script for all. */
async function startDnsmasq(lan: ClientLan, folder: string, assets: string): Promise<Running> {
  mkdirSync(join(folder, 'dnsmasq'), { recursive: true });
  const server = start(
    'dnsmasq',
    [
      ...[...DNSMASQ, '--interface=eth0', '--user=root', '--bind-interfaces'],
      ...[
        `--dhcp-leasefile=${join(folder, 'dnsmasq', 'leases')}`,
        '--dhcp-range=10.77.0.0,proxy,255.255.252.0',
      ],
      ...[
        '--dhcp-match=set:ipxe,175',
        '--dhcp-boot=tag:ipxe,start.ipxe,,10.77.0.2',
        // The file is named in the offer itself only where there are boot services, but none for this machine.
        '--dhcp-boot=tag:!ipxe,undionly.kpxe,,10.77.0.2',
        '--pxe-service=tag:nobody,X86PC,none,none',
      ],
      ...['--enable-tftp', `--tftp-root=${assets}`, '--tftp-max=1000', '--quiet-tftp', '--quiet-dhcp'],
    ],
    { namespace: lan.peer },
  );
  await server.log.waitFor((line) => (line.includes('TFTP root') ? line : undefined), {
    timeoutMs: 10_000,
    what: 'dnsmasq serves',
  });
  return server;
}
