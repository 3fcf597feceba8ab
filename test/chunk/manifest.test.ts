// The manifest and its tables: round trips, and any bytes at all give a value or a WireError.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equalBytes, fromText } from '../../src/base/bytes.ts';
import { WireError } from '../../src/base/errors.ts';
import { randomInt, seededRandom } from '../../src/base/random.ts';
import {
  checkTables,
  encodeManifest,
  encodeSliceTable,
  type Manifest,
  parseChunkTable,
  parseManifest,
  parseSliceTable,
  parseTables,
  SliceTable,
  SliceTableWriter,
} from '../../src/chunk/manifest.ts';
import { unzstd } from '../../src/io/zstd.ts';
import { diskBytes, type TestImage, testImage } from '../support/image.ts';

const image: TestImage = await testImage(diskBytes(3_000_000));

function storedOf(digest: string): Uint8Array {
  const hex = digest.slice('sha256:'.length);
  const bytes = image.stored.get(`chunks/${hex.slice(0, 2)}/${hex}`);
  if (bytes === undefined) throw new Error(`nothing stored as ${digest}`);
  return bytes;
}

const sliceBytes = await unzstd(
  storedOf(image.manifest.sliceTable.digest),
  image.manifest.sliceTable.plainBytes,
);
const chunkBytes = await unzstd(
  storedOf(image.manifest.chunkTable.digest),
  image.manifest.chunkTable.plainBytes,
);

function value<T>(result: T | WireError): T {
  if (result instanceof WireError) throw result;
  return result;
}

describe('manifest', () => {
  it('is canonical JSON and comes back as it was', () => {
    const text = new TextDecoder().decode(image.manifestBytes);
    expect(text.startsWith('{"chunkTable":{"digest":"sha256:')).toBe(true);
    expect(text).not.toMatch(/\s/);
    expect(parseManifest(image.manifestBytes)).toEqual(image.manifest);
    expect(encodeManifest(value(parseManifest(image.manifestBytes)))).toEqual(image.manifestBytes);
  });

  const altered = (change: Record<string, unknown>) =>
    parseManifest(encodeManifest({ ...image.manifest, ...change } as Manifest));

  it.each([
    ['an unknown key', { more: 1 }],
    ['another format', { format: 'peerboot.manifest/2' }],
    ['a name with a slash', { name: '../etc' }],
    ['a name in capitals', { name: 'Till' }],
    ['an empty version', { version: '' }],
    ['a length that is not whole sectors', { imageBytes: 1000 }],
    ['a negative length', { imageBytes: -512 }],
    ['a length beyond counting', { imageBytes: 2 ** 60 }],
    ['a table whose rows do not fit its bytes', { sliceTable: { ...image.manifest.sliceTable, rows: 1 } }],
    ['a table without a digest', { chunkTable: { ...image.manifest.chunkTable, digest: 'sha256:00' } }],
    ['a missing table', { chunkTable: undefined }],
  ])('refuses %s', (_what, change) => {
    expect(altered(change)).toBeInstanceOf(WireError);
  });

  it('refuses more bytes than any manifest has, unread', () => {
    const wrong = parseManifest(new Uint8Array(70_000));
    expect(wrong).toBeInstanceOf(WireError);
    expect((wrong as WireError).message).toBe('manifest of 70000 bytes');
  });

  it('refuses another spelling of the same manifest', () => {
    const spaced = JSON.stringify(JSON.parse(new TextDecoder().decode(image.manifestBytes)), null, 1);
    expect(parseManifest(fromText(spaced))).toBeInstanceOf(WireError);
    const nested = { ...image.manifest, sliceTable: { ...image.manifest.sliceTable, more: 1 } };
    expect(parseManifest(encodeManifest(nested))).toBeInstanceOf(WireError);
  });

  it('any bytes give a value or a WireError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.json().map(fromText)), (bytes) => {
        expect(parseManifest(bytes)).toBeInstanceOf(WireError);
      }),
    );
  });

  it('no mutated manifest passes under the same bytes twice', () => {
    const random = seededRandom(7);
    for (let round = 0; round < 20_000; round++) {
      const bytes = image.manifestBytes.slice();
      bytes[randomInt(random, bytes.length)] = randomInt(random, 256);
      const parsed = parseManifest(bytes);
      if (!(parsed instanceof WireError)) expect(equalBytes(encodeManifest(parsed), bytes)).toBe(true);
    }
  });
});

describe('slice table', () => {
  it('round-trips rows, and offsets follow from lengths', () => {
    const table = value(parseSliceTable(sliceBytes, image.manifest));
    expect(encodeSliceTable(table)).toEqual(sliceBytes);
    expect(table.imageBytes).toBe(image.plain.length);
    let offset = 0;
    for (const row of table) {
      expect(row.offset).toBe(offset);
      offset += row.length;
    }
  });

  it('lists the rows of each chunk, repeated slices too', () => {
    const writer = new SliceTableWriter();
    const digest = new Uint8Array(32).fill(1);
    writer.data(16, digest, 1, 0);
    writer.zero(2 ** 31 + 512);
    writer.data(16, digest, 0, 0);
    writer.data(16, digest, 1, 0);
    const manifest = {
      ...image.manifest,
      imageBytes: 48 + 2 ** 31 + 512,
      sliceTable: { ...image.manifest.sliceTable, plainBytes: writer.rows * 44 },
    };
    const table = value(parseSliceTable(writer.bytes(), manifest));
    expect(table.rows).toBe(5);
    const index = table.byChunk(3);
    expect([0, 1, 2].map((chunk) => [...index.rowsOf(chunk)])).toEqual([[3], [0, 4], []]);
  });

  it('is of the same image when it cuts alike, wherever the slices are stored', () => {
    const made = (rows: readonly (readonly [length: number, digest: number | 'zero', chunk: number])[]) => {
      const writer = new SliceTableWriter();
      for (const [length, digest, chunk] of rows) {
        if (digest === 'zero') writer.zero(length);
        else writer.data(length, new Uint8Array(32).fill(digest), chunk, 0);
      }
      return new SliceTable(writer.bytes());
    };
    const one = made([
      [512, 1, 0],
      [512, 'zero', 0],
    ]);
    const same = (...rows: Parameters<typeof made>[0]) => one.isSameImage(made(rows));
    expect(same([512, 1, 7], [512, 'zero', 0])).toBe(true);
    expect(same([512, 1, 0])).toBe(false);
    expect(same([1024, 1, 0], [512, 'zero', 0])).toBe(false);
    expect(same([512, 2, 0], [512, 'zero', 0])).toBe(false);
    expect(same([512, 1, 0], [512, 1, 0])).toBe(false);
  });

  it('parses half a million rows fast and lean', () => {
    const writer = new SliceTableWriter();
    const digest = new Uint8Array(32).fill(9);
    for (let row = 0; row < 500_000; row++) writer.data(65_536, digest, row >> 6, (row & 63) << 16);
    const bytes = writer.bytes();
    const manifest = {
      ...image.manifest,
      imageBytes: 500_000 * 65_536,
      sliceTable: { ...image.manifest.sliceTable, plainBytes: bytes.length, rows: 500_000 },
      chunkTable: { ...image.manifest.chunkTable, rows: 8000 },
    };
    const started = performance.now();
    const table = value(parseSliceTable(bytes, manifest));
    const index = table.byChunk(8000);
    // About 15 ms on an idle core; the bound only tells an algorithm that went quadratic.
    expect(performance.now() - started).toBeLessThan(2000);
    expect(index.rowsOf(7).length).toBe(64);
  });
});

describe('both tables', () => {
  it('pass as published', () => {
    const slices = value(parseSliceTable(sliceBytes, image.manifest));
    const chunks = value(parseChunkTable(chunkBytes, image.manifest));
    expect(checkTables(slices, chunks)).toBeUndefined();
    expect([...chunks]).toEqual([...image.chunks]);
    expect(chunks.every((row) => row.size > 0)).toBe(true);
    expect(chunks.every((row) => row.digest !== chunks.digest(1))).toBe(false);
  });

  it('are read together, or not at all', () => {
    const read = (slices: Uint8Array, chunks: Uint8Array) => parseTables(image.manifest, slices, chunks);
    const both = value(read(sliceBytes, chunkBytes));
    expect([both.slices.rows, both.chunks.rows]).toEqual([
      ...[image.manifest.sliceTable.rows, image.manifest.chunkTable.rows],
    ]);
    expect(read(sliceBytes.subarray(1), chunkBytes)).toBeInstanceOf(WireError);
    expect(read(sliceBytes, chunkBytes.subarray(1))).toBeInstanceOf(WireError);
    const short = chunkBytes.slice();
    new DataView(short.buffer).setUint32(36, 1);
    expect(read(sliceBytes, short)).toBeInstanceOf(WireError);
  });

  it('mutated or cut anywhere give a value within bounds or a WireError', () => {
    const random = seededRandom(11);
    const seen = { good: 0, bad: 0 };
    for (let round = 0; round < 20_000; round++) {
      const source = round % 2 === 0 ? sliceBytes : chunkBytes;
      const bytes = source.slice(0, random.next() < 0.1 ? randomInt(random, source.length) : undefined);
      for (let times = 0; times <= randomInt(random, 3); times++) {
        bytes[randomInt(random, bytes.length)] = randomInt(random, 256);
      }
      const slices = parseSliceTable(round % 2 === 0 ? bytes : sliceBytes, image.manifest);
      const chunks = parseChunkTable(round % 2 === 0 ? chunkBytes : bytes, image.manifest);
      if (slices instanceof WireError || chunks instanceof WireError || checkTables(slices, chunks)) {
        seen.bad++;
        continue;
      }
      seen.good++;
      expect(slices.imageBytes).toBe(image.manifest.imageBytes);
      for (let row = 0; row < slices.rows; row++) {
        if (slices.isZero(row)) continue;
        const end = slices.chunkOffset(row) + slices.length(row);
        if (end > chunks.plainBytes(slices.chunk(row))) throw new Error(`row ${row} ends at ${end}`);
      }
    }
    // A changed digest cannot be seen here: the slice's own digest tells at unpacking.
    expect(seen.bad).toBeGreaterThan(1000);
    expect(seen.good).toBeGreaterThan(1000);
  });
});
