// The HTTP source against real servers on loopback that misbehave one way after the other.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/io/hash.ts';
import { createHttpSource, type HttpSource, type HttpSourceOptions } from '../../src/io/http-source.ts';
import { chunkSourceContract } from '../contract/chunk-source.ts';
import { testChunk } from '../support/chunks.ts';
import { type Fault, type Origin, type OriginOptions, startOrigin } from '../support/origin.ts';

chunkSourceContract('the HTTP source', async (origin) => {
  const source = createHttpSource({ base: origin.base, stallMs: 800 });
  return { source, end: () => source.close() };
});

const chunk = testChunk(1, 300_000);
const { descriptor, bytes } = chunk;
let ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends) await end();
  ends = [];
});

async function setUp(
  options: Partial<HttpSourceOptions> = {},
  originOptions: OriginOptions = {},
): Promise<{ origin: Origin; source: HttpSource }> {
  const origin = await startOrigin([chunk], originOptions);
  const source = createHttpSource({ base: origin.base, stallMs: 800, ...options });
  ends.push(() => source.close(), origin.close);
  return { origin, source };
}

/** The first `count` requests go wrong in this way. */
const first = (count: number, fault: Fault) => (_path: string, number: number) =>
  number <= count ? fault : undefined;

describe('a broken transfer', () => {
  it('goes on at its byte under the same ETag, and nothing is sent twice', async () => {
    const { origin, source } = await setUp();
    origin.fault = first(1, { kind: 'break', after: 120_000 });
    expect(digestOf(await source.fetch(descriptor))).toBe(descriptor.digest);
    expect(origin.requests[1]).toMatchObject({ range: 'bytes=120000-', ifRange: '"one"' });
    expect(source.stats()).toMatchObject({
      requests: 2,
      resumed: 1,
      bytesReceived: 300_000,
      bytesWasted: 0,
      chunks: 1,
    });
  });

  it.each<[string, Fault]>([
    ['does not know Range', { kind: 'no-range' }],
    ['has another file by now', { kind: 'other-tag' }],
  ])('starts over at a server that %s', async (_why, then) => {
    const { origin, source } = await setUp();
    origin.fault = (_path, count) => (count === 1 ? { kind: 'break', after: 120_000 } : then);
    expect(digestOf(await source.fetch(descriptor))).toBe(descriptor.digest);
    expect(source.stats()).toMatchObject({
      requests: 2,
      resumed: 0,
      bytesReceived: 420_000,
      bytesWasted: 120_000,
    });
  });

  it('is given up when nothing more is gained, and after eight breaks in any case', async () => {
    const { origin, source } = await setUp();
    origin.fault = () => ({ kind: 'break', after: 0 });
    await expect(source.fetch(descriptor)).rejects.toMatchObject({ details: { reason: 'broken' } });
    expect(origin.requests).toHaveLength(2);
    origin.fault = () => ({ kind: 'break', after: 1_000 });
    await expect(source.fetch(descriptor)).rejects.toMatchObject({ details: { reason: 'broken' } });
    expect(origin.requests).toHaveLength(2 + 9);
  });

  it('refuses another range than was asked for', async () => {
    const { origin, source } = await setUp();
    origin.fault = (_path, count) =>
      ({ ...(count === 1 ? { kind: 'break', after: 9_000 } : { kind: 'other-range' }) }) as Fault;
    await expect(source.fetch(descriptor)).rejects.toMatchObject({ details: { reason: 'wrong-range' } });
  });

  it('goes on after a body without Content-Length that ended early in good order', async () => {
    const { origin, source } = await setUp();
    origin.fault = first(1, { kind: 'unannounced', after: 120_000 });
    expect(digestOf(await source.fetch(descriptor))).toBe(descriptor.digest);
    expect(origin.requests[1]?.range).toBe('bytes=120000-');
  });
});

describe("another source's part", () => {
  it('is continued, without If-Range', async () => {
    const { origin, source } = await setUp();
    const partial = { bytes: Uint8Array.from(bytes), received: 200_000 };
    expect(digestOf(await source.fetch(descriptor, { partial }))).toBe(descriptor.digest);
    expect(origin.requests).toEqual([
      expect.objectContaining({ range: 'bytes=200000-', ifRange: undefined }),
    ]);
    expect(source.stats().bytesReceived).toBe(100_000);
  });

  it('is thrown away when the whole is wrong: this source may bring it all', async () => {
    const { origin, source } = await setUp();
    const partial = { bytes: new Uint8Array(300_000), received: 200_000 };
    expect(digestOf(await source.fetch(descriptor, { partial }))).toBe(descriptor.digest);
    expect(origin.requests.map((request) => request.range)).toEqual(['bytes=200000-', undefined]);
  });

  it('is thrown away when it belongs to a chunk of another length', async () => {
    const { source } = await setUp();
    const partial = { bytes: new Uint8Array(250_000), received: 200_000 };
    expect(digestOf(await source.fetch({ digest: descriptor.digest }, { partial }))).toBe(descriptor.digest);
  });

  it('that is whole already is proved without a request, and fetched when it is wrong', async () => {
    const { origin, source } = await setUp();
    await source.fetch(descriptor, { partial: { bytes: Uint8Array.from(bytes), received: 300_000 } });
    expect(origin.requests).toEqual([]);
    await source.fetch(descriptor, { partial: { bytes: new Uint8Array(300_000), received: 300_000 } });
    expect(origin.requests).toHaveLength(1);
  });
});

describe('reasons', () => {
  it.each<[string, Fault]>([
    ['stalled', { kind: 'stall', after: -1 }],
    ['stalled', { kind: 'stall', after: 50_000 }],
    ['stalled', { kind: 'drip', everyMs: 5 }],
    ['status', { kind: 'status', status: 502 }],
    ['redirect', { kind: 'status', status: 301, headers: { location: '/elsewhere' } }],
    ['encoded', { kind: 'packed' }],
    ['wrong-length', { kind: 'resize', by: -1 }],
    ['wrong-length', { kind: 'resize', by: 1 }],
    ['missing', { kind: 'status', status: 410 }],
    ['missing', { kind: 'status', status: 403 }],
    ['corrupt', { kind: 'flip' }],
  ])('%s: %j', async (reason, fault) => {
    const { origin, source } = await setUp();
    origin.fault = () => fault;
    await expect(source.fetch(descriptor)).rejects.toMatchObject({
      details: { source: source.name, reason },
    });
    expect(source.stats().failures).toBe(1);
  });

  it('refused: nobody listens', async () => {
    const { origin, source } = await setUp();
    await origin.close();
    ends.pop();
    await expect(source.fetch(descriptor)).rejects.toMatchObject({ details: { reason: 'refused' } });
  });

  it('unreachable: the name does not exist', async () => {
    const { source } = await setUp({ base: 'http://no-such-host.invalid/tree' });
    await expect(source.fetch(descriptor)).rejects.toMatchObject({ details: { reason: 'unreachable' } });
  });

  it('keeps no credentials of the address in its name', () => {
    const source = createHttpSource({ base: 'http://someone:secret@127.0.0.1:9/tree/' });
    expect(source.name).toBe('http://127.0.0.1:9/tree');
    return source.close();
  });
});

describe('bounds', () => {
  it('reads no byte of a chunk that is announced longer than any may be', async () => {
    const { origin, source } = await setUp();
    origin.fault = () => ({ kind: 'resize', by: 80 * 1024 * 1024 });
    const refused = source.fetch({ digest: descriptor.digest });
    await expect(refused).rejects.toMatchObject({ details: { reason: 'wrong-length' } });
    expect(source.stats().bytesReceived).toBeLessThan(1024 * 1024);
  });

  it('ends a body without a length at the size that is wanted', async () => {
    const { origin, source } = await setUp();
    origin.fault = () => ({ kind: 'unannounced', after: Number.POSITIVE_INFINITY });
    const refused = source.fetch({ ...descriptor, size: 1_000 });
    await expect(refused).rejects.toMatchObject({ details: { reason: 'wrong-length' } });
  });

  it('waits longer for the head of an answer where that is asked for', async () => {
    const { origin, source } = await setUp({ firstByteMs: 400 });
    origin.fault = () => ({ kind: 'stall', after: -1 });
    await expect(source.fetch(descriptor)).rejects.toThrow('no answer for 400 ms');
  });
});

describe('files of the catalogue', () => {
  const files = {
    'catalogue/timestamp.json': new TextEncoder().encode('{"a":1}'),
    'catalogue/empty': new Uint8Array(),
  };

  it('come whole, or not at all', async () => {
    const { source } = await setUp({}, { files });
    expect(await source.fetchFile('catalogue/timestamp.json', { maxBytes: 7 })).toEqual(
      files['catalogue/timestamp.json'],
    );
    expect(await source.fetchFile('catalogue/empty', { maxBytes: 7 })).toHaveLength(0);
    expect(await source.fetchFile('catalogue/2.root.json', { maxBytes: 7 })).toBeUndefined();
  });

  it.each<[string, Fault | undefined]>([
    ['announced', undefined],
    ['unannounced', { kind: 'unannounced', after: 100 }],
  ])('are refused when longer than allowed, %s', async (_how, fault) => {
    const { origin, source } = await setUp({}, { files });
    origin.fault = () => fault;
    const refused = source.fetchFile('catalogue/timestamp.json', { maxBytes: 6 });
    await expect(refused).rejects.toMatchObject({
      code: 'PB-SOURCE-FAILED',
      details: { reason: 'wrong-length' },
    });
  });
});

describe('TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pb-tls-'));
  execFileSync(
    'openssl',
    [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-subj', '/CN=origin', '-addext', 'subjectAltName=IP:127.0.0.1'],
      ...['-keyout', join(folder, 'key'), '-out', join(folder, 'cert')],
    ],
    { stdio: 'ignore' },
  );
  const tls = {
    key: readFileSync(join(folder, 'key'), 'utf8'),
    cert: readFileSync(join(folder, 'cert'), 'utf8'),
  };
  rmSync(folder, { recursive: true });

  it('with a certificate that nobody vouches for is refused', async () => {
    const { origin, source } = await setUp({}, { tls });
    await expect(source.fetch(descriptor)).rejects.toMatchObject({ details: { reason: 'tls' } });
    expect(origin.requests).toEqual([]);
  });

  it('with a certificate that was given to be trusted works', async () => {
    const { source } = await setUp({ ca: tls.cert }, { tls });
    expect(digestOf(await source.fetch(descriptor))).toBe(descriptor.digest);
  });

  it('spoken to a server without it is refused', async () => {
    const { origin } = await setUp();
    const source = createHttpSource({ base: origin.base.replace('http:', 'https:'), stallMs: 800 });
    ends.unshift(() => source.close());
    await expect(source.fetch(descriptor)).rejects.toMatchObject({ details: { reason: 'tls' } });
  });
});
