// Several boot hosts on one switch: one answers a machine, the next one when that is gone, and one without the tag never.
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { TURN_MS } from '../../src/boot/turns.ts';
import { encodePacket } from '../../src/dhcp/packet.ts';
import { type Running, run, start } from '../lab/process.ts';
import type { DhcpClientJob, HeardDatagram } from '../support/dhcp-client.ts';
import { clientPacket, IPXE_CLASS, mustDecode, UEFI_CLASS } from '../support/dhcp-packets.ts';
import { createSiteNetwork, type SiteEndpoint, type SiteNetwork } from '../support/site-network.ts';

const program = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url));
const CLIENT = { address: '0.0.0.0', port: 68 };
const BROADCAST = { address: '255.255.255.255', port: 67 };

let network: SiteNetwork;
let client: SiteEndpoint;
const running: Running[] = [];

beforeAll(async () => {
  network = await createSiteNetwork({ endpoints: 4 });
  client = network.endpoints[3] as SiteEndpoint;
});
afterEach(async () => {
  for (const process of running.splice(0)) await process.stop();
});
afterAll(() => network.remove());

interface Host {
  readonly address: string;
  readonly process: Running;
  signal(name: NodeJS.Signals): void;
  /** Resolves when it sees so many others. */
  sees(others: number, from?: number): Promise<unknown>;
}

async function hosts(...tags: readonly (readonly string[])[]): Promise<Host[]> {
  const all = tags.map((words, index): Host => {
    const { namespace, address } = network.endpoints[index] as SiteEndpoint;
    const process = start('node', [program('boot-host.ts'), 'eth0', ...words], { namespace });
    running.push(process);
    return {
      address,
      process,
      signal: (name) => globalThis.process.kill(process.pid, name),
      sees: (others, from = 0) =>
        process.log.waitFor((line) => (line.includes(`"peers":${others},`) ? line : undefined), {
          timeoutMs: 10_000,
          what: `${address} to see ${others} others`,
          from,
        }),
    };
  });
  await Promise.all(all.map(isReady));
  if (all.length > 1) await Promise.all(all.map((host) => host.sees(all.length - 1)));
  return all;
}

/** Its sockets are open. */
function isReady({ address, process }: Host): Promise<unknown> {
  return process.log.waitFor((line) => (line.includes('"ready"') ? line : undefined), {
    timeoutMs: 10_000,
    what: `${address} to be ready`,
  });
}

/** Who answers: server addresses in the order of their offers, within `quietMs` after the first. */
async function ask(number: number, options: { readonly ipxe?: boolean; readonly quietMs?: number } = {}) {
  const packet = clientPacket({
    number,
    vendorClass: UEFI_CLASS,
    architectures: [7],
    ...(options.ipxe === true ? { userClass: IPXE_CLASS } : {}),
  });
  const job: DhcpClientJob = {
    listen: [CLIENT],
    send: [{ hex: toHex(encodePacket(packet)), ...BROADCAST }],
    replies: 1,
    quietMs: options.quietMs ?? 4 * TURN_MS,
  };
  const output = await run('ip', [
    ...['netns', 'exec', client.namespace, 'node', program('dhcp-client.ts')],
    JSON.stringify(job),
  ]);
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map(
      (line) => mustDecode(fromHex((JSON.parse(line) as HeardDatagram).hex) as Uint8Array).siaddr as string,
    );
}

const BOOT_HOST = ['boot-host'];

describe('boot hosts of one site', () => {
  it('answer each machine once, each some of them, and the others hear of it', async () => {
    const all = await hosts(BOOT_HOST, BOOT_HOST, BOOT_HOST);
    const answers = [];
    for (let number = 1; number <= 8; number++) answers.push(await ask(number));
    expect(answers.map((servers) => servers.length)).toEqual(answers.map(() => 1));
    expect(new Set(answers.flat()).size).toBeGreaterThan(1);
    const silent = all.flatMap(({ process }) =>
      process.log.lines.filter((line) => line.includes('another-boot-host')),
    );
    expect(silent.length).toBeGreaterThan(0);
  });

  it('go on when the one whose turn it is has died without a word', async () => {
    const all = await hosts(BOOT_HOST, BOOT_HOST);
    const [first] = await ask(1);
    const dead = all.find(({ address }) => address === first) as Host;
    const rest = all.find((one) => one !== dead) as Host;
    dead.signal('SIGKILL');
    // Nobody has noticed yet: the other one's turn comes all the same.
    expect(await ask(1)).toEqual([rest.address]);
  });

  it('are silent without the tag, and answer two seconds after they got it', async () => {
    const [one] = (await hosts([])) as [Host];
    const marks = one.process.log.lines.length;
    expect(await ask(1, { quietMs: 1 }).catch(() => [])).toEqual([]);
    expect(one.process.log.lines.slice(marks).some((line) => line.includes('not-a-boot-host'))).toBe(true);
    one.signal('SIGUSR2');
    expect(await ask(2)).toEqual([one.address]);
    one.signal('SIGUSR1');
    expect(await ask(3)).toEqual([]);
  });
});
