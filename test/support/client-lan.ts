// A LAN for crowds of emulated machines: a store's DHCP server with a large pool, a peer's place, and the place that the machines boot at.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Running, run, start } from '../lab/process.ts';
import { DNSMASQ } from './dnsmasq.ts';
import { inNamespaces } from './namespaces.ts';
import { until } from './until.ts';

export const PEERBOOT = fileURLToPath(new URL('../../bin/peerboot.js', import.meta.url));
export const PEER_ADDRESS = '10.77.0.2';
const DHCP_ADDRESS = '10.77.0.1';
const POOL = ['10.77.1.1', '10.77.2.250'] as const;
const MASK = '255.255.252.0';

export interface ClientLan {
  /** Every place has its interface eth0. */
  readonly peer: string;
  /** 10.77.0.9. */
  readonly clients: string;
  /** dnsmasq that gives addresses only. */
  startDhcpServer(): Promise<Running>;
  remove(): Promise<void>;
}

export function createClientLan(): Promise<ClientLan> {
  return inNamespaces(async (spaces) => {
    const hub = await spaces.add('hub');
    await spaces.addBridge(hub);
    const place = async (part: string, address: string) => {
      const namespace = await spaces.add(part);
      await spaces.plug(namespace, hub, { address: `${address}/22` });
      return namespace;
    };
    const dhcp = await place('dhcp', DHCP_ADDRESS);
    return {
      peer: await place('peer', PEER_ADDRESS),
      clients: await place('cli', '10.77.0.9'),
      async startDhcpServer() {
        const server = start(
          'dnsmasq',
          [
            ...[
              ...DNSMASQ,
              '--interface=eth0',
              '--bind-interfaces',
              '--no-ping',
              '--leasefile-ro',
              '--user=root',
            ],
            ...['--dhcp-lease-max=2000', `--dhcp-range=${POOL.join(',')},${MASK},1h`],
          ],
          { namespace: dhcp },
        );
        await server.log.waitFor((line) => (line.includes('IP range') ? line : undefined), {
          timeoutMs: 10_000,
          what: 'dnsmasq serves its range',
        });
        return server;
      },
    };
  });
}

/** A folder of boot files with made-up content, as large as the real ones are where that matters. */
export function makeAssets(folder: string, sizes: Readonly<Record<string, number>>): string {
  const assets = join(folder, 'assets');
  mkdirSync(assets, { recursive: true });
  for (const [name, bytes] of Object.entries(sizes)) {
    writeFileSync(join(assets, name), new Uint8Array(bytes).fill(0x5a));
  }
  return assets;
}

/** `peerboot up` without images: it tells every machine to boot its own disk. */
export async function startBarePeer(lan: ClientLan, folder: string, assets: string): Promise<Running> {
  const peer = start(
    process.execPath,
    [
      ...[PEERBOOT, 'up', '--interface', 'eth0', '--assets', assets],
      ...['--state', join(folder, 'state'), '--site', 'store-1', '--log-level', 'warn', '--json'],
    ],
    { namespace: lan.peer, env: { PEERBOOT_BUSY_LOAD: '1000' } },
  );
  await until(
    () =>
      run('ip', ['netns', 'exec', lan.peer, 'curl', '-sf', '-m', '2', 'http://127.0.0.1:8067/livez']).then(
        () => true,
        () => false,
      ),
    { timeoutMs: 30_000, what: 'the peer answers' },
  );
  return peer;
}
