// What every chunk source must do; each implementation runs this suite, with a real origin behind it.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChunkSource } from '../../src/chunk/ports.ts';
import { digestOf } from '../../src/io/hash.ts';
import { testChunk, testChunks } from '../support/chunks.ts';
import { type Origin, startOrigin } from '../support/origin.ts';

export interface SourceUnderTest {
  readonly source: ChunkSource;
  end(): Promise<void>;
}

/** `make` builds the source on this origin; a stall is to be noticed after 800 ms. */
export function chunkSourceContract(name: string, make: (origin: Origin) => Promise<SourceUnderTest>): void {
  describe(`${name} keeps the contract of a chunk source`, () => {
    const chunk = testChunk(1, 300_000);
    const { descriptor } = chunk;
    const others = testChunks(12, 50_000, 100);
    const empty = testChunk(1, 0);
    let origin: Origin;
    let under: SourceUnderTest;
    let source: ChunkSource;
    beforeEach(async () => {
      origin = await startOrigin([chunk, empty, ...others]);
      under = await make(origin);
      source = under.source;
    });
    afterEach(async () => {
      await under.end();
      await origin.close();
    });

    it('has a name', () => {
      expect(source.name).not.toBe('');
    });

    it('brings the bytes that the digest names', async () => {
      expect(digestOf(await source.fetch(descriptor))).toBe(descriptor.digest);
    });

    it('brings them when only the digest is known', async () => {
      expect(digestOf(await source.fetch({ digest: descriptor.digest }))).toBe(descriptor.digest);
    });

    it('brings an empty chunk', async () => {
      expect(await source.fetch(empty.descriptor)).toHaveLength(0);
    });

    it('brings many at once', async () => {
      const all = await Promise.all(others.map((other) => source.fetch(other.descriptor)));
      expect(all.map(digestOf)).toEqual(others.map((other) => other.descriptor.digest));
    });

    it('says when it does not have it', async () => {
      const absent = testChunk(2).descriptor;
      await expect(source.fetch(absent)).rejects.toMatchObject({ code: 'PB-CHUNK-MISSING' });
    });

    it('never hands on wrong bytes', async () => {
      origin.fault = () => ({ kind: 'flip' });
      await expect(source.fetch(descriptor)).rejects.toMatchObject({ code: 'PB-CHUNK-CORRUPT' });
    });

    it('refuses another length than is wanted', async () => {
      const refused = source.fetch({ ...descriptor, size: descriptor.size - 1 });
      await expect(refused).rejects.toMatchObject({ code: 'PB-CHUNK-CORRUPT' });
    });

    it.each([
      { kind: 'status', status: 500 },
      { kind: 'status', status: 503 },
      { kind: 'status', status: 302, headers: { location: 'http://127.0.0.1:1/' } },
      { kind: 'stall', after: -1 },
      { kind: 'stall', after: 100_000 },
      { kind: 'break', after: 0 },
      { kind: 'packed' },
    ] as const)('fails with a code on %j', async (fault) => {
      origin.fault = () => fault;
      await expect(source.fetch(descriptor)).rejects.toMatchObject({ code: 'PB-SOURCE-FAILED' });
    });

    it('goes on when a transfer breaks', async () => {
      origin.fault = (_path, count) => (count <= 2 ? { kind: 'break', after: 100_000 } : undefined);
      expect(digestOf(await source.fetch(descriptor))).toBe(descriptor.digest);
      expect(origin.requests.map((request) => request.range)).toEqual([
        undefined,
        expect.stringMatching(/^bytes=\d+-$/),
        expect.stringMatching(/^bytes=\d+-$/),
      ]);
      expect(origin.sentBytes).toBe(descriptor.size);
    });

    it('works again after failures', async () => {
      origin.fault = (_path, count) => (count === 1 ? { kind: 'status', status: 500 } : undefined);
      await expect(source.fetch(descriptor)).rejects.toMatchObject({ code: 'PB-SOURCE-FAILED' });
      expect(digestOf(await source.fetch(descriptor))).toBe(descriptor.digest);
    });

    it("ends with the signal's reason, before and in the middle", async () => {
      const reason = new Error('changed my mind');
      await expect(source.fetch(descriptor, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      expect(origin.requests).toEqual([]);
      origin.fault = () => {
        setImmediate(() => controller.abort(reason));
        return { kind: 'stall', after: 1_000 };
      };
      const controller = new AbortController();
      await expect(source.fetch(descriptor, { signal: controller.signal })).rejects.toBe(reason);
    });
  });
}
