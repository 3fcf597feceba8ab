// The doctor on a real network: a store's DHCP server, our peer, and a stray proxyDHCP; what it probes, and what it sees live.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { MachineView } from '../../src/api/machines.ts';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { toHex } from '../../src/base/bytes.ts';
import { OPTIONS, optionEntry } from '../../src/dhcp/options.ts';
import { type DhcpPacket, encodePacket } from '../../src/dhcp/packet.ts';
import { type Running, run, start } from '../lab/process.ts';
import { clientPacket, HTTP_CLASS, serverIdentifier, UEFI_CLASS } from '../support/dhcp-packets.ts';
import { DNSMASQ } from '../support/dnsmasq.ts';
import { createTwoLans, type TwoLans } from '../support/two-lans.ts';
import { until } from '../support/until.ts';

const PEERBOOT = fileURLToPath(new URL('../../bin/peerboot.js', import.meta.url));
const CLIENT = fileURLToPath(new URL('../support/dhcp-client.ts', import.meta.url));
const MAC = '52:54:00:77:00:01';

let lans: TwoLans;
let folder: string;
let peer: Running;
const running: Running[] = [];
const at = (name: string) => join(folder, name);

function launch(command: string, args: readonly string[], namespace: string): Running {
  const program = start(command, args, { namespace });
  running.push(program);
  return program;
}

const dnsmasq = (namespace: string, ...words: string[]) =>
  launch(
    'dnsmasq',
    [
      ...[...DNSMASQ, '--no-ping', '--interface=eth0', `--dhcp-leasefile=${at(`leases-${namespace}`)}`],
      ...words,
    ],
    namespace,
  );
/** The store's own server. */
const store = (...words: string[]) =>
  dnsmasq(lans.dhcpServer, '--dhcp-range=10.77.11.100,10.77.11.199,255.255.255.0', ...words);

interface Answer {
  readonly server: string;
  readonly offers?: string;
  readonly file?: string;
}
interface ProbeReport {
  readonly ok: boolean;
  readonly interfaces: readonly {
    readonly interface: string;
    readonly clients: readonly {
      readonly firmware: string;
      readonly boots: string;
      readonly answers: Answer[];
    }[];
    readonly findings: readonly { readonly code?: string; readonly what: string }[];
  }[];
}

async function probe(): Promise<ProbeReport> {
  const words = ['doctor', '--probe', '--interface', 'lan1', '--listen', '1', '--json'];
  const asked = start(process.execPath, [PEERBOOT, ...words], { namespace: lans.peer });
  await asked.exited;
  return JSON.parse(asked.log.lines.findLast((line) => line.startsWith('{')) ?? '{}') as ProbeReport;
}

beforeAll(async () => {
  lans = await createTwoLans();
  folder = mkdtempSync(join(tmpdir(), 'peerboot-doctor-'));
  mkdirSync(at('assets'));
  for (const name of ['undionly.kpxe', 'snponly.efi', 'vmlinuz', 'initramfs.img']) {
    writeFileSync(join(at('assets'), name), name.repeat(100));
  }
  const flags = ['--interface', 'lan1', '--state', at('state'), '--assets', at('assets'), '--json'];
  peer = start(process.execPath, [PEERBOOT, 'up', ...flags], { namespace: lans.peer });
  await peer.log.waitFor((line) => line.includes('peerboot ready') || undefined, {
    timeoutMs: 20_000,
    what: 'the peer to be ready',
  });
});
afterEach(async () => {
  for (const program of running.splice(0).reverse()) await program.stop();
});
afterAll(async () => {
  await peer.stop();
  await lans.remove();
  rmSync(folder, { recursive: true, force: true });
});

describe('doctor --probe', () => {
  it('shows the store, the peer and a stray, and leaves no lease', async () => {
    store();
    dnsmasq(
      lans.clients[0],
      '--dhcp-range=10.77.11.0,proxy',
      '--pxe-service=X86PC,stray,stray',
      '--pxe-prompt=x,0',
    );
    await until(() => running.every(({ log }) => log.lines.some((line) => line.includes('DHCP'))), {
      timeoutMs: 5_000,
      what: 'both dnsmasq to serve',
    });
    const report = await probe();
    expect(report.ok).toBe(false);
    const [lan] = report.interfaces;
    const [bios, uefi, http] = lan?.clients ?? [];
    expect(bios).toMatchObject({ firmware: 'bios' });
    expect(bios?.answers).toContainEqual(
      expect.objectContaining({ server: '10.77.11.1', offers: expect.stringMatching(/^10\.77\.11\.1\d\d$/) }),
    );
    expect(bios?.answers).toContainEqual(
      expect.objectContaining({ server: '10.77.11.2', file: 'undionly.kpxe', reach: { sizeBytes: 1300 } }),
    );
    expect(bios?.answers.map(({ server }) => server)).toContain('10.77.11.9');
    expect(uefi?.answers).toContainEqual(
      expect.objectContaining({
        server: '10.77.11.2',
        port4011: { file: 'snponly.efi', nextServer: '10.77.11.2' },
        reach: { sizeBytes: 1100 },
      }),
    );
    expect(http).toMatchObject({ boots: '10.77.11.2' });
    expect(http?.answers.find(({ server }) => server === '10.77.11.2')).toMatchObject({
      file: 'http://10.77.11.2:8067/boot/files/snponly.efi',
      reach: { sizeBytes: 1100 },
    });
    expect(lan?.findings.map(({ code }) => code)).toContain('PB-BOOT-SERVERS-SEVERAL');
    expect(readFileSync(at(`leases-${lans.dhcpServer}`), 'utf8')).toBe('');
    const known = await run('ip', [
      ...['netns', 'exec', lans.peer, 'curl', '-s', 'http://127.0.0.1:8067/admin/v1/machines'],
    ]);
    expect(JSON.parse(known)).toEqual({ machines: [] });
  });

  it('says why it cannot ask without rights', async () => {
    const words = [
      '--reuid=65534',
      '--clear-groups',
      process.execPath,
      PEERBOOT,
      'doctor',
      '--probe',
      '--json',
    ];
    const asked = start('setpriv', words, { namespace: lans.peer });
    expect(await asked.exited).toBe(1);
    expect(asked.log.lines.join('\n')).toContain('PB-PORT-DENIED');
  });
});

it('a running peer judges what it sees, in its log, its machines, their events and its metrics; a capture of it gets the same verdict', async () => {
  const capture = launch(
    'tcpdump',
    ['-i', 'lan1', '--immediate-mode', '-U', '-w', at('boot.pcap')],
    lans.peer,
  );
  await capture.log.waitFor((line) => line.includes('listening on') || undefined, {
    timeoutMs: 5_000,
    what: 'tcpdump to listen',
  });
  const watch = launch(process.execPath, [PEERBOOT, 'machines', '--watch', '--json'], lans.peer);
  /** A DISCOVER is waited for to be answered; a REQUEST to the store's server nobody answers. */
  const ask = (...packets: DhcpPacket[]) =>
    run('ip', [
      ...['netns', 'exec', lans.clients[0], 'node', CLIENT],
      JSON.stringify({
        listen: [{ address: '0.0.0.0', port: 68 }],
        send: packets.map((one) => ({ hex: toHex(encodePacket(one)), address: '255.255.255.255', port: 67 })),
        replies: packets[0]?.options.get(OPTIONS.messageType.code)?.[0] === 1 ? 1 : 0,
        quietMs: 50,
      }),
    ]);
  const uefi = { vendorClass: UEFI_CLASS, architectures: [7] };
  const address = optionEntry(OPTIONS.requestedAddress, '10.77.11.9' as Ipv4);
  await ask(
    clientPacket(uefi),
    clientPacket({ ...uefi, type: 'REQUEST', more: [address, serverIdentifier('10.77.11.1')] }),
  );
  const missing = start('curl', ['-sS', 'tftp://10.77.11.2/missing.efi'], { namespace: lans.clients[0] });
  expect(await missing.exited).not.toBe(0);
  // It goes on to another way of booting: that ends the attempt.
  await ask(clientPacket({ vendorClass: HTTP_CLASS, architectures: [16], fields: { xid: 99 } }));

  const seen = await watch.log.waitFor(
    (line) => {
      const view = (line.startsWith('{') ? JSON.parse(line) : {}) as Partial<MachineView>;
      return view.boot === undefined ? undefined : view;
    },
    { timeoutMs: 10_000, what: 'the verdict among the events' },
  );
  expect(seen).toMatchObject({
    identity: { macs: [MAC] },
    boot: { verdict: 'nbp-aborted', firmware: 'uefi-x64', remedy: expect.stringContaining('missing.efi') },
  });
  expect(seen.boot?.evidence.join('\n')).toContain('it took 10.77.11.9 of 10.77.11.1');
  const logged = peer.log.lines.find((line) => line.includes('boot attempt judged') && line.includes(MAC));
  expect(JSON.parse(logged ?? '{}')).toMatchObject({ level: 'warn', verdict: 'nbp-aborted' });
  const curl = (path: string) =>
    run('ip', ['netns', 'exec', lans.peer, 'curl', '-s', `http://127.0.0.1:8067${path}`]);
  expect(await curl('/metrics')).toContain('peerboot_boot_attempts_total{verdict="nbp-aborted"} 1');
  expect(JSON.parse(await curl(`/admin/v1/machines/${MAC}`))).toMatchObject({
    boot: { verdict: 'nbp-aborted' },
  });
  const shown = start(process.execPath, [PEERBOOT, 'machines', 'show', MAC], { namespace: lans.peer });
  expect(await shown.exited).toBe(0);
  expect(shown.log.lines.join('\n')).toContain('nbp-aborted');

  // By HTTP it gets its script, and nothing is assigned to it: it boots its own disk.
  await ask(
    clientPacket({
      ...{ type: 'REQUEST', vendorClass: HTTP_CLASS, architectures: [16], fields: { xid: 99 } },
      more: [address, serverIdentifier('10.77.11.1')],
    }),
  );
  const url = `http://10.77.11.2:8067/boot/script.ipxe?mac=${MAC}`;
  const script = start('curl', ['-sS', url], { namespace: lans.clients[0] });
  expect(await script.exited).toBe(0);
  await watch.log.waitFor((line) => line.includes('"verdict":"booted"') || undefined, {
    timeoutMs: 5_000,
    what: 'the second verdict among the events',
  });

  await capture.stop('SIGINT');
  const replayed = start(process.execPath, [PEERBOOT, 'doctor', '--replay', at('boot.pcap'), '--json'], {});
  expect(await replayed.exited).toBe(0);
  const { attempts } = JSON.parse(replayed.log.lines.join('\n')) as { attempts: object[] };
  const { verdict, firmware, remedy } = seen.boot ?? {};
  expect(attempts[0]).toMatchObject({ mac: MAC, verdict, firmware, remedy });
});
