// The chunk store on a real disk: its contract, its folder after mishaps, quota and pins, order of the durable steps.
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
import { realStoreFs, type StoreFs } from '../../src/io/chunk-files-durable.ts';
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

describe('durable steps', () => {
  interface Step {
    readonly what: string;
    readonly path: string;
  }

  /** The real file system, every finished step written down, and those that `fail` names failing. */
  function traced(fail: (step: Step) => Error | undefined = () => undefined): { fs: StoreFs; steps: Step[] } {
    const steps: Step[] = [];
    const paths = new WeakMap<object, string>();
    async function step<T>(what: string, path: string, act: () => Promise<T>): Promise<T> {
      const error = fail({ what, path });
      if (error !== undefined) throw error;
      const value = await act();
      steps.push({ what, path });
      return value;
    }
    const fs: StoreFs = {
      async create(path, bytes) {
        const file = await step('write', path, () => realStoreFs.create(path, bytes));
        paths.set(file, path);
        return file;
      },
      sync: (file) => step('sync', paths.get(file) ?? '', () => realStoreFs.sync(file)),
      close: (file) => realStoreFs.close(file),
      rename: (from, to) => step('rename', to, () => realStoreFs.rename(from, to)),
      syncFolder(path) {
        steps.push({ what: 'begin to sync folder', path });
        return step('sync folder', path, () => realStoreFs.syncFolder(path));
      },
      remove: (path) => step('remove', path, () => realStoreFs.remove(path)),
    };
    return { fs, steps };
  }

  it('come in this order, all of them before the put is acknowledged', async () => {
    const { fs, steps } = traced();
    const store = await openHere({ fs });
    const { descriptor, bytes } = testChunk(1);
    steps.length = 0;
    await store.put(descriptor, bytes).then(() => steps.push({ what: 'acknowledged', path: '' }));
    const final = fileOf(descriptor.digest);
    const temp = join(folder, 'temp', '1.part');
    expect(steps).toEqual([
      { what: 'write', path: temp },
      { what: 'sync', path: temp },
      { what: 'rename', path: final },
      { what: 'begin to sync folder', path: join(final, '..') },
      { what: 'sync folder', path: join(final, '..') },
      { what: 'acknowledged', path: '' },
    ]);
  });

  it('make the folders themselves durable before the first put', async () => {
    const { fs, steps } = traced();
    await openHere({ fs });
    const synced = steps.filter((step) => step.what === 'sync folder');
    expect(synced.map((step) => step.path)).toEqual([folder]);
  });

  it('share folder syncs between puts at once, each put behind a sync that began after its rename', async () => {
    const { fs, steps } = traced();
    const store = await openHere({ fs });
    const many = testChunks(24, 100);
    steps.length = 0;
    const acknowledged = many.map((chunk) =>
      put(store, chunk).then(() =>
        steps.push({ what: 'acknowledged', path: fileOf(chunk.descriptor.digest) }),
      ),
    );
    await Promise.all(acknowledged);
    const syncs = steps.filter((step) => step.what === 'sync folder').length;
    expect(syncs).toBeLessThan(many.length);
    for (const chunk of many) {
      const path = fileOf(chunk.descriptor.digest);
      const renamed = steps.findIndex((step) => step.what === 'rename' && step.path === path);
      const done = steps.findIndex((step) => step.what === 'acknowledged' && step.path === path);
      const between = steps.slice(renamed, done).map((step) => step.what);
      const begun = between.indexOf('begin to sync folder');
      expect(begun).toBeGreaterThan(0);
      expect(between.indexOf('sync folder', begun)).toBeGreaterThan(begun);
    }
  });

  const eio = () => Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
  it.each(['write', 'sync', 'rename', 'sync folder'])(
    'leave nothing behind when %s fails, and nothing is tried twice',
    async (broken) => {
      let failures = 0;
      let armed = false;
      const { fs } = traced((step) => {
        if (!armed || step.what !== broken) return undefined;
        failures++;
        return eio();
      });
      const store = await openHere({ fs });
      const chunk = testChunk(1);
      armed = true;
      await expect(put(store, chunk)).rejects.toMatchObject({ code: 'PB-STORE-FAILED' });
      expect(failures).toBe(1);
      expect(held(store, [chunk])).toEqual([false]);
      expect(readdirSync(join(folder, 'temp'))).toEqual([]);
      expect(readdirSync(join(fileOf(chunk.descriptor.digest), '..'))).toEqual([]);
      armed = false;
      await put(store, chunk);
      expect(await store.get(chunk.descriptor.digest)).toEqual(chunk.bytes);
    },
  );

  it('wait for an earlier copy to be gone: its unlink must not take the new file', async () => {
    const gone = Promise.withResolvers<void>();
    const { fs, steps } = traced();
    const remove = (path: string) => gone.promise.then(() => fs.remove(path));
    const store = await openHere({ fs: { ...fs, remove } });
    const chunk = testChunk(1);
    await put(store, chunk);
    const leaving = store.delete(chunk.descriptor.digest);
    steps.length = 0;
    const coming = put(store, chunk);
    // Others, begun later, come through meanwhile.
    await put(store, testChunk(2));
    expect(steps.filter((step) => step.path === fileOf(chunk.descriptor.digest))).toEqual([]);
    gone.resolve();
    await Promise.all([leaving, coming]);
    expect(await store.get(chunk.descriptor.digest)).toEqual(chunk.bytes);
  });

  it('fail for all puts of a folder whose sync failed', async () => {
    let armed = false;
    const { fs } = traced((step) => (armed && step.what === 'sync folder' ? eio() : undefined));
    const store = await openHere({ fs });
    armed = true;
    const chunks = testChunks(10);
    const results = await Promise.allSettled(chunks.map((chunk) => put(store, chunk)));
    expect(results.map((result) => result.status)).toEqual(chunks.map(() => 'rejected'));
    expect(store.stats()).toMatchObject({ chunks: 0, bytes: 0 });
  });
});
