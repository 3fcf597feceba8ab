// What every chunk store must do; each implementation runs this suite.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/base/bytes.ts';
import type { Digest } from '../../src/base/digest.ts';
import type { ChunkStore } from '../../src/chunk/ports.ts';
import { digestOf } from '../../src/io/hash.ts';
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

    it('takes the word of whoever has proved the bytes for their digest, not for their length, until they are read', async () => {
      const wrong = bytes.map((byte) => byte ^ 1);
      const longer = store.put({ ...descriptor, size: bytes.length + 1 }, bytes, { proved: true });
      await expect(longer).rejects.toMatchObject({ code: 'PB-CHUNK-CORRUPT' });
      await store.put(descriptor, wrong, { proved: true });
      expect(await store.get(descriptor.digest)).toBeUndefined();
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

    /** All bytes of an opened chunk, piece by piece. */
    async function readOpened(digest: Digest): Promise<Uint8Array | undefined> {
      const opened = await store.open(digest);
      if (opened === undefined) return undefined;
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < opened.size; at += pieces.at(-1)?.length ?? 0) {
        pieces.push(Uint8Array.from(opened.read(at, opened.size - at)));
      }
      opened.close();
      return concatBytes(pieces);
    }

    it('opens what it holds for sending, the first time and again', async () => {
      expect(await store.open(descriptor.digest)).toBeUndefined();
      const large = testChunk(3, 700_001);
      await store.put(large.descriptor, large.bytes);
      for (let time = 0; time < 3; time++) {
        const bytes = (await readOpened(large.descriptor.digest)) as Uint8Array;
        expect(digestOf(bytes)).toBe(large.descriptor.digest);
      }
      const opened = await Promise.all(Array.from({ length: 20 }, () => store.open(large.descriptor.digest)));
      for (const one of opened) {
        expect(one?.read(600_000, 50)).toEqual(large.bytes.subarray(600_000, 600_050));
        expect(one?.read(700_000, 50)).toEqual(large.bytes.subarray(700_000));
        one?.close();
        one?.close();
      }
    });

    it('reads on in what was opened although it is deleted meanwhile', async () => {
      await store.put(descriptor, bytes);
      await readOpened(descriptor.digest);
      const opened = await store.open(descriptor.digest);
      await store.delete(descriptor.digest);
      expect(opened?.read(0, 1_000)).toEqual(bytes);
      opened?.close();
      expect(await store.open(descriptor.digest)).toBeUndefined();
    });

    it('opens no copy that has gone bad, however lately it was proved', async () => {
      await store.put(descriptor, bytes);
      await readOpened(descriptor.digest);
      await readOpened(descriptor.digest);
      await under.corrupt(descriptor.digest);
      expect(await readOpened(descriptor.digest)).toBeUndefined();
      expect(store.has(descriptor.digest)).toBe(false);
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
