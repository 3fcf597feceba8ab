// Stores' networks as they are: three makes of DHCP server, one with boot options of its own, a relay, a VLAN, a small MTU.
// Real servers and a real peer; the machines are emulated firmware (peerboot simulate-client).
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Running, run, start } from '../lab/process.ts';
import { DNSMASQ } from '../support/dnsmasq.ts';
import { createStoreNetwork, type StoreNetwork } from '../support/store-network.ts';

const PEERBOOT = fileURLToPath(new URL('../../bin/peerboot.js', import.meta.url));
const EVERY = ['bios', 'edk2', 'ipxe', 'httpboot'];
const ROMS = ['bios', 'edk2'];

let network: StoreNetwork;
let folder: string;
let peer: Running;
const running: Running[] = [];
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  network = await createStoreNetwork();
  folder = mkdtempSync(join(tmpdir(), 'pb-networks-'));
  mkdirSync(at('assets'));
  for (const name of ['undionly.kpxe', 'snponly.efi', 'vmlinuz', 'initramfs.img'])
    writeFileSync(at(`assets/${name}`), Buffer.alloc(90_000, name));
  const words = ['up', '--state', at('state'), '--assets', at('assets'), '--json', '--log-level', 'info'];
  peer = start(process.execPath, [PEERBOOT, ...words], { namespace: network.peer });
  await says(peer, 'peerboot ready');
});
afterEach(async () => {
  for (const process of running.splice(0)) await process.stop();
  // The next server may give an address to a machine in another place.
  for (const namespace of [network.peer, network.server, network.router])
    await run('ip', ['-n', namespace, 'neigh', 'flush', 'all']);
});
afterAll(async () => {
  await peer.stop();
  await network.remove();
  rmSync(folder, { recursive: true });
});

const says = (process: Running, text: string) =>
  process.log.waitFor((line) => (line.includes(text) ? line : undefined), {
    timeoutMs: 15_000,
    what: `${text}`,
  });

async function serve(
  namespace: string,
  command: string,
  args: readonly string[],
  ready: string,
): Promise<void> {
  const process = start(command, args, { namespace });
  running.push(process);
  await says(process, ready);
}

function file(name: string, text: string): string {
  writeFileSync(at(name), text);
  return at(name);
}

const dnsmasq = (namespace: string, ...more: string[]) =>
  serve(
    namespace,
    'dnsmasq',
    [...[...DNSMASQ, '--no-ping', `--dhcp-leasefile=${at(`${namespace}.leases`)}`, ...more]],
    'DHCP, IP range',
  );

/** A range for each place: without its ping dnsmasq offers two machines that ask at once the same address. */
const store = (...more: string[]) =>
  dnsmasq(
    network.server,
    ...[0, 1].flatMap((place) => [
      `--dhcp-mac=set:place${place},52:54:7${place}:*:*:*`,
      `--dhcp-range=tag:place${place},10.77.11.1${place}0,10.77.11.1${place}9,255.255.255.0`,
    ]),
    ...more,
  );

function dhcpd(): Promise<void> {
  const text = `authoritative; ping-check false; default-lease-time 600;
    subnet 10.77.11.0 netmask 255.255.255.0 { range 10.77.11.100 10.77.11.199; option routers 10.77.11.254; }
    subnet 10.77.12.0 netmask 255.255.255.0 { range 10.77.12.100 10.77.12.199; option routers 10.77.12.254; }`;
  const leases = file('dhcpd.leases', '');
  const words = [
    '-4',
    '-f',
    '-d',
    '-cf',
    file('dhcpd.conf', text),
    '-lf',
    leases,
    '-pf',
    at('dhcpd.pid'),
    'eth0',
  ];
  return serve(network.server, 'dhcpd', words, 'Server starting service');
}

function kea(): Promise<void> {
  const config = {
    Dhcp4: {
      'interfaces-config': { interfaces: ['eth0'], 'dhcp-socket-type': 'raw' },
      'lease-database': { type: 'memfile', persist: false },
      subnet4: [{ subnet: '10.77.11.0/24', pools: [{ pool: '10.77.11.100 - 10.77.11.199' }] }],
      loggers: [{ name: 'kea-dhcp4', severity: 'INFO', output_options: [{ output: 'stdout' }] }],
    },
  };
  const words = [`KEA_LOCKFILE_DIR=${folder}`, `KEA_PIDFILE_DIR=${folder}`, 'kea-dhcp4', '-c'];
  return serve(network.server, 'env', [...words, file('kea.json', JSON.stringify(config))], 'DHCP4_STARTED');
}

/** The last line of JSON that the command says. */
async function peerboot<T>(namespace: string, ...words: string[]): Promise<T> {
  const asked = start(process.execPath, [PEERBOOT, ...words, '--json'], { namespace });
  await asked.exited;
  const said = asked.log.lines.findLast((line) => line.startsWith('{'));
  if (said === undefined) throw new Error(asked.log.lines.join('\n'));
  return JSON.parse(said) as T;
}

interface Outcome {
  readonly booted: number;
  readonly failures: object;
}

/** Two machines of each firmware, each until its script; the places work side by side, for most of it is waiting. */
async function boot(places: readonly string[], firmwares: readonly string[], seconds = 40) {
  const outcomes: Record<string, Outcome> = {};
  await Promise.all(
    places.map(async (place, index) => {
      for (const firmware of firmwares.filter((_, i) => i % places.length === index)) {
        const words = ['simulate-client', '--firmware', firmware, '--count', '2', '--interface', 'eth0'];
        const more = ['--mac-prefix', `52:54:7${index}`, '--timeout', `${seconds}`];
        const report = await peerboot<Outcome>(place, ...words, ...more);
        outcomes[firmware] = { booted: report.booted, failures: report.failures };
      }
    }),
  );
  return outcomes;
}

const allOf = (firmwares: readonly string[]) =>
  Object.fromEntries(firmwares.map((firmware) => [firmware, { booted: 2, failures: {} }]));

describe.each([
  ['dnsmasq', () => store(), EVERY],
  ['ISC dhcpd', dhcpd, ROMS],
  ['Kea', kea, ROMS],
])('beside %s', (_, serveAddresses, firmwares) => {
  it('machines boot', async () => {
    await serveAddresses();
    expect(await boot(network.clients, firmwares)).toEqual(allOf(firmwares));
  });
});

it('behind a router that relays, machines boot', async () => {
  await dhcpd();
  const words = ['-4', '-d', '--no-pid', '-i', 'far', '-i', 'near', '10.77.11.1', '10.77.11.2'];
  await serve(network.router, 'dhcrelay', words, 'Sending on');
  expect(await boot([network.farClient], ['edk2'])).toEqual(allOf(['edk2']));
});

it('on a VLAN of the peer, machines boot from its address there', async () => {
  await dnsmasq(network.vlanServer, '--dhcp-range=10.77.30.100,10.77.30.199,255.255.255.0');
  expect(await boot([network.vlanClient], ['bios'])).toEqual(allOf(['bios']));
});

it('with an MTU of 1400 bytes, machines boot', async () => {
  await network.setMtu(1400);
  try {
    await store();
    expect(await boot(network.clients, ROMS)).toEqual(allOf(ROMS));
  } finally {
    await network.setMtu(1500);
  }
});

describe('beside a DHCP server with boot options of its own', () => {
  it('66 and 67 alone hinder nobody', async () => {
    await store('--dhcp-option-force=66,10.77.11.1', '--dhcp-option-force=67,wrong.0');
    expect(await boot(network.clients, ROMS)).toEqual(allOf(ROMS));
  });

  it('60, too, takes UEFI away from us, and the doctor says so', async () => {
    const options = ['60,PXEClient', '66,10.77.11.1', '67,wrong.0'].map(
      (one) => `--dhcp-option-force=${one}`,
    );
    // The peer itself asks, too.
    await store(...options, '--dhcp-range=10.77.11.150,10.77.11.159,255.255.255.0');
    const { edk2 } = await boot(network.clients, ['edk2'], 8);
    expect(edk2?.booted).toBe(0);
    const words = ['doctor', '--probe', '--interface', 'lan', '--listen', '1'];
    expect(JSON.stringify(await peerboot(network.peer, ...words))).toContain('PB-DHCP-COMPETES');
  });
});
