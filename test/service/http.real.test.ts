// The HTTP service on real sockets: curl as the firmware, slow and rude clients, events, limits.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { MachineView } from '../../src/api/machines.ts';
import type { NamedFiles } from '../../src/base/named-files.ts';
import { openBytes } from '../../src/chunk/ports.ts';
import type { HttpServiceOptions } from '../../src/service/http-service.ts';
import { until } from '../support/until.ts';
import { BOOT_FILES, checkIn, MAC, namedFiles, type TestPeer, testPeer } from './peer.ts';

const run = promisify(execFile);
const INITRAMFS = randomBytes(3 * 1024 * 1024 + 17);
const undo: (() => unknown)[] = [];
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'peerboot-http-'));
  return () => rmSync(folder, { recursive: true, force: true });
});
afterEach(async () => {
  for (const end of undo.splice(0).reverse()) await end();
});

async function startPeer(
  options: Partial<HttpServiceOptions> = {},
): Promise<TestPeer & { port: number; base: string }> {
  const peer = testPeer({ files: namedFiles({ ...BOOT_FILES, 'initramfs.img': INITRAMFS }), ...options });
  const { port } = await peer.http.start();
  undo.push(() => peer.http.stop());
  return Object.assign(peer, { port, base: `http://127.0.0.1:${port}` });
}

/** Head and body as curl got them; `words` go before the address. */
async function curl(
  url: string,
  ...words: string[]
): Promise<{ status: number; head: string; body: Buffer }> {
  const out = join(folder, 'body');
  writeFileSync(out, '');
  const { stdout } = await run('curl', ['-sS', '--path-as-is', '-D', '-', '-o', out, ...words, url]);
  const status = Number(/^HTTP\/1\.1 (\d+)/m.exec(stdout)?.[1]);
  return { status, head: stdout.toLowerCase(), body: readFileSync(out) };
}

function rawSocket(port: number): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  undo.push(() => socket.destroy());
  return socket;
}

const ended = (socket: Socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()));

async function openConnections(base: string): Promise<number> {
  const { body } = await curl(`${base}/metrics`);
  return Number(/^peerboot_http_connections (\d+)/m.exec(body.toString())?.[1]);
}

describe('a boot file', () => {
  const path = '/boot/files/initramfs.img';

  it('HEAD tells length and tag, GET the whole with the same', async () => {
    const { base } = await startPeer();
    const head = await curl(base + path, '--head');
    expect(head.head).toContain(`content-length: ${INITRAMFS.length}\r\n`);
    const got = await curl(base + path);
    expect(got.body.equals(INITRAMFS)).toBe(true);
    for (const field of ['content-length', 'etag', 'accept-ranges', 'content-type']) {
      const line = new RegExp(`^${field}: .*$`, 'm');
      expect(line.exec(got.head)?.[0]).toBe(line.exec(head.head)?.[0]);
    }
    expect(got.head).not.toContain('transfer-encoding');
    expect(got.head).not.toContain('location');
  });

  it('HEAD and GET go over one connection, as UEFI HTTP Boot asks', async () => {
    const { base } = await startPeer();
    const { stderr } = await run('curl', [
      '-sv',
      '-I',
      base + path,
      '--next',
      '-sv',
      '-o',
      join(folder, 'x'),
      base + path,
    ]);
    expect(stderr).toMatch(/Re-using existing connection/);
    expect(readFileSync(join(folder, 'x')).equals(INITRAMFS)).toBe(true);
  });

  it('one range is that part', async () => {
    const { base } = await startPeer();
    const part = await curl(base + path, '-r', '1000000-1000999');
    expect(part.status).toBe(206);
    expect(part.head).toContain(`content-range: bytes 1000000-1000999/${INITRAMFS.length}\r\n`);
    expect(part.body.equals(INITRAMFS.subarray(1_000_000, 1_001_000))).toBe(true);
  });

  it('a connection that is cut in the middle is no download; it goes on at its byte, of the same file only', async () => {
    const { base, machines, port } = await startPeer();
    machines.observe({ kind: 'script', address: '127.0.0.1', query: { mac: MAC as never } });
    const rung = () => machines.list()[0]?.rung;
    const socket = rawSocket(port);
    let received = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      if (received.length > 1_000_000) socket.destroy();
    });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await ended(socket);
    await until(async () => (await openConnections(base)) === 1, {
      timeoutMs: 5_000,
      what: 'only curl is left',
    });
    expect(rung()).toBe('script');
    const broken = join(folder, 'broken');
    const part = received.subarray(received.indexOf('\r\n\r\n') + 4);
    const goOn = (etag: string) => {
      writeFileSync(broken, part);
      return run('curl', ['-sS', '-C', '-', '-H', `If-Range: ${etag}`, '-o', broken, base + path]);
    };
    // Meanwhile another file by that name: the whole of it comes, which curl does not take for the rest.
    await expect(goOn('"of-yesterday"')).rejects.toThrow(/byte ranges/);
    expect(readFileSync(broken).equals(part)).toBe(true);
    await goOn('"initramfs.img-1"');
    expect(readFileSync(broken).equals(INITRAMFS)).toBe(true);
  });

  it('several ranges are answered with the whole, never with one of them', async () => {
    const { base } = await startPeer();
    const got = await curl(base + path, '-r', '0-9,20-29');
    expect(got.status).toBe(200);
    expect(got.body.equals(INITRAMFS)).toBe(true);
    expect(got.head).not.toContain('content-range');
  });

  it('a range beyond the end is refused with the length, and the connection goes on', async () => {
    const { base } = await startPeer();
    const got = await curl(base + path, '-r', '99999999-');
    expect(got.status).toBe(416);
    expect(got.head).toContain(`content-range: bytes */${INITRAMFS.length}\r\n`);
    expect(got.head).toContain('content-length: 0\r\n');
  });

  it('If-Range and If-Match keep two versions from being mixed', async () => {
    const { base } = await startPeer();
    const range = ['-r', '5-9'];
    expect((await curl(base + path, ...range, '-H', 'If-Range: "initramfs.img-1"')).status).toBe(206);
    const other = await curl(base + path, ...range, '-H', 'If-Range: "another"');
    expect([other.status, other.body.length]).toEqual([200, INITRAMFS.length]);
    expect((await curl(base + path, ...range, '-H', 'If-Match: "another"')).status).toBe(412);
    const same = await curl(base + path, '-H', 'If-None-Match: "initramfs.img-1"');
    expect([same.status, same.body.length]).toEqual([304, 0]);
  });

  it.each([
    '/boot/files/../../etc/passwd',
    '/boot/files//etc/passwd',
    '/boot/files/..%2f..%2fetc%2fpasswd',
    '/boot/files/%2e%2e/%2e%2e/etc/passwd',
    '/boot/files/./vmlinuz',
    '/boot/files/..\\vmlinuz',
    '/boot/files/%00',
    '/boot/files/%zz',
    `/boot/files/${'x'.repeat(8000)}`,
  ])('%.40s leads nowhere', async (name) => {
    const { base } = await startPeer();
    const { status } = await curl(base + name);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
  });
});

describe('many at once', () => {
  const SIZE = 46 * 1024 * 1024;
  const STEP = Buffer.alloc(1024 * 1024, 7);

  /** A file that is made as it is read, and counts what was read of it. */
  function countingFiles(): { files: NamedFiles; read: () => number } {
    let total = 0;
    const file = {
      name: 'initramfs.img',
      sizeBytes: SIZE,
      etag: '"big"',
      read: async (_: number, length: number) => {
        total += length;
        return STEP.subarray(0, length);
      },
    };
    return { files: { list: () => [file], get: () => file }, read: () => total };
  }

  it('fifty machines that do not read hold up nobody and fill no memory', async () => {
    const { files, read } = countingFiles();
    const { base, port } = await startPeer({ files });
    const before = process.memoryUsage();
    const stuck = Array.from({ length: 50 }, () => rawSocket(port).pause());
    for (const socket of stuck) socket.write('GET /boot/files/initramfs.img HTTP/1.1\r\nHost: x\r\n\r\n');
    let last = -1;
    await until(
      () => {
        const still = read() === last && last > 0;
        last = read();
        return still;
      },
      { timeoutMs: 30_000, what: 'all that fits into the sockets has been read', everyMs: 300 },
    );
    const after = process.memoryUsage();
    // What was read lies in the kernel's buffers, some MB a connection; in our memory there is a step for each.
    expect(read()).toBeLessThan(50 * 12 * 1024 * 1024);
    expect(after.external + after.heapUsed - before.external - before.heapUsed).toBeLessThan(
      64 * 1024 * 1024,
    );
    const got = await curl(`${base}/boot/files/initramfs.img`);
    expect(got.body.length).toBe(SIZE);
    // Half of them leave, one reads to the end after all.
    for (const socket of stuck.slice(0, 25)) socket.destroy();
    const patient = stuck.at(-1) as Socket;
    let received = 0;
    patient.on('data', (bytes) => {
      received += bytes.length;
    });
    patient.resume();
    await until(() => received > SIZE, { timeoutMs: 30_000, what: 'the patient one has it all' });
    await until(async () => (await openConnections(base)) <= 26, {
      timeoutMs: 5_000,
      what: 'the others are gone',
    });
  });
});

describe('rude clients', () => {
  const limits = { headMs: 400, requestMs: 800, idleMs: 600, keepAliveMs: 400 };

  it.each<[string, string]>([
    ['says nothing', ''],
    ['never ends its head', 'GET / HTTP/1.1\r\nHost: x\r\nX-Slow: '],
    [
      'never ends its body',
      'POST /agent/v1/check-in HTTP/1.1\r\nHost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{',
    ],
    ['asks once and stays', 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n'],
  ])('one that %s is let go', async (_, text) => {
    const { port } = await startPeer({ limits });
    const socket = rawSocket(port).resume();
    socket.write(text);
    await ended(socket);
  });

  it('one that trickles its head letter by letter is let go all the same', async () => {
    const { port } = await startPeer({ limits });
    const socket = rawSocket(port).resume();
    const closed = ended(socket);
    let over = false;
    void closed.then(() => {
      over = true;
    });
    socket.write('GET / HTTP/1.1\r\nX-Slow: ');
    const trickle = () => {
      socket.write('x');
      return over;
    };
    await until(trickle, { timeoutMs: 10_000, what: 'the trickle is cut off', everyMs: 50 });
  });

  it('one that takes a file and reads none of it is let go', async () => {
    const { port } = await startPeer({ limits, files: namedFiles({ big: Buffer.alloc(64 * 1024 * 1024) }) });
    const socket = rawSocket(port).pause();
    socket.write('GET /boot/files/big HTTP/1.1\r\nHost: x\r\n\r\n');
    const base = `http://127.0.0.1:${port}`;
    await until(async () => (await openConnections(base)) === 1, {
      timeoutMs: 10_000,
      what: 'only curl is left',
    });
  });

  it('waiting for a slow line to the origin is not rude', async () => {
    let give: (bytes: Uint8Array) => void = () => {};
    const coming = new Promise<Uint8Array>((resolve) => {
      give = resolve;
    });
    const content = { open: () => coming.then(openBytes) };
    const { base, port } = await startPeer({ limits, content });
    const hex = 'ab'.repeat(32);
    const asked = curl(`${base}/content/chunks/ab/${hex}`);
    // Silent ones beside it are let go one after the other: so far more than the idle limit has passed.
    for (let i = 0; i < 3; i++) await ended(rawSocket(port).resume());
    give(Buffer.from('late'));
    expect((await asked).body.toString()).toBe('late');
  });

  it.each([
    ['nonsense', '\x16\x03\x01\x02\x00\x01\x00'],
    ['a head without end', `GET / HTTP/1.1\r\nHost: x\r\n${`X: ${'y'.repeat(1000)}\r\n`.repeat(40)}`],
    [
      'two lengths',
      'POST /agent/v1/progress HTTP/1.1\r\nHost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
    ],
  ])('%s is refused and the service goes on', async (_, text) => {
    const { base, port } = await startPeer();
    const socket = rawSocket(port).resume();
    socket.write(text, 'latin1');
    await ended(socket);
    expect((await curl(`${base}/livez`)).status).toBe(200);
  });
});

describe('machines as a stream of events', () => {
  async function watch(base: string): Promise<{ views: MachineView[]; stop: () => void; status: number }> {
    const ending = new AbortController();
    const response = await fetch(`${base}/admin/v1/machines/events`, { signal: ending.signal });
    const views: MachineView[] = [];
    const read = async () => {
      let text = '';
      for await (const part of response.body ?? []) {
        text += Buffer.from(part).toString();
        const events = text.split('\n\n');
        text = events.pop() as string;
        for (const event of events) {
          const data = /^data: (.*)$/m.exec(event)?.[1];
          if (data !== undefined) views.push(JSON.parse(data));
        }
      }
    };
    read().catch(() => {});
    undo.push(() => ending.abort());
    return { views, stop: () => ending.abort(), status: response.status };
  }

  it('first what there is, then each change', async () => {
    const { base, machines } = await startPeer();
    machines.observe({ kind: 'script', address: '10.0.0.1', query: { mac: MAC as never } });
    const { views } = await watch(base);
    await until(() => views.length === 1, { timeoutMs: 5_000, what: 'the first machine' });
    machines.checkIn('10.0.0.1', checkIn());
    await until(() => views.length === 2, { timeoutMs: 5_000, what: 'its change' });
    expect(views.map(({ rung }) => rung)).toEqual(['script', 'agent']);
  });

  it('at most 32 watch; one that leaves makes room', async () => {
    const { base } = await startPeer();
    const watchers = await Promise.all(Array.from({ length: 33 }, () => watch(base)));
    expect(watchers.map(({ status }) => status).sort()).toEqual([...Array(32).fill(200), 503]);
    for (const { stop } of watchers) stop();
    await until(async () => (await watch(base)).status === 200, {
      timeoutMs: 5_000,
      what: 'room for another',
    });
  });

  it('does not keep the service from stopping', async () => {
    const { base, http } = await startPeer();
    await watch(base);
    await http.stop();
    await expect(curl(`${base}/livez`)).rejects.toThrow();
  });
});

it('a port that is taken is told with its code', async () => {
  const { port } = await startPeer();
  const second = testPeer({ port });
  await expect(second.http.start()).rejects.toMatchObject({ code: 'PB-PORT-IN-USE' });
  await second.http.stop();
});
