// A peer that gives addresses to real DHCP clients, leaves used ones alone, keeps its leases, and yields to a real DHCP server.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Running, run, start } from '../lab/process.ts';
import { DNSMASQ } from '../support/dnsmasq.ts';
import { createSiteNetwork, type SiteEndpoint, type SiteNetwork } from '../support/site-network.ts';

const program = fileURLToPath(new URL('../support/address-host.ts', import.meta.url));
let network: SiteNetwork;
let state: string;
let peer: Running;
const others: Running[] = [];
const endpoint = (index: number) => network.endpoints[index] as SiteEndpoint;

beforeAll(async () => {
  network = await createSiteNetwork({ endpoints: 4 });
  state = mkdtempSync(join(tmpdir(), 'pb-leases-'));
  peer = await startPeer();
});
afterAll(async () => {
  for (const process of [peer, ...others]) await process.stop();
  await network.remove();
  rmSync(state, { recursive: true });
});

/** Waits until it has listened, and serves. The first address of its range is endpoint 4's own. */
async function startPeer(): Promise<Running> {
  const { namespace } = endpoint(0);
  const process = start('node', [program, 'eth0', state, '10.77.0.14-10.77.0.16'], { namespace });
  await heard(process, 'nobody else gives addresses');
  return process;
}

function heard(process: Running, text: string, from = 0): Promise<string> {
  const match = (line: string) => (line.includes(text) ? line : undefined);
  return process.log.waitFor(match, { timeoutMs: 15_000, what: text, from });
}

/** The address that busybox's DHCP client is given for this MAC; undefined: none within three tries. */
async function lease(mac: string): Promise<string | undefined> {
  const { namespace } = endpoint(2);
  const link = `dhcp${mac.slice(-2)}`;
  const ip = (words: string) => run('ip', ['-n', namespace, ...words.split(' ')]);
  await ip(`link add ${link} link eth0 address ${mac} type macvlan mode bridge`);
  try {
    await ip(`link set ${link} up`);
    const client = `busybox udhcpc -i ${link} -f -q -n -t 3 -T 1 -s /bin/true 2>&1 || true`;
    const said = await run('ip', ['netns', 'exec', namespace, 'sh', '-c', client]);
    return /lease of (\S+) obtained/.exec(said)?.[1];
  } finally {
    await ip(`link del ${link}`);
  }
}

describe('a peer that gives addresses', () => {
  it('gives each real client one of its own that nobody uses, the same after a restart, and no more than it has', async () => {
    const first = await lease('52:54:00:77:00:a1');
    const second = await lease('52:54:00:77:00:a2');
    expect([first, second].sort()).toEqual(['10.77.0.15', '10.77.0.16']);
    expect(await lease('52:54:00:77:00:a3')).toBeUndefined();
    expect(
      peer.log.lines.some((line) => line.includes('without a lease') && line.includes('10.77.0.14')),
    ).toBe(true);
    expect(peer.log.lines.some((line) => line.includes('no-address-left'))).toBe(true);
    await peer.stop();
    peer = await startPeer();
    expect(await lease('52:54:00:77:00:a2')).toBe(second);
  });

  it('stops as soon as a machine takes the offer of another server', async () => {
    const { namespace } = endpoint(1);
    others.push(
      start(
        'dnsmasq',
        [
          ...[...DNSMASQ, '--no-ping', '--interface=eth0', '--dhcp-range=10.77.0.50,10.77.0.60,1h'],
          `--dhcp-leasefile=${join(state, 'other')}`,
        ],
        { namespace },
      ),
    );
    await heard(others[0] as Running, 'DHCP, IP range');
    // Our own two addresses are given away: the third client can only take the other server's.
    expect(await lease('52:54:00:77:00:a3')).toMatch(/^10\.77\.0\.[56]\d$/);
    expect(await heard(peer, 'PB-DHCP-SERVED')).toContain('10.77.0.12');
    expect(await lease('52:54:00:77:00:a2')).toMatch(/^10\.77\.0\.[56]\d$/);
    expect(await lease('52:54:00:77:00:a4')).toMatch(/^10\.77\.0\.[56]\d$/);
  });
});
