// The chunk store on a real disk: its contract, its folder after mishaps, proofs, quota and pins.
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ChunkStoreOptions, type FileChunkStore, openChunkStore } from '../../src/io/chunk-files.ts';
import { openProved, prove } from '../../src/io/chunk-files-open.ts';
import { systemClock } from '../../src/io/clock.ts';
import { chunkStoreContract } from '../contract/chunk-store.ts';
import { type TestChunk, testChunk, testChunks } from '../support/chunks.ts';
import { logbook } from '../support/logbook.ts';

let folder: string;
let stores: FileChunkStore[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pb-store-'));
  stores = [];
});
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()));
  rmSync(folder, { recursive: true });
});

async function openHere(options: Partial<ChunkStoreOptions> = {}): Promise<FileChunkStore> {
  const store = await openChunkStore({ folder, quotaBytes: 1e9, clock: systemClock, ...options });
  stores.push(store);
  return store;
}

function fileOf(digest: string, under = folder): string {
  const hex = digest.slice('sha256:'.length);
  return join(under, 'chunks', hex);
}

function flipByte(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 0x40;
  writeFileSync(path, bytes);
}

const put = (store: FileChunkStore, chunk: TestChunk) => store.put(chunk.descriptor, chunk.bytes);
const held = (store: FileChunkStore, chunks: readonly TestChunk[]) =>
  chunks.map((chunk) => store.has(chunk.descriptor.digest));

chunkStoreContract('the file store', async () => {
  const own = mkdtempSync(join(tmpdir(), 'pb-store-'));
  const store = await openChunkStore({ folder: own, quotaBytes: 1e9, clock: systemClock });
  return {
    store,
    corrupt: async (digest) => flipByte(fileOf(digest, own)),
    async end() {
      await store.close();
      rmSync(own, { recursive: true });
    },
  };
});

describe('the folder', () => {
  const chunks = testChunks(5);

  it('is found again as it was left', async () => {
    const first = await openHere();
    for (const chunk of chunks) await put(first, chunk);
    await first.close();
    const second = await openHere();
    expect([...second.list()]).toEqual(chunks.map((chunk) => chunk.descriptor));
    expect(second.stats()).toMatchObject({ chunks: 5, bytes: 5_000 });
  });

  it.each([
    ['is gone', (path: string) => rmSync(path)],
    [
      'is no database',
      (path: string) => writeFileSync(path, 'not a database, and long enough to be read as one'),
    ],
    ['is cut off', (path: string) => truncateSync(path, 5_000)],
    [
      'is damaged inside',
      (path: string) => {
        const bytes = readFileSync(path);
        bytes.fill(0xff, 4_096, 8_192);
        writeFileSync(path, bytes);
      },
    ],
  ])('gives a new index when the old one %s', async (_how, damage) => {
    const first = await openHere();
    for (const chunk of chunks) await put(first, chunk);
    await first.close();
    damage(join(folder, 'index.sqlite'));
    const second = await openHere();
    expect(second.stats()).toMatchObject({ chunks: 5, bytes: 5_000 });
    for (const chunk of chunks) expect(await second.get(chunk.descriptor.digest)).toEqual(chunk.bytes);
  });

  it('is brought together with the index: files come in, rows without a file go, temp files and strangers do not count', async () => {
    const first = await openHere();
    for (const chunk of chunks) await put(first, chunk);
    await first.close();
    const [gone, ...kept] = chunks as [TestChunk, ...TestChunk[]];
    const found = testChunk(99, 2_000);
    rmSync(fileOf(gone.descriptor.digest));
    writeFileSync(fileOf(found.descriptor.digest), found.bytes);
    writeFileSync(join(folder, 'temp', '1.part'), 'half a chu');
    writeFileSync(join(folder, 'chunks', 'README'), 'a stranger');
    const second = await openHere();
    expect(new Set([...second.list()])).toEqual(
      new Set([...kept.map((chunk) => chunk.descriptor), found.descriptor]),
    );
    expect(second.stats().bytes).toBe(6_000);
    expect(readdirSync(join(folder, 'temp'))).toEqual([]);
    await second.close();
    // Once: from then on the index knows.
    const log = logbook();
    await openHere({ log });
    expect(log.lines).toEqual([]);
  });

  it('without an index is ordered by when its files were written', async () => {
    const first = await openHere();
    for (const chunk of chunks) await put(first, chunk);
    await first.close();
    rmSync(join(folder, 'index.sqlite'));
    for (const [i, seconds] of [30, 10, 50, 20, 40].entries()) {
      utimesSync(fileOf((chunks[i] as TestChunk).descriptor.digest), seconds, seconds);
    }
    const second = await openHere({ quotaBytes: 3_000 });
    await put(second, testChunk(77));
    expect(held(second, chunks)).toEqual([false, false, true, false, true]);
  });

  it('proves a file that came in by itself before giving it out', async () => {
    const log = logbook();
    const { descriptor, bytes } = testChunk(7);
    await (await openHere()).close();
    writeFileSync(fileOf(descriptor.digest), bytes.subarray(0, 700));
    const store = await openHere({ log });
    expect(await store.get(descriptor.digest)).toBeUndefined();
    expect(store.stats()).toMatchObject({ chunks: 0, bytes: 0, lost: 1 });
    expect(log.lines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        fields: expect.objectContaining({ code: 'PB-CHUNK-CORRUPT' }),
      }),
    );
  });

  it('is written by one process at a time', async () => {
    const first = await openHere();
    await expect(openHere()).rejects.toMatchObject({ code: 'PB-STORE-LOCKED' });
    await first.close();
    await openHere();
  });

  it('does not stay locked by rubbish in the lock file', async () => {
    await (await openHere()).close();
    writeFileSync(join(folder, 'lock'), 'x'.repeat(4_096));
    await openHere();
  });
});

describe('a proof', () => {
  it('lasts five minutes, for the very file that was read', async () => {
    const { descriptor, bytes } = testChunk(1, 600_000);
    const path = join(folder, 'chunk');
    writeFileSync(path, bytes);
    utimesSync(path, 1_000, 1_000);
    const proof = await prove(path, descriptor, 1_000);
    const holds = (now: number) => {
      const opened = openProved(path, descriptor.size, proof, now, () => {});
      opened?.close();
      return opened !== undefined;
    };
    expect([holds(1_000), holds(301_000), holds(301_001)]).toEqual([true, true, false]);
    flipByte(path);
    // Whoever sets the mtime back cannot set back the ctime.
    utimesSync(path, 1_000, 1_000);
    expect(holds(1_000)).toBe(false);
    expect(await prove(path, descriptor, 1_000)).toBeUndefined();
    writeFileSync(path, bytes.subarray(1));
    expect(await prove(path, descriptor, 1_000)).toBeUndefined();
    rmSync(path);
    expect(holds(1_000)).toBe(false);
  });

  it('is made once for all who ask at a time', async () => {
    const store = await openHere();
    const chunk = testChunk(1, 600_000);
    await put(store, chunk);
    const opened = await Promise.all(Array.from({ length: 10 }, () => store.open(chunk.descriptor.digest)));
    for (const one of opened) {
      expect(one?.size).toBe(600_000);
      one?.close();
    }
  });
});

describe('quota', () => {
  const chunks = testChunks(6);

  it('is kept by letting the least recently used go', async () => {
    const store = await openHere({ quotaBytes: 4_500 });
    for (const chunk of chunks.slice(0, 4)) await put(store, chunk);
    await store.get((chunks[0] as TestChunk).descriptor.digest);
    await put(store, chunks[4] as TestChunk);
    await put(store, chunks[5] as TestChunk);
    expect(held(store, chunks)).toEqual([true, false, false, true, true, true]);
    expect(store.stats()).toMatchObject({ bytes: 4_000, evicted: 2, evictedBytes: 2_000 });
    expect(() => readFileSync(fileOf((chunks[1] as TestChunk).descriptor.digest))).toThrow('ENOENT');
  });

  it('remembers the order of use over a restart', async () => {
    let wallMs = 1_000_000;
    const clock = { nowMs: () => wallMs, wallMs: () => wallMs };
    const first = await openHere({ clock });
    for (const chunk of chunks) await put(first, chunk);
    wallMs += 3_600_000;
    for (const index of [3, 1]) await first.get((chunks[index] as TestChunk).descriptor.digest);
    await first.close();
    const second = await openHere({ clock, quotaBytes: 3_000 });
    await put(second, testChunk(77));
    expect(held(second, chunks)).toEqual([false, true, false, true, false, false]);
  });

  it('never takes a pinned chunk, whichever came first, and says when nothing else is left', async () => {
    const store = await openHere({ quotaBytes: 3_000 });
    const [a, b, c, d] = chunks as [TestChunk, TestChunk, TestChunk, TestChunk];
    store.pin(a.descriptor.digest, 'image one');
    store.pin(a.descriptor.digest, 'image two');
    for (const chunk of [a, b, c, d]) await put(store, chunk);
    expect(held(store, [a, b, c, d])).toEqual([true, false, true, true]);
    store.pin(c.descriptor.digest, 'image one');
    store.pin(d.descriptor.digest, 'image one');
    await expect(put(store, b)).rejects.toMatchObject({ code: 'PB-STORE-FULL' });
    expect(held(store, [a, b, c, d])).toEqual([true, false, true, true]);
    store.unpin(a.descriptor.digest, 'image one');
    await expect(put(store, b)).rejects.toMatchObject({ code: 'PB-STORE-FULL' });
    store.unpin(a.descriptor.digest, 'image two');
    await put(store, b);
    expect(held(store, [a, b, c, d])).toEqual([false, true, true, true]);
  });

  it('refuses what is larger than all of it, and gives up nothing for that', async () => {
    const store = await openHere({ quotaBytes: 3_000 });
    for (const chunk of chunks.slice(0, 3)) await put(store, chunk);
    await expect(put(store, testChunk(50, 3_001))).rejects.toMatchObject({ code: 'PB-STORE-FULL' });
    expect(store.stats().chunks).toBe(3);
  });

  it('holds with many at once: they wait for each other instead of failing', async () => {
    const store = await openHere({ quotaBytes: 4_500, writers: 8 });
    const many = testChunks(40, 1_000, 100);
    await Promise.all(many.map((chunk) => put(store, chunk)));
    expect(store.stats()).toMatchObject({ chunks: 4, bytes: 4_000, puts: 40, evicted: 36 });
  });
});
