// The TFTP service on a network in memory: loss and reordering, limits, repeated requests, nonsense, its end.
import { describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { silentLog } from '../../src/base/log.ts';
import { randomInt } from '../../src/base/random.ts';
import { createTftpService, type TftpFileEvent } from '../../src/service/tftp-service.ts';
import type { TftpLimits } from '../../src/tftp/admission.ts';
import { encodeTftp, type TftpOption, type TftpPacket } from '../../src/tftp/packet.ts';
import { contentOf, namedFilesOf } from '../support/named-files.ts';
import { fetchInWorld, SERVER, TftpWorld, type Weather } from '../support/tftp-world.ts';

const SIZES = { 'snponly.efi': 200_000, 'tiny.0': 100, 'exact.bin': 1024, empty: 0, 'big.img': 500_000 };
const LISTENER = { address: SERVER, port: 69 };
const HOURS_MS = 3_600_000;

async function worldOf(seed: number, weather: Weather = {}, limits: Partial<TftpLimits> = {}) {
  const world = new TftpWorld(seed, weather);
  const events: TftpFileEvent[] = [];
  const service = createTftpService({
    addresses: [SERVER],
    sockets: world.sockets,
    files: namedFilesOf(SIZES),
    limits,
    log: silentLog,
    clock: world.clock,
    timers: world.timers,
    onMachineEvent: (event) => events.push(event),
  });
  await service.start();
  return { world, service, events };
}

const options = (windowsize: number, blksize = 1468): TftpOption[] => [
  ['blksize', String(blksize)],
  ['windowsize', String(windowsize)],
  ['tsize', '0'],
];

describe('fetching', () => {
  it.each(Object.keys(SIZES))('%s arrives whole, by every way to ask', async (file) => {
    const { world, service, events } = await worldOf(1);
    const wanted = contentOf(file, SIZES[file as keyof typeof SIZES]);
    const ways: TftpOption[][] = [[], [['tsize', '0']], options(1), options(7), options(64, 8192)];
    const fetches = ways.map((way) => fetchInWorld(world, { file, options: way }));
    await world.run(HOURS_MS);
    for (const fetch of fetches) expect(fetch.result).toEqual(wanted);
    expect(fetches[3]?.options).toEqual([
      ['blksize', '1468'],
      ['windowsize', '7'],
      ['tsize', String(wanted.length)],
    ]);
    expect(events).toEqual(
      ways.map(() => ({ kind: 'file', address: '10.77.0.50', name: file, via: 'tftp' })),
    );
    expect(service.stats()).toMatchObject({ active: 0, blocksRepeated: 0, nonsense: 0 });
    expect(world.openPorts).toBe(1);
  });

  const storms: [string, Weather][] = [
    ['5 % lost', { lossPercent: 5 }],
    ['20 % lost', { lossPercent: 20 }],
    ['a third doubled', { doublePercent: 33 }],
    ['reordered', { jitterMs: 3 }],
    ['doubled, and the copies late', { doublePercent: 33, jitterMs: 100 }],
    ['lost, doubled and reordered', { lossPercent: 10, doublePercent: 10, jitterMs: 2 }],
  ];
  it.each(storms)('%s: every transfer completes with the right bytes', async (_name, weather) => {
    for (let seed = 1; seed <= 3; seed++) {
      const { world, service } = await worldOf(seed, weather);
      const fetches = [1, 4, 16, 64].map((windowsize) =>
        fetchInWorld(world, { file: 'snponly.efi', options: options(windowsize) }),
      );
      await world.run(HOURS_MS);
      for (const fetch of fetches) expect(fetch.result).toEqual(contentOf('snponly.efi', 200_000));
      expect(service.stats().active).toBe(0);
    }
  });

  it('doubled datagrams never double what is sent (Sorcerer’s Apprentice)', async () => {
    const { world, service } = await worldOf(5, { doublePercent: 100 });
    const fetch = fetchInWorld(world, { file: 'snponly.efi', options: options(1) });
    await world.run(HOURS_MS);
    expect(fetch.result).toEqual(contentOf('snponly.efi', 200_000));
    expect(service.stats().blocksSent).toBe(Math.floor(200_000 / 1468) + 1);
    expect(service.stats().blocksRepeated).toBe(0);
  });
});

describe('limits', () => {
  it('bounds transfers per client and in all, and refuses in silence', async () => {
    const { world, service } = await worldOf(7, {}, { perClient: 2, total: 3 });
    // Clients that answer the OACK and then fall silent: real ones, which are not dropped for newcomers.
    const silent = [1, 2, 3].map((port) => ({ address: '10.77.0.60' as Ipv4, port }));
    const other = { address: '10.77.0.61' as Ipv4, port: 1 };
    for (const client of [...silent, other]) {
      world.open(client, (from) => world.send(client, from, encodeTftp({ kind: 'ack', block: 0 })));
      world.send(
        client,
        LISTENER,
        encodeTftp({ kind: 'read', file: 'big.img', mode: 'octet', options: options(1) }),
      );
    }
    await world.run(20);
    expect(service.stats()).toMatchObject({ active: 3, refused: { 'per-client': 1, total: 0 } });
    const before = world.sent;
    world.send({ address: '10.77.0.62' as Ipv4, port: 1 }, LISTENER, encodeTftp(read('big.img')));
    await world.run(21);
    expect(service.stats()).toMatchObject({ active: 3, refused: { 'per-client': 1, total: 1 } });
    expect(world.sent).toBe(before);
  });

  it('a flood of forged requests does not keep a real machine out', async () => {
    const { world, service } = await worldOf(8, {}, { total: 20 });
    for (let i = 0; i < 500; i++)
      world.send(
        { address: `10.78.${i >> 8}.${i & 255}` as Ipv4, port: 9 },
        LISTENER,
        encodeTftp(read('big.img')),
      );
    await world.run(1);
    expect(service.stats().active).toBe(20);
    const fetch = fetchInWorld(world, { file: 'snponly.efi', options: options(8) });
    await world.run(HOURS_MS);
    expect(fetch.result).toEqual(contentOf('snponly.efi', 200_000));
  });

  it('a forged address is hit with one block for one request', async () => {
    const { world } = await worldOf(9);
    world.send({ address: '10.78.0.1' as Ipv4, port: 9 }, LISTENER, encodeTftp(read('big.img')));
    await world.run(HOURS_MS);
    expect(world.sent).toBe(1);
  });

  it('… and with at most three times its bytes when the request has options', async () => {
    const { world } = await worldOf(9);
    const request = encodeTftp({ ...read('big.img'), options: [['tsize', '0']] });
    world.send({ address: '10.78.0.1' as Ipv4, port: 9 }, LISTENER, request);
    await world.run(HOURS_MS);
    expect(world.sentBytes).toBeGreaterThan(0);
    expect(world.sentBytes).toBeLessThanOrEqual(3 * request.length);
  });

  it('requests beyond the rate are not answered at all', async () => {
    const { world, service } = await worldOf(10, {}, { requestBurst: 10, requestsPerSecond: 1 });
    for (let port = 1; port <= 100; port++)
      world.send({ address: '10.78.0.1' as Ipv4, port }, LISTENER, encodeTftp(read('missing')));
    await world.run(100);
    expect(world.sent).toBe(10);
    expect(service.stats()).toMatchObject({ denied: 10, refused: { rate: 90 } });
  });
});

describe('requests again', () => {
  const client = { address: '10.77.0.70' as Ipv4, port: 2070 };

  it('a repeated request is the same transfer', async () => {
    const { world, service } = await worldOf(11);
    for (let i = 1; i <= 3; i++) {
      world.send(client, LISTENER, encodeTftp(read('big.img')));
      await world.run(i);
    }
    expect(service.stats()).toMatchObject({ active: 1, requests: 3 });
    expect(world.sent).toBe(3);
  });

  it('a copy that comes late, in the midst of the transfer, changes nothing; after silence it begins anew', async () => {
    const { world, service } = await worldOf(14);
    const request = encodeTftp({ kind: 'read', file: 'big.img', mode: 'octet', options: options(1) });
    const senders = new Set<number>();
    // Takes the offer and the first block of each transfer, then falls silent.
    world.open(client, (from) => {
      senders.add(from.port);
      if (senders.size === 1) world.send(client, from, encodeTftp({ kind: 'ack', block: 0 }));
    });
    world.send(client, LISTENER, request);
    await world.run(50);
    world.send(client, LISTENER, request);
    await world.run(900);
    expect(service.stats().active).toBe(1);
    expect(senders.size).toBe(1);
    await world.run(2_500);
    world.send(client, LISTENER, request);
    await world.run(2_600);
    expect(senders.size).toBe(2);
    expect(service.stats()).toMatchObject({ active: 1, outcomes: { gone: 1 } });
  });

  it('a ROM that uses one port for file after file gets each', async () => {
    const { world, events } = await worldOf(12);
    world.send(client, LISTENER, encodeTftp(read('big.img')));
    await world.run(5);
    const fetch = fetchInWorld(world, { file: 'tiny.0', address: client.address, port: client.port });
    await world.run(HOURS_MS);
    expect(fetch.result).toEqual(contentOf('tiny.0', 100));
    expect(events.map((event) => event.name)).toEqual(['tiny.0']);
  });

  it('a size probe counts as such', async () => {
    const { world, service, events } = await worldOf(13);
    world.open(client, (from) =>
      world.send(client, from, encodeTftp({ kind: 'error', code: 8, message: 'User aborted the transfer' })),
    );
    world.send(client, LISTENER, encodeTftp({ ...read('big.img'), options: [['tsize', '0']] }));
    await world.run(HOURS_MS);
    expect(service.stats().outcomes).toMatchObject({ probed: 1, aborted: 0 });
    expect(events).toEqual([]);
    expect(world.sent).toBe(1);
  });
});

describe('nonsense', () => {
  it('an ERROR, an ACK or DATA at the listener is never answered (CVE-2024-2169)', async () => {
    const { world, service } = await worldOf(14);
    const stray: TftpPacket[] = [
      { kind: 'error', code: 4, message: 'illegal' },
      { kind: 'ack', block: 0 },
      { kind: 'data', block: 1, data: new Uint8Array(4) },
      { kind: 'oack', options: options(1) },
    ];
    for (const packet of stray) world.send({ address: SERVER, port: 69 }, LISTENER, encodeTftp(packet));
    await world.run(HOURS_MS);
    expect(world.sent).toBe(0);
    expect(service.stats().nonsense).toBe(4);
  });

  it('100,000 mutated datagrams: nothing breaks, nothing stays open, and it still serves', async () => {
    const { world, service } = await worldOf(15, {}, { requestBurst: 1e9, total: 64 });
    const { random } = world;
    const seeds: Uint8Array[] = [
      encodeTftp({ ...read('snponly.efi'), options: options(16) }),
      encodeTftp({ ...read('/TINY.0'), options: [['timeout', '1']] }),
      encodeTftp({ kind: 'write', file: 'x', mode: 'octet', options: [] }),
      encodeTftp({ kind: 'ack', block: 0 }),
      encodeTftp({ kind: 'ack', block: 16 }),
      encodeTftp({ kind: 'error', code: 8, message: 'no' }),
      encodeTftp({ kind: 'data', block: 1, data: new Uint8Array(20) }),
      encodeTftp({ kind: 'oack', options: options(1) }),
    ];
    const mutate = (bytes: Uint8Array): Uint8Array => {
      const copy = bytes.slice(0, 1 + randomInt(random, bytes.length));
      const whole = random.next() < 0.7 ? bytes.slice() : copy;
      for (let i = randomInt(random, 4); i > 0; i--)
        whole[randomInt(random, whole.length)] = randomInt(random, 256);
      return whole;
    };
    // Clients hear what comes and answer with nonsense too: it reaches the transfers, not just the listener.
    const clients = Array.from({ length: 200 }, (_, i) => ({
      address: `10.79.0.${i}` as Ipv4,
      port: 1000 + i,
    }));
    let left = 100_000;
    for (const client of clients)
      world.open(client, (from) => {
        if (left-- > 0) world.send(client, from, mutate(seeds[3 + randomInt(random, 5)] as Uint8Array));
      });
    while (left > 0) {
      for (let i = 0; i < 2000; i++, left--)
        world.send(
          clients[randomInt(random, clients.length)] ?? LISTENER,
          LISTENER,
          mutate(seeds[randomInt(random, seeds.length)] as Uint8Array),
        );
      await world.run(world.clock.nowMs() + 5);
    }
    for (const client of clients) world.shut(client);
    await world.run(HOURS_MS);
    expect(service.stats().active).toBe(0);
    expect(world.openPorts).toBe(1);
    expect(service.stats().outcomes.aborted).toBeGreaterThan(0);
    const fetch = fetchInWorld(world, { file: 'snponly.efi', options: options(16) });
    await world.run(2 * HOURS_MS);
    expect(fetch.result).toEqual(contentOf('snponly.efi', 200_000));
  });
});

it('stopping tells running clients and leaves no port open', async () => {
  const { world, service } = await worldOf(16);
  const fetch = fetchInWorld(world, { file: 'big.img', options: options(1) });
  await world.run(3);
  await service.stop();
  await world.run(HOURS_MS);
  expect(fetch.result).toBe('error 0 server stops');
  expect(world.openPorts).toBe(0);
});

it('a file that can no longer be read ends its transfer with an ERROR', async () => {
  const world = new TftpWorld(17);
  const broken = {
    name: 'a',
    sizeBytes: 9000,
    etag: '"a"',
    read: () => Promise.reject(new Error('a has changed')),
  };
  const service = createTftpService({
    addresses: [SERVER],
    sockets: world.sockets,
    files: { list: () => [broken], get: () => broken },
    log: silentLog,
    clock: world.clock,
    timers: world.timers,
    onMachineEvent: () => {},
  });
  await service.start();
  const fetch = fetchInWorld(world, { file: 'a', options: options(1) });
  await world.run(HOURS_MS);
  expect(fetch.result).toBe('error 0 a has changed');
  expect(service.stats().outcomes['gave-up']).toBe(1);
});

function read(file: string): TftpPacket & { kind: 'read' } {
  return { kind: 'read', file, mode: 'octet', options: [] };
}
