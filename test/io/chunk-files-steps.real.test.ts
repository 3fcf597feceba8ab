// The durable steps of a put on a real disk: their order, what they share, and what is left when one of them fails.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ChunkStoreOptions, type FileChunkStore, openChunkStore } from '../../src/io/chunk-files.ts';
import { realStoreFs, type StoreFs } from '../../src/io/chunk-files-durable.ts';
import { systemClock } from '../../src/io/clock.ts';
import { type TestChunk, testChunk, testChunks } from '../support/chunks.ts';

let folder: string;
let stores: FileChunkStore[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pb-steps-'));
  stores = [];
});
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()));
  rmSync(folder, { recursive: true });
});

async function openHere(options: Partial<ChunkStoreOptions>): Promise<FileChunkStore> {
  const store = await openChunkStore({ folder, quotaBytes: 1e9, clock: systemClock, ...options });
  stores.push(store);
  return store;
}

const fileOf = (digest: string) => join(folder, 'chunks', digest.slice('sha256:'.length));
const put = (store: FileChunkStore, chunk: TestChunk) => store.put(chunk.descriptor, chunk.bytes);

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
      expect(store.has(chunk.descriptor.digest)).toBe(false);
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
