// The content service on a real store and a real origin: held first, one fetch for all who ask, kept, counted.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import type { Wanted } from '../../src/chunk/ports.ts';
import { type FileChunkStore, openChunkStore } from '../../src/io/chunk-files.ts';
import { systemClock } from '../../src/io/clock.ts';
import { digestOf } from '../../src/io/hash.ts';
import { createHttpSource, type HttpSource } from '../../src/io/http-source.ts';
import { type ContentService, createContentService } from '../../src/service/content.ts';
import { chunkSourceContract } from '../contract/chunk-source.ts';
import { testChunk } from '../support/chunks.ts';
import { type Origin, startOrigin } from '../support/origin.ts';

interface Parts {
  readonly content: ContentService;
  readonly store: FileChunkStore;
  readonly origin: HttpSource;
  readonly folder: string;
  end(): Promise<void>;
}

async function build(base: string): Promise<Parts> {
  const folder = mkdtempSync(join(tmpdir(), 'pb-content-'));
  const store = await openChunkStore({ folder, quotaBytes: 1e9, clock: systemClock });
  const origin = createHttpSource({ base, stallMs: 800 });
  return {
    content: createContentService({ store, source: origin, log: silentLog }),
    store,
    origin,
    folder,
    async end() {
      await origin.close();
      await store.close();
      rmSync(folder, { recursive: true });
    },
  };
}

chunkSourceContract('the content service', async (origin) => {
  const { content, end } = await build(origin.base);
  return { source: content, end };
});

describe('the content service', () => {
  const chunk = testChunk(1, 300_000);
  const { descriptor } = chunk;
  let cdn: Origin;
  let parts: Parts;
  beforeEach(async () => {
    cdn = await startOrigin([chunk]);
    parts = await build(cdn.base);
  });
  afterEach(async () => {
    await parts.end();
    await cdn.close();
  });

  it('fetches once, keeps, and serves from the disk from then on', async () => {
    const { content, store, origin } = parts;
    for (let time = 0; time < 3; time++) {
      expect(digestOf(await content.get(descriptor))).toBe(descriptor.digest);
      await content.settled();
    }
    expect(cdn.requests).toHaveLength(1);
    expect(store.has(descriptor.digest)).toBe(true);
    expect(content.stats()).toMatchObject({
      misses: 1,
      missBytes: descriptor.size,
      hits: 2,
      hitBytes: 2 * descriptor.size,
    });
    expect(origin.stats()).toMatchObject({ bytesReceived: descriptor.size });
  });

  it('opens for sending what it holds, and what it first has to fetch', async () => {
    const { content } = parts;
    for (let time = 0; time < 3; time++) {
      const opened = await content.open({ digest: descriptor.digest });
      expect(opened.size).toBe(descriptor.size);
      expect(opened.read(1_000, 10)).toEqual(chunk.bytes.subarray(1_000, 1_010));
      opened.close();
      await content.settled();
    }
    expect(cdn.requests).toHaveLength(1);
    expect(content.stats()).toMatchObject({ misses: 1, hits: 2 });
  });

  it('makes one fetch of many requests for one digest', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => parts.content.get(descriptor)));
    expect(new Set(all.map(digestOf))).toEqual(new Set([descriptor.digest]));
    expect(cdn.requests).toHaveLength(1);
    expect(parts.content.stats()).toMatchObject({ misses: 1, joined: 19 });
  });

  it('hands on what is verified before it is durable, also to those who come meanwhile', async () => {
    const written = Promise.withResolvers<void>();
    const slowStore = { ...parts.store, put: () => written.promise };
    const content = createContentService({ store: slowStore, source: parts.origin, log: silentLog });
    for (let time = 0; time < 3; time++)
      expect(digestOf(await content.get(descriptor))).toBe(descriptor.digest);
    expect(cdn.requests).toHaveLength(1);
    expect(content.stats()).toMatchObject({ misses: 1, joined: 2 });
    written.resolve();
    await content.settled();
  });

  it('waits for the disk when too much is waiting for it', async () => {
    const large = testChunk(2, 17 * 1024 * 1024);
    const larger = testChunk(3, 17 * 1024 * 1024);
    const source = {
      name: 'both',
      fetch: async ({ digest }: Wanted) => (digest === large.descriptor.digest ? large : larger).bytes,
    };
    const written = Promise.withResolvers<void>();
    const slowStore = { ...parts.store, put: () => written.promise };
    const content = createContentService({ store: slowStore, source, log: silentLog });
    await content.get(large.descriptor);
    let answered = false;
    const second = content.get(larger.descriptor).then(() => {
      answered = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(content.stats().misses).toBe(2);
    expect(answered).toBe(false);
    written.resolve();
    await second;
  });

  it('lets one who gives up leave without ending the fetch for the others', async () => {
    const controller = new AbortController();
    const leaving = parts.content.fetch(descriptor, { signal: controller.signal });
    const staying = parts.content.fetch(descriptor);
    controller.abort(new Error('gone'));
    await expect(leaving).rejects.toThrow('gone');
    expect(digestOf(await staying)).toBe(descriptor.digest);
    expect(cdn.requests).toHaveLength(1);
  });

  it('fetches again what has gone bad on the disk', async () => {
    const { content, folder, store } = parts;
    await content.get(descriptor);
    await content.settled();
    const hex = descriptor.digest.slice(7);
    const path = join(folder, 'chunks', hex);
    const bytes = readFileSync(path);
    bytes[7] = (bytes[7] as number) ^ 1;
    writeFileSync(path, bytes);
    expect(digestOf(await content.get(descriptor))).toBe(descriptor.digest);
    await content.settled();
    expect(cdn.requests).toHaveLength(2);
    expect(store.stats().lost).toBe(1);
    expect(digestOf(readFileSync(path))).toBe(descriptor.digest);
  });

  it('does not remember a failure: the next request tries again', async () => {
    cdn.fault = (_path, count) => (count === 1 ? { kind: 'status', status: 500 } : undefined);
    await expect(parts.content.get(descriptor)).rejects.toMatchObject({ code: 'PB-SOURCE-FAILED' });
    expect(parts.content.stats()).toMatchObject({ failures: 1 });
    expect(digestOf(await parts.content.get(descriptor))).toBe(descriptor.digest);
  });

  it('keeps what came along a line, writes it once, and serves it before it is durable', async () => {
    const other = testChunk(9, 50_000);
    const { digest } = other.descriptor;
    const first = parts.content.keep(digest, other.bytes);
    expect(parts.content.keep(digest, other.bytes)).toBe(first);
    const chunk = await parts.content.held(digest);
    expect(chunk?.read(0, 50_000)).toEqual(other.bytes);
    await first;
    expect(parts.store.stats().puts).toBe(1);
    expect(cdn.requests).toHaveLength(0);
  });

  it('tells whoever brings a chunk that it could not be kept', async () => {
    const full = { ...parts.store, put: () => Promise.reject(new Error('the disk is full')) };
    const content = createContentService({ store: full, source: parts.origin, log: silentLog });
    await expect(content.keep(descriptor.digest, chunk.bytes)).rejects.toThrow('the disk is full');
    expect(content.stats().unkept).toBe(1);
  });
});
