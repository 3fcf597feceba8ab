// The TFTP server with the clients that exist: tftp-hpa, atftp, curl and npm's tftp; large files, rollover, bad manners.
import { createSocket } from 'node:dgram';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { encodeTftp } from '../../src/tftp/packet.ts';
import { run } from '../lab/process.ts';
import { randomFile, serveTftp, sha256OfFile, type TftpServing } from '../support/tftp-serving.ts';
import { until } from '../support/until.ts';

const HOST = '127.0.0.1';
const MB = 1_000_000;
const SIZES: Readonly<Record<string, number>> = {
  'undionly.kpxe': 90_001,
  'exact.bin': 512 * 1468,
  'empty.bin': 0,
  'forty.img': 40 * MB,
  'hundred-twenty.img': 120 * MB,
};
const digests = new Map<string, string>();
let folder: string;
let assets: string;
let out: string;
let server: TftpServing;
let port: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'peerboot-tftp-'));
  assets = join(folder, 'assets');
  out = join(folder, 'out');
  await mkdir(join(assets, 'grub'), { recursive: true });
  await mkdir(out);
  for (const [name, size] of Object.entries(SIZES))
    digests.set(name, await randomFile(join(assets, name), size));
  digests.set('grub/grub.cfg', await randomFile(join(assets, 'grub/grub.cfg'), 700));
  await writeFile(join(folder, 'secret'), 'not in the catalogue');
  await symlink(join(folder, 'secret'), join(assets, 'link'));
  server = await serveTftp({ folder: assets, addresses: [HOST as Ipv4], port: 0 });
  port = String(server.port);
});

afterAll(async () => {
  await server?.process.stop();
  await rm(folder, { recursive: true, force: true });
});

type Client = (file: string, to: string) => Promise<unknown>;

const hpa: Client = (file, to) =>
  run('tftp', ['-m', 'octet', HOST, port, '-c', 'get', file, to]).then((said) => {
    if (said.includes('Error')) throw new Error(said);
  });
const atftp =
  (...options: string[]): Client =>
  (file, to) =>
    run('atftp', [
      ...options.flatMap((option) => ['--option', option]),
      '-g',
      '-r',
      file,
      '-l',
      to,
      HOST,
      port,
    ]);
const curl =
  (...options: string[]): Client =>
  (file, to) =>
    run('curl', ['-sS', '--path-as-is', ...options, `tftp://${HOST}:${port}/${file}`, '-o', to]);
const npm =
  (blockSize: number, windowSize: number): Client =>
  (file, to) =>
    new Promise<void>((resolve, reject) => {
      // It has no types and is CommonJS.
      const { createClient } = createRequire(import.meta.url)('tftp') as {
        createClient(options: object): { get(f: string, t: string, done: (error?: Error) => void): void };
      };
      createClient({ host: HOST, port: Number(port), blockSize, windowSize }).get(file, to, (error) =>
        error == null ? resolve() : reject(error),
      );
    });

let fetched = 0;
async function fetchAndCompare(client: Client, file: string, as = file): Promise<void> {
  const to = join(out, `f${fetched++}`);
  await client(file, to);
  expect(await sha256OfFile(to)).toBe(digests.get(as));
  await rm(to);
}

const CLIENTS: [string, Client][] = [
  ['tftp-hpa, no options', hpa],
  ['atftp, no options', atftp()],
  ['atftp, tsize and blksize 1468', atftp('tsize enable', 'blksize 1468')],
  ['atftp, blksize 65464', atftp('blksize 65464')],
  ['atftp, windowsize 16', atftp('blksize 1468', 'windowsize 16')],
  ['atftp, windowsize 64, timeout 1', atftp('blksize 1024', 'windowsize 64', 'timeout 1')],
  ['curl, options of its own', curl()],
  ['curl, blksize 1468', curl('--tftp-blksize', '1468')],
  ['curl, no options', curl('--tftp-no-options')],
  ['npm tftp, windowsize 4', npm(1468, 4)],
  ['npm tftp, windowsize 64', npm(1024, 64)],
];

describe('clients', () => {
  it.each(CLIENTS)('%s', async (_name, client) => {
    await fetchAndCompare(client, 'undionly.kpxe');
    await fetchAndCompare(client, 'exact.bin');
  });

  it('an empty file', async () => {
    await fetchAndCompare(hpa, 'empty.bin');
    await fetchAndCompare(atftp('tsize enable'), 'empty.bin');
  });

  it('names as ROMs write them', async () => {
    await fetchAndCompare(hpa, '\\UNDIONLY.KPXE', 'undionly.kpxe');
    await fetchAndCompare(hpa, '//grub//grub.cfg', 'grub/grub.cfg');
    await fetchAndCompare(atftp(), '/GRUB\\Grub.cfg', 'grub/grub.cfg');
  });
});

describe('block numbers beyond 65535', () => {
  it('40 MB in blocks of 512', () => fetchAndCompare(hpa, 'forty.img'));
  it('120 MB in blocks of 1468', () => fetchAndCompare(curl('--tftp-blksize', '1468'), 'hundred-twenty.img'));
  it('120 MB in windows of 16', () =>
    fetchAndCompare(atftp('blksize 1468', 'windowsize 16'), 'hundred-twenty.img'));
});

describe('nothing leaves the catalogue', () => {
  it.each([
    '../secret',
    '..%2fsecret',
    'grub/../../secret',
    `/${'x'.repeat(300)}`,
    'link',
    '/etc/passwd',
    'assets',
  ])('%s', async (file) => {
    await expect(curl()(file, join(out, 'none'))).rejects.toThrow('curl: (68)');
  });
  it('a NUL does not hide what follows it', async () => {
    const [answer] = await talk([Buffer.from('\0\x01grub.cfg\0/../secret\0octet\0', 'latin1')], 1);
    expect(answer?.subarray(0, 4).toString('hex')).toBe('00050004');
  });
});

describe('manners', () => {
  it('a stranger hears nothing from a transfer’s port, and the transfer goes on', async () => {
    const client = createSocket('udp4');
    const stranger = createSocket('udp4');
    const heard: Buffer[] = [];
    stranger.on('message', (bytes) => heard.push(bytes));
    try {
      const request = encodeTftp({ kind: 'read', file: 'exact.bin', mode: 'octet', options: [] });
      const first = await new Promise<{ port: number }>((resolve) => {
        client.once('message', (_bytes, from) => resolve(from));
        client.send(request, Number(port), HOST);
      });
      await new Promise<void>((resolve) => stranger.bind(0, HOST, resolve));
      stranger.send(encodeTftp({ kind: 'error', code: 0, message: 'stop' }), first.port, HOST);
      stranger.send(encodeTftp({ kind: 'ack', block: 1 }), first.port, HOST);
      const second = await new Promise<Buffer>((resolve) => {
        client.once('message', resolve);
        client.send(encodeTftp({ kind: 'ack', block: 1 }), first.port, HOST);
      });
      expect(second.subarray(0, 4).toString('hex')).toBe('00030002');
      expect(heard).toEqual([]);
    } finally {
      client.close();
      stranger.close();
    }
  });

  it('20,000 datagrams of noise at the port, then a file as ever', async () => {
    const noise = Array.from({ length: 20_000 }, (_, i) => {
      const bytes = Buffer.alloc(i % 60);
      for (let at = 0; at < bytes.length; at++) bytes[at] = (i * 31 + at * at * 7) & 0xff;
      if (i % 3 === 0 && bytes.length > 2) bytes.writeUInt16BE(1 + (i % 6));
      return bytes;
    });
    await talk(noise, 0);
    await fetchAndCompare(atftp('blksize 1468', 'windowsize 16'), 'undionly.kpxe');
  });

  it('says when its port is taken', async () => {
    const order = { folder: assets, addresses: [HOST as Ipv4], port: Number(port) };
    await expect(serveTftp(order)).rejects.toThrow('failed PB-PORT-IN-USE');
  });
});

/** Sends datagrams from one port and collects as many answers. */
async function talk(datagrams: readonly Uint8Array[], answers: number): Promise<Buffer[]> {
  const socket = createSocket('udp4');
  const heard: Buffer[] = [];
  socket.on('message', (bytes) => heard.push(bytes));
  try {
    for (const bytes of datagrams)
      await new Promise<void>((resolve, reject) => {
        socket.send(bytes, Number(port), HOST, (error) => (error ? reject(error) : resolve()));
      });
    await until(() => heard.length >= answers, { timeoutMs: 5000, what: `${answers} answers` });
    return heard;
  } finally {
    socket.close();
  }
}
