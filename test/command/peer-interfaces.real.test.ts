// A peer whose host gets another address and another interface while it runs: machines on both networks boot, each from the peer's address there.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Running, run, start } from '../lab/process.ts';
import { makeAssets, PEERBOOT } from '../support/client-lan.ts';
import { DNSMASQ } from '../support/dnsmasq.ts';
import { createTwoLans, type TwoLans } from '../support/two-lans.ts';

let lans: TwoLans;
let folder: string;
const running: Running[] = [];

beforeAll(async () => {
  lans = await createTwoLans();
  folder = mkdtempSync(join(tmpdir(), 'pb-interfaces-'));
});
afterAll(async () => {
  for (const one of running.reverse()) await one.stop();
  await lans.remove();
  rmSync(folder, { recursive: true });
});

const ip = (words: string) => run('ip', ['-n', lans.peer, ...words.split(' ')]);
const says = (process: Running, text: string) =>
  process.log.waitFor((line) => (line.includes(text) ? line : undefined), { timeoutMs: 15_000, what: text });

async function boot(namespace: string, firmware: string, macPrefix: string): Promise<unknown> {
  const words = ['simulate-client', '--firmware', firmware, '--interface', 'eth0', '--mac-prefix', macPrefix];
  const client = start(process.execPath, [PEERBOOT, ...words, '--timeout', '30', '--json'], { namespace });
  await client.exited;
  return JSON.parse(client.log.lines.findLast((line) => line.startsWith('{')) ?? '{}');
}

it('follows its addresses', async () => {
  const ranges = [11, 12].map((net) => `--dhcp-range=10.77.${net}.100,10.77.${net}.199,255.255.255.0`);
  const dhcp = start('dnsmasq', [...[...DNSMASQ, '--no-ping', '--leasefile-ro', '--user=root', ...ranges]], {
    namespace: lans.dhcpServer,
  });
  running.push(dhcp);
  await says(dhcp, 'DHCP, IP range');
  await ip('link set lan2 down');
  const assets = makeAssets(folder, { 'undionly.kpxe': 70_000, 'snponly.efi': 90_000 });
  const words = ['up', '--state', join(folder, 'state'), '--assets', assets, '--json'];
  const peer = start(process.execPath, [PEERBOOT, ...words], { namespace: lans.peer });
  running.push(peer);
  await says(peer, 'peerboot ready');

  await ip('addr del 10.77.11.2/24 dev lan1');
  await ip('addr add 10.77.11.77/24 brd + dev lan1');
  await ip('link set lan2 up');
  for (const address of ['10.77.11.77', '10.77.12.2']) {
    await peer.log.waitFor(
      (line) => (line.includes('address is served') && line.includes(address) ? line : undefined),
      { timeoutMs: 15_000, what: `${address} is served` },
    );
  }
  expect(peer.log.lines.filter((line) => line.includes('address left')).join()).toContain('10.77.11.2');
  // No machine has a way to the other network: it boots only if it was told the address on its own.
  const booted = await Promise.all([
    boot(lans.clients[0], 'bios', '52:54:71'),
    boot(lans.clients[1], 'edk2', '52:54:72'),
  ]);
  expect(booted).toMatchObject([
    { booted: 1, failures: {} },
    { booted: 1, failures: {} },
  ]);
});
