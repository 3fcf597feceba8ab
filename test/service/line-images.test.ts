// Joining the line of an image: its tables come once, only images of the signed catalogue are opened, nonsense is told.
import { describe, expect, it } from 'vitest';
import { type Digest, digestHex } from '../../src/base/digest.ts';
import { PeerbootError } from '../../src/base/errors.ts';
import { encodeChunkTable, encodeManifest, MANIFEST_FORMAT } from '../../src/chunk/manifest.ts';
import { type ChunkStore, type OpenChunk, openBytes, type Wanted } from '../../src/chunk/ports.ts';
import { digestOf } from '../../src/io/hash.ts';
import { unzstd, zstd } from '../../src/io/zstd.ts';
import type { ContentService } from '../../src/service/content.ts';
import { createLineImages } from '../../src/service/line-images.ts';
import { testChunks } from '../support/chunks.ts';
import { logbook } from '../support/logbook.ts';

const chunks = testChunks(5);

/** An image whose chunk table has these rows; whatever is put into `kept` is held. */
async function world(rows = chunks) {
  const content = new Map<Digest, Uint8Array>();
  const add = (bytes: Uint8Array) => {
    const digest = digestOf(bytes);
    content.set(digest, bytes);
    return { digest, size: bytes.length };
  };
  const plain = encodeChunkTable(rows.map(({ descriptor }) => ({ ...descriptor, plainBytes: 1024 })));
  const packed = add(await zstd(plain));
  const table = { ...packed, rows: rows.length, plainBytes: plain.length };
  const manifest = add(
    encodeManifest({
      format: MANIFEST_FORMAT,
      kind: 'image',
      name: 'till',
      version: '1',
      imageBytes: 1024 * 512,
      storedBytes: rows.reduce((total, { descriptor }) => total + descriptor.size, 0),
      sliceTable: { ...table, rows: 1, plainBytes: 44 },
      chunkTable: table,
    }),
  );
  const asked: Wanted[] = [];
  const crossed: Wanted[] = [];
  const kept = new Map<Digest, Uint8Array>();
  const service = {
    async get(wanted: Wanted) {
      asked.push(wanted);
      const bytes = content.get(wanted.digest);
      if (bytes === undefined) throw new PeerbootError('PB-CHUNK-MISSING', digestHex(wanted.digest));
      return bytes;
    },
    async held(digest: Digest): Promise<OpenChunk | undefined> {
      const bytes = kept.get(digest);
      return bytes === undefined ? undefined : openBytes(bytes);
    },
    async keep(digest: Digest, bytes: Uint8Array) {
      kept.set(digest, bytes);
    },
  } as Partial<ContentService> as ContentService;
  const log = logbook();
  const images = createLineImages({
    content: service,
    store: { has: (digest: Digest) => kept.has(digest) } as Partial<ChunkStore> as ChunkStore,
    wan: {
      name: 'wan',
      fetch: async (wanted) => {
        crossed.push(wanted);
        return new Uint8Array(0);
      },
    },
    isCatalogued: (digest) => digest === manifest.digest,
    unzstd,
    log,
  });
  return { images, manifest: manifest.digest, asked, crossed, content, log };
}

describe('images of a line', () => {
  it('does not open what is not in the catalogue, whoever asks', async () => {
    const { images, asked } = await world();
    expect(await images.open(digestOf(new Uint8Array(1)))).toBeUndefined();
    expect(asked).toEqual([]);
  });

  it('numbers chunks as their table does, and gets the tables once for all who ask', async () => {
    const { images, manifest, asked } = await world();
    const [first, second] = await Promise.all([images.open(manifest), images.open(manifest, 'replica')]);
    expect(first?.image).toBe(second?.image);
    expect([first?.purpose, second?.purpose]).toEqual(['relay', 'replica']);
    expect(asked).toHaveLength(2);
    for (const [row, { descriptor }] of chunks.entries()) {
      expect(first?.image.digest(row)).toBe(descriptor.digest);
      expect(first?.image.storedBytes(row)).toBe(descriptor.size);
      expect(first?.image.rowOf(descriptor.digest)).toBe(row);
    }
    expect(first?.image.rowOf(manifest)).toBeUndefined();
    expect(first?.image.title).toBe('till 1');
  });

  it('holds what it keeps, and tells parents which image a chunk is of', async () => {
    const { images, manifest, crossed } = await world();
    const join = await images.open(manifest);
    const { bytes, descriptor } = chunks[3] as (typeof chunks)[0];
    expect(join?.local.has(3)).toBe(false);
    expect(await join?.local.open(3)).toBeUndefined();
    await join?.local.keep(3, bytes);
    expect(join?.local.has(3)).toBe(true);
    const open = await join?.local.open(3);
    expect(open?.form).toBe('stored');
    expect(open?.read(10, 20)).toEqual(bytes.subarray(10, 30));
    await join?.wan.fetch(descriptor);
    expect(crossed).toEqual([{ ...descriptor, image: manifest }]);
  });

  it('says why an image cannot be shared, and tries again the next time', async () => {
    const { images, manifest, content, log } = await world();
    const bytes = content.get(manifest) as Uint8Array;
    content.delete(manifest);
    expect(await images.open(manifest)).toBeUndefined();
    expect(log.lines.map(({ message }) => message)).toEqual([
      'image cannot be shared: its tables are not to be had',
    ]);
    content.set(manifest, bytes);
    expect(await images.open(manifest)).toBeDefined();
  });

  it('refuses a table that names a chunk twice', async () => {
    const { images, manifest } = await world([...chunks, chunks[1] as (typeof chunks)[0]]);
    await expect(images.image(manifest)).rejects.toMatchObject({ code: 'PB-IMAGE-INCONSISTENT' });
  });
});
