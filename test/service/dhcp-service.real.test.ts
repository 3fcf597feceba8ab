// The responder on real sockets: a peer on two LANs, a site's own DHCP server, relays, and ports that are taken.
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { fromHex, toHex, toText } from '../../src/base/bytes.ts';
import { OPTIONS, optionEntry, readOption } from '../../src/dhcp/options.ts';
import { type DhcpPacket, encodePacket } from '../../src/dhcp/packet.ts';
import type { AnsweringServer } from '../../src/service/dhcp-probe.ts';
import type { DhcpStats, HeardServer } from '../../src/service/dhcp-service.ts';
import { type Running, run, start } from '../lab/process.ts';
import type { DhcpClientJob, HeardDatagram } from '../support/dhcp-client.ts';
import {
  clientPacket,
  IPXE_CLASS,
  mustDecode,
  serverIdentifier,
  UEFI_CLASS,
} from '../support/dhcp-packets.ts';
import { DNSMASQ } from '../support/dnsmasq.ts';
import { createTwoLans, type TwoLans } from '../support/two-lans.ts';
import { until } from '../support/until.ts';

const program = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url));
const discover = clientPacket({ vendorClass: UEFI_CLASS, architectures: [7] });
const BROADCAST = { address: '255.255.255.255', port: 67 };
const CLIENT = { address: '0.0.0.0', port: 68 };

interface Report {
  readonly stats: DhcpStats;
  readonly servers: readonly HeardServer[];
  readonly events: readonly object[];
}

let lans: TwoLans;
const running: Running[] = [];

beforeAll(async () => {
  lans = await createTwoLans();
});
afterEach(async () => {
  for (const process of running.splice(0).reverse()) await process.stop();
});
afterAll(() => lans.remove());

function begin(namespace: string, command: string, args: readonly string[]): Running {
  const process = start(command, args, { namespace });
  running.push(process);
  return process;
}

const parse = (line: string): Record<string, unknown> => (line.startsWith('{') ? JSON.parse(line) : {});

/** Starts the service in the peer's namespace; resolves with its first word: ready, or why not. */
async function startResponder(...args: string[]) {
  const process = begin(lans.peer, 'node', [program('dhcp-responder.ts'), ...args]);
  const first = await process.log.waitFor(
    (line) => {
      const said = parse(line);
      return said.msg === 'ready' || said.failed !== undefined ? said : undefined;
    },
    { timeoutMs: 10_000, what: 'the responder to start' },
  );
  return {
    first,
    log: process.log,
    async report(): Promise<Report> {
      const from = process.log.lines.length;
      globalThis.process.kill(process.pid, 'SIGUSR2');
      return process.log.waitFor(
        (line) => (parse(line).stats === undefined ? undefined : (parse(line) as unknown as Report)),
        { timeoutMs: 5_000, what: 'the report', from },
      );
    },
  };
}

async function ask(namespace: string, job: Partial<DhcpClientJob> & Pick<DhcpClientJob, 'send'>) {
  const whole: DhcpClientJob = { listen: [CLIENT], replies: 1, quietMs: 250, ...job };
  const output = await run('ip', [
    ...['netns', 'exec', namespace, 'node', program('dhcp-client.ts')],
    JSON.stringify(whole),
  ]);
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as HeardDatagram)
    .map((heard) => ({ ...heard, packet: mustDecode(fromHex(heard.hex) as Uint8Array) }));
}

/** The site's own DHCP server: addresses only. */
function startSiteServer(...more: string[]): void {
  begin(lans.dhcpServer, 'dnsmasq', [
    ...[...DNSMASQ, '--no-ping', '--leasefile-ro'],
    ...['--interface=eth0', '--dhcp-range=10.77.11.100,10.77.11.199,255.255.255.0'],
    ...more,
  ]);
}

const hex = (packet: DhcpPacket) => toHex(encodePacket(packet));

describe('two interfaces', () => {
  it('each LAN is answered once, from and with the address that the peer has there', async () => {
    const responder = await startResponder('lan1', 'lan2');
    for (const [i, address] of [
      [0, '10.77.11.2'],
      [1, '10.77.12.2'],
    ] as const) {
      const heard = await ask(lans.clients[i], { send: [{ hex: hex(discover), ...BROADCAST }] });
      expect(heard).toHaveLength(1);
      expect(heard[0]).toMatchObject({
        source: { address, port: 67 },
        packet: { siaddr: address, yiaddr: '0.0.0.0', xid: discover.xid },
      });
      expect(readOption(heard[0]?.packet.options ?? new Map(), OPTIONS.serverIdentifier)).toBe(address);
    }
    const { stats } = await responder.report();
    // Two packets, heard once each, answered out of both interfaces.
    expect(stats).toMatchObject({ received: 2, replies: 4, sendErrors: 0, ignored: {} });
  });

  it('only the interface named is served', async () => {
    await startResponder('lan2');
    const [one, two] = await Promise.all(
      lans.clients.map((client) =>
        ask(client, {
          send: [{ hex: hex(discover), ...BROADCAST }],
          replies: client === lans.clients[1] ? 1 : 0,
        }),
      ),
    );
    expect(one).toEqual([]);
    // The wildcard socket hears both LANs, and cannot tell them apart: each request is answered on the one served.
    expect(two?.every(({ packet }) => packet.siaddr === '10.77.12.2')).toBe(true);
  });

  it('iPXE gets the script’s URL at the address of its own LAN', async () => {
    await startResponder('lan1', 'lan2');
    const ipxe = clientPacket({ vendorClass: 'PXEClient', architectures: [7], userClass: IPXE_CLASS });
    const heard = await ask(lans.clients[1], { send: [{ hex: hex(ipxe), ...BROADCAST }] });
    expect(toText(heard[0]?.packet.file ?? new Uint8Array(0))).toBe('http://10.77.12.2:8067/boot/start.ipxe');
  });
});

describe('unicasts', () => {
  it('4011 is answered from 4011 of the address asked, to the port asked from', async () => {
    await startResponder('lan1', 'lan2');
    const request = clientPacket({
      type: 'REQUEST',
      vendorClass: UEFI_CLASS,
      architectures: [7],
      fields: { ciaddr: '10.77.12.9' as Ipv4 },
    });
    for (const port of [4011, 68]) {
      const heard = await ask(lans.clients[1], {
        listen: [{ address: '10.77.12.9', port }],
        send: [{ hex: hex(request), address: '10.77.12.2', port: 4011 }],
      });
      expect(heard).toHaveLength(1);
      expect(heard[0]).toMatchObject({
        port,
        source: { address: '10.77.12.2', port: 4011 },
        packet: { siaddr: '10.77.12.2' },
      });
      expect(readOption(heard[0]?.packet.options ?? new Map(), OPTIONS.messageType)).toBe('ACK');
    }
  });

  it('a relay is answered at its own port 67, and gets its option 82 back', async () => {
    await startResponder('lan1', 'lan2');
    const circuit = Uint8Array.of(1, 4, 0, 0, 0, 7);
    const relayed = clientPacket({
      vendorClass: UEFI_CLASS,
      architectures: [7],
      more: [[OPTIONS.relayInformation.code, circuit]],
      fields: { giaddr: '10.77.11.9' as Ipv4, hops: 1 },
    });
    const heard = await ask(lans.clients[0], {
      listen: [{ address: '10.77.11.9', port: 67 }, CLIENT],
      send: [{ hex: hex(relayed), address: '10.77.11.2', port: 67 }],
    });
    expect(heard).toHaveLength(1);
    expect(heard[0]).toMatchObject({
      port: 67,
      source: { address: '10.77.11.2', port: 67 },
      packet: { giaddr: '10.77.11.9', siaddr: '10.77.11.2' },
    });
    expect(heard[0]?.packet.options.get(82)).toEqual(circuit);
  });
});

describe('beside the site’s own DHCP server', () => {
  it('the machine gets an address from there and a file from us; who chose what is learnt', async () => {
    startSiteServer();
    const responder = await startResponder('lan1', 'lan2');
    // dnsmasq binds a moment after its start: asking again is what a machine does, too.
    let offers: Awaited<ReturnType<typeof ask>> = [];
    for (let round = 0; round < 10 && offers.length < 2; round++) {
      offers = await ask(lans.clients[0], { send: [{ hex: hex(discover), ...BROADCAST }], replies: 2 });
    }
    const from = (address: string) => offers.find(({ source }) => source.address === address)?.packet;
    const theirs = from('10.77.11.1');
    const given = theirs?.yiaddr as Ipv4;
    expect(given).toMatch(/^10\.77\.11\.1\d\d$/);
    expect(from('10.77.11.2')).toMatchObject({ yiaddr: '0.0.0.0', siaddr: '10.77.11.2' });

    const request: DhcpPacket = {
      ...clientPacket({
        type: 'REQUEST',
        vendorClass: UEFI_CLASS,
        architectures: [7],
        more: [optionEntry(OPTIONS.requestedAddress, given), serverIdentifier('10.77.11.1')],
      }),
    };
    const acks = await ask(lans.clients[0], { send: [{ hex: hex(request), ...BROADCAST }] });
    expect(acks.map(({ source }) => source.address)).toEqual(['10.77.11.1']);

    const { stats, servers, events } = await responder.report();
    expect(servers).toMatchObject([{ address: '10.77.11.1' }]);
    expect(stats.ignored).toEqual({ 'request-to-another-server': 1 });
    expect(events.at(-1)).toEqual({
      kind: 'dhcp',
      mac: '52:54:00:77:00:01',
      architecture: 'uefi-x64',
      firmware: 'uefi',
      address: given,
    });
  });
});

it('the doctor hears who answers: a server that itself says PXEClient stands out', async () => {
  startSiteServer('--dhcp-option-force=60,PXEClient', '--dhcp-boot=old.0');
  await startResponder('lan1');
  const probe = () =>
    run('ip', ['netns', 'exec', lans.clients[0], 'node', program('dhcp-probe.ts'), 'eth0']).then(
      (output) => JSON.parse(output) as AnsweringServer[],
    );
  const servers = await until(
    async () => {
      const heard = await probe();
      return heard.length === 2 && heard;
    },
    { timeoutMs: 15_000, what: 'both servers to answer' },
  );
  expect(servers).toContainEqual({
    address: '10.77.11.1',
    givesAddress: true,
    vendorClass: 'PXEClient',
    file: 'old.0',
  });
  expect(servers).toContainEqual({
    address: '10.77.11.2',
    givesAddress: false,
    vendorClass: 'PXEClient',
    file: 'snponly.efi',
  });
});

it('observing says what it would answer, and sends nothing', async () => {
  const responder = await startResponder('lan1', '--observe');
  const heard = await ask(lans.clients[0], {
    send: [{ hex: hex(discover), ...BROADCAST }],
    replies: 0,
    quietMs: 600,
  });
  expect(heard).toEqual([]);
  const { stats } = await responder.report();
  expect(stats).toMatchObject({ received: 1, replies: 0 });
  expect(responder.log.lines.map(parse)).toContainEqual(
    expect.objectContaining({ msg: 'would answer', file: 'snponly.efi', to: '255.255.255.255:68' }),
  );
});

it('an interface that loses its address costs its own offers only, and is told', async () => {
  const responder = await startResponder('lan1', 'lan2');
  await run('ip', ['-n', lans.peer, 'addr', 'del', '10.77.12.2/24', 'dev', 'lan2']);
  try {
    const heard = await ask(lans.clients[0], { send: [{ hex: hex(discover), ...BROADCAST }] });
    expect(heard).toHaveLength(1);
    const { stats } = await responder.report();
    expect(stats).toMatchObject({ received: 1, sendErrors: 1 });
    expect(responder.log.lines.map(parse)).toContainEqual(
      expect.objectContaining({ level: 'warn', msg: 'could not answer', interface: 'lan2' }),
    );
  } finally {
    await run('ip', ['-n', lans.peer, 'addr', 'add', '10.77.12.2/24', 'brd', '+', 'dev', 'lan2']);
  }
  // With the address back, the same socket sends again.
  expect(await ask(lans.clients[1], { send: [{ hex: hex(discover), ...BROADCAST }] })).toHaveLength(1);
  expect((await responder.report()).stats.sendErrors).toBe(1);
});

it('what is ignored is counted by its reason', async () => {
  const responder = await startResponder('lan1');
  const pc = clientPacket({ vendorClass: 'MSFT 5.0' });
  const heard = await ask(lans.clients[0], {
    replies: 0,
    send: [pc, pc, clientPacket({ fields: { op: 2 } })]
      .map((packet) => ({ hex: hex(packet), ...BROADCAST }))
      .concat({ hex: 'c0ffee', ...BROADCAST }),
  });
  expect(heard).toEqual([]);
  const { stats } = await responder.report();
  expect(stats).toMatchObject({ received: 4, replies: 0 });
  expect(stats.ignored).toEqual({ 'not-pxe': 2, 'boot-reply': 1, malformed: 1 });
});

describe('a port that is taken', () => {
  it('by a program that does not share: PB-PORT-IN-USE, and its name', async () => {
    const holder = begin(lans.peer, 'node', [
      '-e',
      "require('dgram').createSocket('udp4').bind(67, () => console.log('bound'))",
    ]);
    await holder.log.waitFor((line) => line === 'bound' || undefined, {
      timeoutMs: 5_000,
      what: 'the holder',
    });
    const { first } = await startResponder('lan1');
    expect(first.failed).toBe('PB-PORT-IN-USE');
    expect(first.message).toMatch(
      new RegExp(`UDP 10\\.77\\.\\d+\\.2:67 is held by node \\(${holder.pid}\\)`),
    );
  });

  it('by one that shares: both hear, and it is named in the log', async () => {
    const holder = begin(lans.peer, 'node', [
      '-e',
      "require('dgram').createSocket({ type: 'udp4', reuseAddr: true }).bind(67, () => console.log('bound'))",
    ]);
    await holder.log.waitFor((line) => line === 'bound' || undefined, {
      timeoutMs: 5_000,
      what: 'the holder',
    });
    const responder = await startResponder('lan1');
    expect(responder.log.lines.map(parse)).toContainEqual(
      expect.objectContaining({ level: 'warn', port: 67, sharedWith: [`node (${holder.pid})`] }),
    );
    const heard = await ask(lans.clients[0], { send: [{ hex: hex(discover), ...BROADCAST }] });
    expect(heard).toHaveLength(1);
  });

  it('without the right to open it: PB-PORT-DENIED', async () => {
    const process = begin(lans.peer, 'setpriv', [
      ...['--reuid=65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'],
      ...['node', program('dhcp-responder.ts'), 'lan1'],
    ]);
    const failed = await process.log.waitFor((line) => parse(line).failed, {
      timeoutMs: 10_000,
      what: 'refusal',
    });
    expect(failed).toBe('PB-PORT-DENIED');
  });

  it('an interface that is not there: PB-INTERFACE-UNKNOWN', async () => {
    const process = begin(lans.peer, 'node', [program('dhcp-responder.ts'), 'lan9']);
    const line = await process.log.waitFor((text) => (text.includes('lan9') ? text : undefined), {
      timeoutMs: 10_000,
      what: 'refusal',
    });
    expect(line).toContain('there are: lan1 (10.77.11.2), lan2 (10.77.12.2)');
  });
});
