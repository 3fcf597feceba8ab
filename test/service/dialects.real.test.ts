// Dialects over real sockets: a retry gets the other one, what worked survives a restart, and another boot host knows it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { FirmwareFacts } from '../../src/api/firmware.ts';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { fromHex, toHex, toText } from '../../src/base/bytes.ts';
import { OPTIONS, optionEntry } from '../../src/dhcp/options.ts';
import { encodePacket } from '../../src/dhcp/packet.ts';
import { type Running, run, start } from '../lab/process.ts';
import { makeAssets, PEERBOOT } from '../support/client-lan.ts';
import type { DhcpClientJob, HeardDatagram } from '../support/dhcp-client.ts';
import {
  type ClientPacket,
  clientPacket,
  mustDecode,
  serverIdentifier,
  UEFI_CLASS,
} from '../support/dhcp-packets.ts';
import { createSiteNetwork, type SiteEndpoint, type SiteNetwork } from '../support/site-network.ts';
import { until } from '../support/until.ts';

const CLIENT_PROGRAM = fileURLToPath(new URL('../support/dhcp-client.ts', import.meta.url));
const SIGNED = 'peerboot-x64.signed.efi';

let network: SiteNetwork;
let folder: string;
let assets: string;
const running: Running[] = [];

beforeAll(async () => {
  network = await createSiteNetwork({ endpoints: 3 });
  folder = mkdtempSync(join(tmpdir(), 'peerboot-dialects-'));
  assets = makeAssets(folder, { 'snponly.efi': 5_000, [SIGNED]: 6_000 });
});
afterAll(async () => {
  for (const one of running.reverse()) await one.stop();
  await network.remove();
  rmSync(folder, { recursive: true, force: true });
});

const endpoint = (index: number) => network.endpoints[index] as SiteEndpoint;
const inside = (index: number, ...words: string[]) =>
  run('ip', ['netns', 'exec', endpoint(index).namespace, ...words]);

async function startPeer(index: number): Promise<Running> {
  const peer = start(
    process.execPath,
    [
      ...[PEERBOOT, 'up', '--interface', 'eth0', '--assets', assets, '--site', 'store-1'],
      ...['--state', join(folder, `state-${index}`), '--log-level', 'warn', '--json'],
    ],
    { namespace: endpoint(index).namespace, env: { PEERBOOT_BUSY_LOAD: '1000' } },
  );
  running.push(peer);
  // Ready for images it is not, without a catalogue.
  await until(
    async () =>
      (await inside(index, 'curl', '-s', 'http://127.0.0.1:8067/readyz').catch(() => '')).includes(
        'DHCP, TFTP and HTTP are open',
      ),
    { timeoutMs: 20_000, what: 'the peer is open' },
  );
  return peer;
}

const facts = async (index: number) =>
  JSON.parse(await inside(index, 'curl', '-sf', 'http://127.0.0.1:8067/admin/v1/firmware')) as FirmwareFacts;

/** What the machine is offered: `dialect file`. Whoever wants to ask again waits for more than a second, as firmware does. */
async function say(options: ClientPacket, { replies = 1, quietMs = 50 } = {}): Promise<string[]> {
  const packet = clientPacket({ vendorClass: UEFI_CLASS, architectures: [7], ...options });
  const job: DhcpClientJob = {
    listen: [{ address: '0.0.0.0', port: 68 }],
    send: [{ hex: toHex(encodePacket(packet)), address: '255.255.255.255', port: 67 }],
    replies,
    quietMs,
  };
  const output = await inside(2, process.execPath, CLIENT_PROGRAM, JSON.stringify(job));
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => mustDecode(fromHex((JSON.parse(line) as HeardDatagram).hex) as Uint8Array))
    .map(({ file, options: told }) => `${told.has(43) ? 'offered-file' : 'binl'} ${toText(file)}`);
}

it('a retry gets the other dialect; what worked outlives the peer, and other boot hosts hear of it', async () => {
  const first = await startPeer(0);
  // A firmware that wants option 43.
  expect(await say({ number: 1 }, { quietMs: 1_100 })).toEqual(['binl snponly.efi']);
  expect(await say({ number: 1 })).toEqual(['offered-file snponly.efi']);
  const { address } = endpoint(2);
  await say(
    {
      number: 1,
      type: 'REQUEST',
      more: [serverIdentifier('10.77.0.254'), optionEntry(OPTIONS.requestedAddress, address as Ipv4)],
    },
    { replies: 0 },
  );
  await inside(2, 'curl', '-s', '-o', '/dev/null', `tftp://${endpoint(0).address}/snponly.efi`);
  // It has the file whole, and its firmware asks once more: it enforces Secure Boot.
  const again = { number: 1, fields: { xid: 77 } };
  expect(await say(again)).toEqual([`offered-file ${SIGNED}`]);

  await startPeer(1);
  await until(async () => (await facts(1)).dialects.length === 1, {
    timeoutMs: 10_000,
    what: 'the second boot host has heard what the first one learnt',
  });
  await first.stop();
  expect(await say({ number: 2 })).toEqual(['offered-file snponly.efi']);
  expect(await say({ ...again, fields: { xid: 78 } })).toEqual([`offered-file ${SIGNED}`]);

  expect(await facts(1)).toMatchObject({
    dialects: [{ dialect: 'offered-file', machines: 1 }],
    secureBoot: [{ mac: '52:54:00:77:00:01', enforced: true }],
  });
  await inside(1, process.execPath, PEERBOOT, 'machines', 'dialects', '--forget', 'all');
  expect(await say({ number: 3 })).toEqual(['binl snponly.efi']);
  expect((await facts(1)).secureBoot).toMatchObject([{ enforced: false }]);
});
