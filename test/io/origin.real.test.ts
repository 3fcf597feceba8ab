// Origins in order: nginx as the CDN, and every way in which one fails while the next continues.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chunkPath } from '../../src/api/routes.ts';
import { systemClock } from '../../src/io/clock.ts';
import { digestOf } from '../../src/io/hash.ts';
import { createHttpSource, type HttpSource } from '../../src/io/http-source.ts';
import { createOrderedSource, type OrderedSource } from '../../src/io/ordered-source.ts';
import { chunkSourceContract } from '../contract/chunk-source.ts';
import { type TestChunk, testChunk, testChunks } from '../support/chunks.ts';
import { type Logbook, logbook } from '../support/logbook.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { type Fault, type Origin, startOrigin } from '../support/origin.ts';

chunkSourceContract('the ordered source', async (origin) => {
  const member = createHttpSource({ base: origin.base, stallMs: 800 });
  return {
    source: createOrderedSource({ sources: [member], clock: systemClock }),
    end: () => member.close(),
  };
});

const chunks = testChunks(4, 300_000);
const [chunk] = chunks as [TestChunk];
const { descriptor } = chunk;
let folder: string;
let cdn: Nginx;
let first: Origin;
let log: Logbook;
let ends: (() => Promise<void>)[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pb-cdn-'));
  const root = join(folder, 'root');
  for (const { descriptor: one, bytes } of chunks) {
    const path = join(root, chunkPath(one.digest));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
  mkdirSync(join(root, 'catalogue'));
  writeFileSync(join(root, 'catalogue', 'timestamp.json'), '{}');
  cdn = await startNginx({ home: join(folder, 'nginx'), root });
  first = await startOrigin(chunks);
  log = logbook();
  ends = [cdn.stop, first.close];
});
afterEach(async () => {
  for (const end of ends) await end();
  rmSync(folder, { recursive: true });
});

let nowMs = 0;
const clock = { nowMs: () => nowMs, wallMs: () => nowMs };

function source(base: string): HttpSource {
  const made = createHttpSource({ base, stallMs: 800 });
  ends.unshift(() => made.close());
  return made;
}

function inOrder(...bases: string[]): { sources: HttpSource[]; ordered: OrderedSource } {
  nowMs = 0;
  const sources = bases.map(source);
  return { sources, ordered: createOrderedSource({ sources, clock, log }) };
}

const pathsAt = (origin: Origin) => origin.requests.length;

describe('nginx as the CDN', () => {
  it('brings chunks and files of the catalogue', async () => {
    const { ordered } = inOrder(cdn.base);
    for (const one of chunks)
      expect(digestOf(await ordered.fetch(one.descriptor))).toBe(one.descriptor.digest);
    expect(await ordered.fetchFile('catalogue/timestamp.json', { maxBytes: 10 })).toHaveLength(2);
    expect(await ordered.fetchFile('catalogue/2.root.json', { maxBytes: 10 })).toBeUndefined();
    await expect(ordered.fetch(testChunk(99).descriptor)).rejects.toMatchObject({ code: 'PB-CHUNK-MISSING' });
  });

  it('goes on from the byte where another source broke off', async () => {
    first.fault = (_path, count) =>
      count === 1 ? { kind: 'break', after: 200_000 } : { kind: 'status', status: 500 };
    const { ordered, sources } = inOrder(first.base, cdn.base);
    expect(digestOf(await ordered.fetch(descriptor))).toBe(descriptor.digest);
    expect(cdn.requests()).toEqual([
      expect.objectContaining({ status: 206, bytes: 100_000, range: 'bytes=200000-' }),
    ]);
    expect(sources.map((one) => one.stats().bytesReceived)).toEqual([200_000, 100_000]);
  });

  it('killed in the middle of a transfer is taken over from', async () => {
    const slow = await startNginx({
      home: join(folder, 'slow'),
      root: join(folder, 'root'),
      extra: 'limit_rate 100k;',
    });
    ends.push(slow.stop);
    const { ordered, sources } = inOrder(slow.base, cdn.base);
    const fetching = ordered.fetch(descriptor);
    const timer = setInterval(() => {
      if ((sources[0] as HttpSource).stats().bytesReceived > 0) slow.process.kill('SIGKILL');
    }, 5);
    expect(digestOf(await fetching.finally(() => clearInterval(timer)))).toBe(descriptor.digest);
    const [before, after] = sources.map((one) => one.stats().bytesReceived) as [number, number];
    expect(before).toBeGreaterThan(0);
    expect(before + after).toBe(descriptor.size);
  });
});

describe('a failing source', () => {
  it.each<[string, Fault]>([
    ['5xx', { kind: 'status', status: 503 }],
    ['no answer', { kind: 'stall', after: -1 }],
    ['a stall', { kind: 'stall', after: 100_000 }],
    ['broken off', { kind: 'break', after: 0 }],
    ['truncated', { kind: 'resize', by: -100 }],
    ['wrong bytes', { kind: 'flip' }],
    ['a redirect', { kind: 'status', status: 302, headers: { location: 'http://127.0.0.1:1/' } }],
  ])('%s: is set aside, and the next continues', async (_what, fault) => {
    const { ordered } = inOrder(first.base, cdn.base);
    first.fault = () => fault;
    for (const one of chunks)
      expect(digestOf(await ordered.fetch(one.descriptor))).toBe(one.descriptor.digest);
    const asked = pathsAt(first);
    expect(first.requests.every((request) => request.path === first.requests[0]?.path)).toBe(true);
    expect(ordered.standings()[0]).toMatchObject({ asideMs: 5_000, failures: 1 });
    expect(log.lines.filter((line) => line.message === 'source set aside')).toEqual([
      expect.objectContaining({ level: 'warn', fields: expect.objectContaining({ asideMs: 5_000 }) }),
    ]);

    nowMs = 5_000;
    first.fault = () => undefined;
    expect(digestOf(await ordered.fetch((chunks[1] as TestChunk).descriptor))).toBeDefined();
    expect(pathsAt(first)).toBe(asked + 1);
    expect(log.lines.at(-1)?.message).toBe('source is back');
    expect(ordered.standings()[0]).toMatchObject({ asideMs: 0, failures: 0 });
  });

  it('refused: the next continues', async () => {
    const { ordered } = inOrder('http://127.0.0.1:9', cdn.base);
    expect(digestOf(await ordered.fetch(descriptor))).toBe(descriptor.digest);
    expect(ordered.standings()[0]).toMatchObject({ asideMs: 5_000 });
  });

  it('is set aside for longer each time', async () => {
    const { ordered } = inOrder(first.base, cdn.base);
    first.fault = () => ({ kind: 'status', status: 500 });
    const asides: (number | undefined)[] = [];
    for (let time = 0; time < 9; time++) {
      await ordered.fetch(descriptor);
      asides.push(ordered.standings()[0]?.asideMs);
      nowMs += asides.at(-1) ?? 0;
    }
    expect(asides).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300].map((seconds) => seconds * 1_000));
  });

  it('is set aside once for requests that fail together', async () => {
    const { ordered } = inOrder(first.base, cdn.base);
    first.fault = () => ({ kind: 'status', status: 500 });
    await Promise.all(chunks.map((one) => ordered.fetch(one.descriptor)));
    expect(pathsAt(first)).toBe(chunks.length);
    expect(ordered.standings()[0]).toMatchObject({ asideMs: 5_000, failures: 1 });
  });

  it('is asked all the same when it is the only one left', async () => {
    const { ordered } = inOrder(first.base);
    first.fault = (_path, count) => (count === 1 ? { kind: 'status', status: 500 } : undefined);
    await expect(ordered.fetch(descriptor)).rejects.toMatchObject({ code: 'PB-SOURCE-FAILED' });
    expect(ordered.standings()[0]?.asideMs).toBe(5_000);
    expect(digestOf(await ordered.fetch(descriptor))).toBe(descriptor.digest);
  });

  it('is not to blame when the caller gives up', async () => {
    const { ordered } = inOrder(first.base, cdn.base);
    const controller = new AbortController();
    first.fault = () => {
      setImmediate(() => controller.abort());
      return { kind: 'stall', after: 0 };
    };
    await expect(ordered.fetch(descriptor, { signal: controller.signal })).rejects.toThrow('aborted');
    expect(ordered.standings()[0]).toMatchObject({ asideMs: 0, failures: 0 });
  });
});

describe('a chunk that one source lacks', () => {
  it('comes from the next, and the first stays in good standing', async () => {
    const extra = testChunk(50);
    const second = await startOrigin([extra]);
    ends.push(second.close);
    const { ordered } = inOrder(first.base, second.base);
    for (let time = 0; time < 3; time++) await ordered.fetch(extra.descriptor);
    // Not asked again at once for what it has just not had.
    expect(pathsAt(first)).toBe(1);
    expect(ordered.standings()[0]).toMatchObject({ asideMs: 0, failures: 0 });
    nowMs = 5_000;
    await ordered.fetch(extra.descriptor);
    expect(pathsAt(first)).toBe(2);
  });

  it('eight times in a row: then it holds another tree, and is set aside', async () => {
    const strangers = testChunks(9, 100, 500);
    const second = await startOrigin(strangers);
    ends.push(second.close);
    const { ordered } = inOrder(first.base, second.base);
    for (const one of strangers) await ordered.fetch(one.descriptor);
    expect(pathsAt(first)).toBe(8);
    expect(ordered.standings()[0]).toMatchObject({ asideMs: 5_000, failures: 1 });
  });

  it('is not fetched again and again from where it is wrong', async () => {
    const { ordered } = inOrder(first.base);
    first.fault = () => ({ kind: 'flip' });
    for (let time = 0; time < 3; time++) {
      await expect(ordered.fetch(descriptor)).rejects.toMatchObject({ code: 'PB-CHUNK-CORRUPT' });
    }
    expect(pathsAt(first)).toBe(1);
    nowMs = 60_000;
    first.fault = () => undefined;
    await ordered.fetch(descriptor);
  });
});

describe('when all fail', () => {
  it('every reason is in the error', async () => {
    const { ordered } = inOrder(first.base, 'http://127.0.0.1:9', cdn.base);
    first.fault = () => ({ kind: 'stall', after: -1 });
    const error = await ordered.fetch(testChunk(99).descriptor).catch((thrown: unknown) => thrown);
    // The first does answer 404 for what it lacks: it is asked before its fault can show.
    expect(error).toMatchObject({
      code: 'PB-SOURCE-FAILED',
      details: {
        reasons: [
          { source: first.base, code: 'PB-CHUNK-MISSING' },
          { source: 'http://127.0.0.1:9', code: 'PB-SOURCE-FAILED' },
          { source: cdn.base, code: 'PB-CHUNK-MISSING' },
        ],
      },
    });
    expect((error as Error).message).toContain('http://127.0.0.1:9: connection refused');
  });

  it('it is missing where nobody has it, corrupt where everybody has it wrong', async () => {
    const { ordered } = inOrder(first.base, cdn.base);
    await expect(ordered.fetch(testChunk(99).descriptor)).rejects.toMatchObject({ code: 'PB-CHUNK-MISSING' });
    const other = await startOrigin(chunks);
    ends.push(other.close);
    const wrong = inOrder(first.base, other.base).ordered;
    first.fault = other.fault = () => ({ kind: 'flip' });
    await expect(wrong.fetch(descriptor)).rejects.toMatchObject({ code: 'PB-CHUNK-CORRUPT' });
  });

  it('without any source it is missing', async () => {
    const { ordered } = inOrder();
    await expect(ordered.fetch(descriptor)).rejects.toMatchObject({ code: 'PB-CHUNK-MISSING' });
    expect(await ordered.fetchFile('catalogue/timestamp.json', { maxBytes: 9 })).toBeUndefined();
  });
});

describe('a file of the catalogue', () => {
  it('comes from the next when one fails, and is absent only where one could say so', async () => {
    const { ordered } = inOrder('http://127.0.0.1:9', cdn.base);
    expect(await ordered.fetchFile('catalogue/timestamp.json', { maxBytes: 9 })).toHaveLength(2);
    expect(await ordered.fetchFile('catalogue/9.root.json', { maxBytes: 9 })).toBeUndefined();
    const dead = inOrder('http://127.0.0.1:9').ordered;
    await expect(dead.fetchFile('catalogue/timestamp.json', { maxBytes: 9 })).rejects.toMatchObject({
      code: 'PB-SOURCE-FAILED',
    });
  });
});
