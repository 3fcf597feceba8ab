// The node of a site against strangers and strugglers: nonsense, slow hellos, floods, slow readers, slow disks.
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { concatBytes, equalBytes } from '../../src/base/bytes.ts';
import { openBytes } from '../../src/chunk/ports.ts';
import type { LineTransport } from '../../src/swarm/line-transport.ts';
import type { LocalRows } from '../../src/swarm/node-ports.ts';
import { type ControlFrame, encodeControl, encodePartHead, type PartHead } from '../../src/swarm/wire.ts';
import { WireDecoder } from '../../src/swarm/wire-decoder.ts';
import {
  allRows,
  openSite,
  type SiteMember,
  type TestImage,
  type TestSite,
  testImage,
  testWan,
} from '../support/site.ts';
import { until } from '../support/until.ts';

let site: TestSite;
const strangers: Stranger[] = [];
afterEach(async () => {
  for (const { socket } of strangers.splice(0)) socket.destroy();
  await site.stop();
});

interface Stranger {
  readonly socket: Socket;
  readonly frames: ControlFrame[];
  readonly parts: PartHead[];
  closed: boolean;
  say(...frames: ControlFrame[]): void;
}

const STRANGER = 'feedfeedfeedfeed';

/** A plain TCP client from an address of its own. */
function stranger(to: SiteMember, from = '127.66.0.1'): Stranger {
  const socket = connect({ host: to.address, port: to.port, localAddress: from });
  const frames: ControlFrame[] = [];
  const parts: PartHead[] = [];
  const decoder = new WireDecoder({
    frame: (frame) => void frames.push(frame),
    part: (head) => void parts.push(head),
    bytes: () => undefined,
  });
  const one: Stranger = {
    socket,
    frames,
    parts,
    closed: false,
    say: (...said) => void socket.write(concatBytes(said.map(encodeControl))),
  };
  socket.on('data', (bytes) => decoder.push(bytes));
  socket.on('error', () => {});
  socket.on('close', () => {
    one.closed = true;
  });
  strangers.push(one);
  return one;
}

const hello = (image: TestImage, id = STRANGER): ControlFrame => ({
  kind: 'hello',
  id,
  port: 8068,
  manifest: image.manifest,
});
const ATTACH: ControlFrame = { kind: 'attach', held: 0, rate: 0 };

async function holder(image: TestImage, options: Parameters<TestSite['add']>[0] = {}): Promise<SiteMember> {
  const member = await site.add({ rows: allRows(image), ...options });
  site.join(member, image, testWan(image));
  site.announce();
  return member;
}

const soon = (what: string) => ({ timeoutMs: 10_000, what });

describe('a stranger', () => {
  const image = testImage(20, 50_000, 7);

  it.each<[string, (one: Stranger) => void]>([
    ['speaks HTTP', (one) => one.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['wants before hello', (one) => one.say({ kind: 'want', row: 0, from: 0, repacked: false })],
    ['goes on before hello is answered', (one) => one.say(hello(image), ATTACH)],
    [
      'sends a chunk',
      (one) => one.socket.write(encodePartHead({ row: 0, offset: 0, size: 10, form: 'stored', length: 10 })),
    ],
    ['begins and never ends a hello', (one) => one.socket.write(encodeControl(hello(image)).subarray(0, 20))],
    ['says nothing', () => {}],
  ])('that %s is hung up on', async (_what, act) => {
    site = openSite();
    const member = await holder(image);
    const one = stranger(member);
    act(one);
    await until(() => one.closed, soon('hung up'));
    expect(member.node.stats().refused).toBe(1);
    expect(one.frames.filter(({ kind }) => kind !== 'hello')).toEqual([]);
  });

  it.each<[string, ControlFrame]>([
    ['a row beyond the image', { kind: 'want', row: 20, from: 0, repacked: false }],
    ['a byte beyond the chunk', { kind: 'want', row: 0, from: 50_000, repacked: false }],
    ['to be told what a follower tells', { kind: 'standing', held: 1, depth: 0, above: [], rate: 0 }],
  ])('that is greeted and then wants %s is hung up on', async (_what, frame) => {
    site = openSite();
    const member = await holder(image);
    const one = stranger(member);
    one.say(hello(image));
    await until(() => one.frames.length > 0, soon('hello'));
    one.say(ATTACH, frame);
    await until(() => one.closed, soon('hung up'));
    expect(one.parts).toEqual([]);
  });

  it('is told that the image is unknown here', async () => {
    site = openSite();
    const member = await holder(image);
    const one = stranger(member);
    one.say(hello(testImage(1, 10, 99)));
    await until(() => one.closed, soon('ended'));
    expect(one.frames).toEqual([
      { ...hello(testImage(1, 10, 99)), id: member.id, port: member.port },
      { kind: 'refused', why: 'unknown-image' },
    ]);
  });

  it('makes a node join the line of an image that it can open', async () => {
    site = openSite();
    const other = testImage(3, 1_000, 98);
    const member = await site.add({
      rows: allRows(other),
      node: {
        openImage: async (manifest) =>
          manifest !== other.manifest
            ? undefined
            : { image: other, local: member.rows, purpose: 'relay', wan: testWan(other) },
      },
    });
    const one = stranger(member);
    one.say(hello(other));
    await until(() => one.frames.length > 0, soon('hello'));
    one.say(ATTACH, { kind: 'want', row: 2, from: 400, repacked: false });
    await until(() => one.parts.length > 0, soon('a part'));
    expect(one.parts).toEqual([
      { kind: 'part', row: 2, offset: 400, size: 1_000, form: 'stored', length: 600 },
    ]);
  });

  it('cannot take the place of a follower by using its id from elsewhere', async () => {
    site = openSite();
    const member = await holder(image);
    const first = stranger(member);
    first.say(hello(image));
    await until(() => first.frames.length > 0, soon('hello'));
    const thief = stranger(member, '127.66.0.2');
    thief.say(hello(image));
    await until(() => thief.closed, soon('refused'));
    expect(first.closed).toBe(false);
    const again = stranger(member);
    again.say(hello(image));
    await until(() => first.closed && again.frames.length > 0, soon('the old connection is replaced'));
  });

  it('cannot follow under the own id of the node', async () => {
    site = openSite();
    const member = await holder(image);
    const one = stranger(member);
    one.say(hello(image, member.id));
    await until(() => one.closed, soon('refused'));
    expect(one.frames.at(-1)).toEqual({ kind: 'refused', why: 'full' });
  });

  it('with 1,000 connections uses up its own share, and the line goes on', async () => {
    site = openSite();
    const member = await holder(image);
    const target = await site.add();
    for (let i = 0; i < 1_000; i++) stranger(member);
    await site.fetchAll(target, image, testWan(image));
    expect(target.rows.rows.size).toBe(20);
    await until(() => strangers.filter(({ closed }) => closed).length >= 968, soon('refused'));
    expect(member.node.stats().connections).toBeLessThanOrEqual(33);
    await until(() => strangers.every(({ closed }) => closed), soon('silent ones are hung up on'));
  });
});

describe('memory', () => {
  /** The most bytes that waited in any of its sockets. */
  function watched(peak: { bytes: number }): (transport: LineTransport) => LineTransport {
    return (transport) => ({
      ...transport,
      listen: (port, onConnection) =>
        transport.listen(port, (socket) =>
          onConnection({
            ...socket,
            get queuedBytes() {
              return socket.queuedBytes;
            },
            send(bytes, onTaken) {
              socket.send(bytes, onTaken);
              peak.bytes = Math.max(peak.bytes, socket.queuedBytes);
            },
          }),
        ),
    });
  }

  it('does not grow with a follower that wants much and reads nothing', async () => {
    site = openSite();
    const image = testImage(60, 500_000, 8);
    const peak = { bytes: 0 };
    const member = await holder(image, { wrap: watched(peak) });
    const one = stranger(member);
    one.say(hello(image));
    await until(() => one.frames.length > 0, soon('hello'));
    one.socket.pause();
    one.say(
      ATTACH,
      ...Array.from(
        { length: 60 },
        (_, row): ControlFrame => ({ kind: 'want', row, from: 0, repacked: false }),
      ),
    );
    const sent = () => member.node.stats().lines[0]?.stats.bytesOut[STRANGER] ?? 0;
    let before = -1;
    await until(
      () => {
        const stands = sent() === before && before > 0;
        before = sent();
        return stands;
      },
      { ...soon('the kernel is full'), everyMs: 300 },
    );
    expect(sent()).toBeLessThan(image.rows * 500_000);
    expect(peak.bytes).toBeLessThan(400_000);
  });

  it('holds no more chunks than its bound while the disk is slow, and hands them on all the same', async () => {
    site = openSite();
    const image = testImage(40, 100_000, 9);
    await holder(image);
    const disk: (() => void)[] = [];
    const rows = new Map<number, Uint8Array>();
    const slow = await site.add({
      node: { memoryBytes: 500_000 },
      local: {
        has: (row) => rows.has(row),
        open: async (row) => {
          const bytes = rows.get(row);
          return bytes === undefined ? undefined : { ...openBytes(bytes), form: 'stored' };
        },
        keep: (row, bytes) =>
          new Promise((resolve) => {
            disk.push(() => {
              rows.set(row, bytes);
              resolve();
            });
          }),
      },
    });
    const fetching = site.fetchAll(slow, image, testWan(image), 40);
    await until(() => disk.length >= 5, soon('the bound is reached'));
    const one = stranger(slow);
    one.say(hello(image));
    await until(() => one.frames.length > 0, soon('hello'));
    one.say(ATTACH, { kind: 'want', row: 0, from: 0, repacked: false });
    await until(() => one.parts.length > 0, soon('served before it is kept'));
    expect(disk.length).toBe(5);
    expect(slow.node.stats().lines[0]?.stats.memoryBytes).toBe(500_000);
    const writing = setInterval(() => disk.shift()?.(), 2);
    await fetching;
    await until(() => rows.size === 40, soon('all is kept'));
    clearInterval(writing);
    expect(slow.node.stats().lines[0]?.stats.memoryBytes).toBe(0);
  });

  describe('with a full disk', () => {
    const fullDisk: LocalRows = {
      has: () => false,
      open: async () => undefined,
      keep: () => Promise.reject(new Error('disk full')),
    };

    it('serves what could not be kept to all that ask soon, and crosses the WAN once', async () => {
      site = openSite();
      const image = testImage(10, 100_000, 10);
      const full = await site.add({ local: fullDisk });
      const wan = testWan(image);
      site.designate(full.id);
      site.join(full, image, wan);
      for (const name of ['first', 'second']) {
        const target = await site.add();
        await site.fetchAll(target, image, testWan(image));
        expect(target.rows.rows, name).toEqual(allRows(image));
        // Nobody else has it now.
        await target.kill();
        site.forget(target);
      }
      expect([...wan.asked]).toEqual(Array.from({ length: 10 }, (_, row) => [row, 1]));
      expect(full.node.stats().lines[0]?.stats.unkept).toBe(10);
    });

    it('holds no more of that than half of its bound', async () => {
      site = openSite();
      const image = testImage(20, 100_000, 10);
      const full = await site.add({ local: fullDisk, node: { memoryBytes: 1_000_000 } });
      site.designate(full.id);
      site.join(full, image, testWan(image));
      const target = await site.add();
      await site.fetchAll(target, image, testWan(image));
      expect(target.rows.rows).toEqual(allRows(image));
      await until(
        () => full.node.stats().lines[0]?.stats.memoryBytes === 500_000,
        soon('the rest is let go'),
      );
    });
  });
});

describe('a target', () => {
  it('sends chunks in another form, which are proved by those that can, from byte 0', async () => {
    site = openSite();
    const image = testImage(5, 80_000, 11);
    /** As if packed again: twelve bytes longer. */
    const repack = (row: number) => concatBytes([new Uint8Array(12), image.bytes(row)]);
    const sender = await site.add({
      local: {
        has: () => true,
        open: async (row) => ({ ...openBytes(repack(row)), form: 'repacked' }),
        keep: async () => {},
      },
    });
    site.join(sender, image, testWan(image));
    site.announce();
    const kept = new Map<number, Uint8Array>();
    const target = await site.add({
      local: {
        has: (row) => kept.has(row),
        open: async (row) => ({ ...openBytes(kept.get(row) ?? new Uint8Array(1)), form: 'repacked' }),
        keep: async (row, bytes) => void kept.set(row, bytes),
        proveRepacked: async (row, bytes) => equalBytes(bytes, repack(row)),
      },
    });
    const line = site.join(target, image, testWan(image));
    const partial = { bytes: image.bytes(0).slice(), received: 1_000 };
    expect(await line.fetch({ digest: image.digest(0) }, { partial })).toEqual(repack(0));
    await site.fetchAll(target, image, testWan(image));
    expect([...kept.keys()].sort()).toEqual([0, 1, 2, 3, 4]);
    expect(target.node.stats().lines[0]?.stats.bytesIn[sender.id]).toBe(5 * 80_012);
  });

  it('hands its followers on when it leaves', async () => {
    site = openSite();
    const image = testImage(200, 50_000, 12);
    const wan = testWan(image);
    const first = await holder(image);
    const middle = await site.add();
    const last = await site.add();
    const running = [site.fetchAll(middle, image, wan), site.fetchAll(last, image, wan)];
    await until(() => middle.rows.rows.size > 50, soon('half way'));
    await Promise.all(running);
    await middle.node.leave(2_000);
    expect(middle.node.lines()).toEqual([]);
    expect(last.rows.rows.size).toBe(200);
    expect(first.node.stats().lines[0]?.stats.served).toBeGreaterThan(0);
  });
});
