// The thread that hashes chunks: right digests, the same bytes back, and what becomes of them when it ends.
import { afterEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/io/hash.ts';
import { createHashThread, type HashThread } from '../../src/io/hash-thread.ts';
import { testChunk } from '../support/chunks.ts';
import { until } from '../support/until.ts';

let thread: HashThread;
afterEach(() => thread.close());

/** Its own buffer, as chunks have. */
const copyOf = (seed: number) => Uint8Array.from(testChunk(seed, 100_000).bytes);

describe('the hash thread', () => {
  it('answers each chunk with its own digest, and gives the bytes back', async () => {
    thread = createHashThread({ processors: 4 });
    const seeds = [1, 2, 3, 4, 5];
    const given = seeds.map(copyOf);
    const hashed = given.map((bytes) => thread.hash(bytes));
    expect(given.map(({ length }) => length)).toEqual([0, 0, 0, 0, 0]);
    expect(await Promise.all(hashed)).toEqual(
      seeds.map((seed) => ({ digest: testChunk(seed, 100_000).descriptor.digest, bytes: copyOf(seed) })),
    );
  });

  it('leaves bytes that are part of something larger where they are', () => {
    thread = createHashThread({ processors: 4 });
    const part = copyOf(1).subarray(1);
    expect(thread.hash(part)).toBe(digestOf(part));
    expect(part.length).toBe(99_999);
  });

  it('is none where there is one processor only', () => {
    thread = createHashThread({ processors: 2 });
    expect(thread.hash(copyOf(1))).toBe(testChunk(1, 100_000).descriptor.digest);
  });

  it('ends when nothing has come for a while, and starts again', async () => {
    thread = createHashThread({ processors: 4, idleMs: 20 });
    for (const seed of [1, 2]) {
      const hashed = await thread.hash(copyOf(seed));
      expect(hashed).toMatchObject({ digest: testChunk(seed, 100_000).descriptor.digest });
      await until(() => !thread.isRunning(), { timeoutMs: 5_000, what: 'the thread has ended' });
    }
  });

  it('rejects what it had when it is ended', async () => {
    thread = createHashThread({ processors: 4 });
    const hashed = thread.hash(copyOf(1));
    await Promise.all([thread.close(), expect(hashed).rejects.toThrow('ended')]);
  });
});
