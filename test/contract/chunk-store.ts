// What every chunk store must do; each implementation runs this suite.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChunkStore } from '../../src/chunk/ports.ts';
import { testChunk, testChunks } from '../support/chunks.ts';

export interface StoreUnderTest {
  readonly store: ChunkStore;
  /** Changes one byte of the held copy behind the store's back. */
  corrupt(digest: string): Promise<void>;
  end(): Promise<void>;
}

export function chunkStoreContract(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`${name} keeps the contract of a chunk store`, () => {
    let under: StoreUnderTest;
    let store: ChunkStore;
    beforeEach(async () => {
      under = await make();
      store = under.store;
    });
    afterEach(() => under.end());

    const { descriptor, bytes } = testChunk(1);

    it('holds nothing at first', async () => {
      expect(store.has(descriptor.digest)).toBe(false);
      expect(await store.get(descriptor.digest)).toBeUndefined();
      expect([...store.list()]).toEqual([]);
    });

    it('gives back what was put', async () => {
      await store.put(descriptor, bytes);
      expect(store.has(descriptor.digest)).toBe(true);
      expect(await store.get(descriptor.digest)).toEqual(bytes);
      expect([...store.list()]).toEqual([descriptor]);
    });

    it('refuses bytes that have another digest', async () => {
      const wrong = Uint8Array.from(bytes);
      wrong[500] = (wrong[500] as number) ^ 1;
      await expect(store.put(descriptor, wrong)).rejects.toMatchObject({ code: 'PB-CHUNK-CORRUPT' });
      expect(store.has(descriptor.digest)).toBe(false);
    });

    it('refuses bytes of another length', async () => {
      const refused = store.put({ ...descriptor, size: bytes.length + 1 }, bytes);
      await expect(refused).rejects.toMatchObject({ code: 'PB-CHUNK-CORRUPT' });
      expect(store.has(descriptor.digest)).toBe(false);
    });

    it('does not count a chunk before it is durable', async () => {
      const putting = store.put(descriptor, bytes);
      expect(store.has(descriptor.digest)).toBe(false);
      expect([...store.list()]).toEqual([]);
      await putting;
      expect(store.has(descriptor.digest)).toBe(true);
    });

    it('takes the same chunk many times, at once and again', async () => {
      await Promise.all(Array.from({ length: 8 }, () => store.put(descriptor, bytes)));
      await store.put(descriptor, bytes);
      expect([...store.list()]).toEqual([descriptor]);
      expect(await store.get(descriptor.digest)).toEqual(bytes);
    });

    it('takes an empty chunk', async () => {
      const empty = testChunk(1, 0);
      await store.put(empty.descriptor, empty.bytes);
      expect(await store.get(empty.descriptor.digest)).toEqual(empty.bytes);
    });

    it('takes many chunks at once', async () => {
      const chunks = testChunks(64);
      await Promise.all(chunks.map((chunk) => store.put(chunk.descriptor, chunk.bytes)));
      const held = await Promise.all(chunks.map((chunk) => store.get(chunk.descriptor.digest)));
      expect(held).toEqual(chunks.map((chunk) => chunk.bytes));
      const listed = new Set([...store.list()].map((chunk) => chunk.digest));
      expect(listed).toEqual(new Set(chunks.map((chunk) => chunk.descriptor.digest)));
    });

    it('forgets what is deleted, and takes it again', async () => {
      await store.put(descriptor, bytes);
      await store.delete(descriptor.digest);
      expect(store.has(descriptor.digest)).toBe(false);
      expect(await store.get(descriptor.digest)).toBeUndefined();
      await store.delete(descriptor.digest);
      await store.put(descriptor, bytes);
      expect(await store.get(descriptor.digest)).toEqual(bytes);
    });

    it('keeps a chunk that is put while it is being deleted', async () => {
      for (let round = 0; round < 20; round++) {
        await store.put(descriptor, bytes);
        const leaving = store.delete(descriptor.digest);
        await Promise.all([leaving, store.put(descriptor, bytes)]);
        expect(await store.get(descriptor.digest)).toEqual(bytes);
      }
    });

    it('never gives out a copy that has gone bad, and drops it', async () => {
      await store.put(descriptor, bytes);
      await under.corrupt(descriptor.digest);
      expect(await store.get(descriptor.digest)).toBeUndefined();
      expect(store.has(descriptor.digest)).toBe(false);
      await store.put(descriptor, bytes);
      expect(await store.get(descriptor.digest)).toEqual(bytes);
    });
  });
}
