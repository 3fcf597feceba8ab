// The chunk store on a disk that is full: a small tmpfs. Old chunks leave, else a typed error; never a crash or a torn file.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmdirSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ChunkStoreOptions, type FileChunkStore, openChunkStore } from '../../src/io/chunk-files.ts';
import { realStoreFs } from '../../src/io/chunk-files-durable.ts';
import { systemClock } from '../../src/io/clock.ts';
import { digestOf } from '../../src/io/hash.ts';
import { createContentService } from '../../src/service/content.ts';
import { type TestChunk, testChunks } from '../support/chunks.ts';
import { logbook } from '../support/logbook.ts';

const MIB = 1024 * 1024;
let disk: string;
let store: FileChunkStore | undefined;

beforeEach(() => {
  disk = mkdtempSync(join(tmpdir(), 'pb-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk]);
});
afterEach(async () => {
  await store?.close();
  store = undefined;
  execFileSync('umount', [disk]);
  rmdirSync(disk);
});

async function openHere(options: Partial<ChunkStoreOptions> = {}): Promise<FileChunkStore> {
  store = await openChunkStore({ folder: join(disk, 's'), quotaBytes: 1e9, clock: systemClock, ...options });
  return store;
}

const put = (to: FileChunkStore, chunk: TestChunk) => to.put(chunk.descriptor, chunk.bytes);
const chunks = testChunks(20, MIB);
const freeBytes = () => statfsSync(disk).bavail * statfsSync(disk).bsize;

async function expectWhole(held: FileChunkStore): Promise<void> {
  for (const { digest } of [...held.list()]) expect(await held.get(digest)).toHaveLength(MIB);
  expect(readdirSync(join(disk, 's', 'temp'))).toEqual([]);
}

describe('a full disk', () => {
  it('makes the least recently used leave, one after the other', async () => {
    const held = await openHere();
    for (const chunk of chunks) await put(held, chunk);
    expect(held.has((chunks[19] as TestChunk).descriptor.digest)).toBe(true);
    expect(held.stats().chunks).toBeGreaterThanOrEqual(5);
    expect(held.stats().lost).toBe(0);
    await expectWhole(held);
  });

  it('makes them leave when many come at once, too', async () => {
    const held = await openHere({ writers: 4 });
    const results = await Promise.allSettled(chunks.map((chunk) => put(held, chunk)));
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
    expect(refused.filter((code) => code !== 'PB-STORE-FULL')).toEqual([]);
    expect(held.stats().chunks).toBeGreaterThanOrEqual(4);
    await expectWhole(held);
  });

  it('leaves others what is to be kept free', async () => {
    const held = await openHere({ keepFreeBytes: 3 * MIB });
    for (const chunk of chunks) {
      await put(held, chunk);
      expect(freeBytes()).toBeGreaterThanOrEqual(3 * MIB);
    }
    expect(held.stats().chunks).toBeGreaterThanOrEqual(3);
  });

  it('is a typed error when everything is pinned, and what is held stays whole', async () => {
    const held = await openHere();
    for (const chunk of chunks) held.pin(chunk.descriptor.digest, 'test');
    const results = [];
    for (const chunk of chunks) results.push(await put(held, chunk).catch((error: unknown) => error));
    expect(results[0]).toBeUndefined();
    expect(results[19]).toMatchObject({ code: 'PB-STORE-FULL' });
    expect(held.stats().chunks).toBe(results.filter((result) => result === undefined).length);
    await expectWhole(held);
  });

  it('is met in the middle of a write, when another program took the room after we looked', async () => {
    let others = 0;
    const held = await openHere({
      fs: {
        ...realStoreFs,
        create(path, bytes) {
          // All but half a chunk is taken at the last moment.
          if (held.stats().chunks === 3 && others++ === 0) {
            writeFileSync(join(disk, 'others'), new Uint8Array(freeBytes() - MIB / 2));
          }
          return realStoreFs.create(path, bytes);
        },
      },
    });
    for (const chunk of chunks.slice(0, 4)) await put(held, chunk);
    expect(others).toBe(1);
    expect(chunks.slice(0, 4).map((chunk) => held.has(chunk.descriptor.digest))).toEqual([
      false,
      true,
      true,
      true,
    ]);
    await expectWhole(held);
  });

  it('is served through: fetched chunks are right although they are not kept', async () => {
    writeFileSync(join(disk, 'others'), new Uint8Array(7 * MIB));
    const held = await openHere();
    const log = logbook();
    const byDigest = new Map(chunks.map((chunk) => [chunk.descriptor.digest, chunk.bytes]));
    const origin = {
      name: 'test',
      fetch: async ({ digest }: { digest: `sha256:${string}` }) => byDigest.get(digest) as Uint8Array,
    };
    const content = createContentService({ store: held, source: origin, log });
    for (const { descriptor } of chunks) {
      expect(digestOf(await content.get(descriptor))).toBe(descriptor.digest);
    }
    await content.settled();
    expect(content.stats().unkept).toBeGreaterThan(0);
    expect(log.lines.some((line) => line.message === 'chunk fetched but not kept')).toBe(true);
    await expectWhole(held);
  });

  it('does not hurt the index: the files tell what is held', async () => {
    const held = await openHere();
    for (const chunk of chunks.slice(0, 3)) await put(held, chunk);
    writeFileSync(join(disk, 'others'), new Uint8Array(freeBytes()));
    held.pin((chunks[0] as TestChunk).descriptor.digest, 'test');
    await held.close();
    const again = await openHere();
    expect(again.stats().chunks).toBe(3);
    await expectWhole(again);
  });
});
