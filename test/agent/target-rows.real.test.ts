// What a target hands out of memory and of its disk, with real threads on a file: whatever is rebuilt can be proved.
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImageTables } from '../../src/agent/manifest.ts';
import { TargetRows } from '../../src/agent/target-rows.ts';
import { equalBytes } from '../../src/base/bytes.ts';
import { assert } from '../../src/base/errors.ts';
import { silentLog } from '../../src/base/log.ts';
import { randomInt, seededRandom } from '../../src/base/random.ts';
import { ChunkTable, encodeChunkTable, SliceTable, SliceTableWriter } from '../../src/chunk/manifest.ts';
import { EDGE_BYTES, isWithheld } from '../../src/imaging/proof.ts';
import type { TargetDisk } from '../../src/imaging/target-disk.ts';
import { openBlockDevice } from '../../src/io/block-device.ts';
import { type DiskThreads, startDiskThreads } from '../../src/io/block-device-threads.ts';
import { digestOf, sha256 } from '../../src/io/hash.ts';
import { unzstd, zstd } from '../../src/io/zstd.ts';
import type { OpenRow } from '../../src/swarm/node-ports.ts';
import { testChunk } from '../support/chunks.ts';
import { diskBytes, testImage } from '../support/image.ts';

const MIB = 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), 'pb-target-rows-'));
let threads: DiskThreads;
beforeAll(() => {
  threads = startDiskThreads(2, 0);
});
afterAll(async () => {
  await threads.close();
  rmSync(folder, { recursive: true });
});

interface World {
  readonly tables: ImageTables;
  /** By row, as published. */
  readonly stored: readonly Uint8Array[];
  readonly disk: TargetDisk;
  readonly rows: TargetRows;
  readonly lost: number[];
  write(row: number): Promise<void>;
  other(): TargetRows;
}

let disks = 0;
async function worldOf(tables: ImageTables, stored: readonly Uint8Array[], memoryBytes = 0): Promise<World> {
  const path = join(folder, `disk-${disks++}`);
  const sizeBytes = tables.manifest.imageBytes;
  const fd = openSync(path, 'w');
  ftruncateSync(fd, sizeBytes);
  closeSync(fd);
  const disk = openBlockDevice({ path, sizeBytes, log: silentLog, threads });
  const lost: number[] = [];
  const make = () =>
    new TargetRows({
      tables,
      disk,
      log: silentLog,
      memoryBytes,
      arrived: () => {},
      lost: (row) => lost.push(row),
    });
  const rows = make();
  return {
    tables,
    stored,
    disk,
    rows,
    lost,
    other: make,
    async write(row) {
      const bytes = rows.claim(row, stored[row]);
      const all = rows.slicesOf(row);
      const withheld = all.filter((slice) => isWithheld(slice, sizeBytes));
      const slices = all.filter((slice) => !isWithheld(slice, sizeBytes));
      const plainBytes = tables.chunks.plainBytes(row);
      const kept = await disk.writeChunk({ stored: bytes, plainBytes, slices, withheld });
      rows.written(
        row,
        withheld.map((slice, i) => ({ slice, bytes: kept[i] as Uint8Array })),
      );
    },
  };
}

/** Chunks whose slices lie anywhere in the image, some twice, some nowhere; zeros between them. */
async function scattered(seed: number): Promise<World> {
  const random = seededRandom(seed);
  const chunkCount = 10 + randomInt(random, 8);
  const plain = Array.from({ length: chunkCount }, (_, i) =>
    diskBytes(200_000 + randomInt(random, 400_000), seed + i),
  );
  const pieces = plain.flatMap((bytes, chunk) => {
    const cuts: { chunk: number; offset: number; length: number }[] = [];
    for (let offset = 0; offset < bytes.length; ) {
      const length = Math.min(bytes.length - offset, 16_000 + randomInt(random, 60_000));
      const uses = random.next() < 0.1 ? 0 : random.next() < 0.1 ? 2 : 1;
      for (let i = 0; i < uses; i++) cuts.push({ chunk, offset, length });
      offset += length;
    }
    return cuts;
  });
  if (random.next() < 0.5) pieces.sort(() => random.next() - 0.5);
  const writer = new SliceTableWriter();
  for (const { chunk, offset, length } of pieces) {
    if (random.next() < 0.05) writer.zero(1 + randomInt(random, 100_000));
    const bytes = (plain[chunk] as Uint8Array).subarray(offset, offset + length);
    writer.data(length, sha256(bytes), chunk, offset);
  }
  const slices = new SliceTable(writer.bytes());
  const stored = await Promise.all(plain.map((bytes) => zstd(bytes)));
  const chunks = stored.map((bytes, i) => ({
    digest: digestOf(bytes),
    size: bytes.length,
    plainBytes: (plain[i] as Uint8Array).length,
  }));
  const { manifest } = await testImage(new Uint8Array(512));
  const tables = {
    manifest: { ...manifest, imageBytes: slices.imageBytes },
    slices,
    chunks: new ChunkTable(encodeChunkTable(chunks)),
  };
  return worldOf(tables, stored);
}

const bytesOf = (open: OpenRow | undefined): Uint8Array => {
  assert(open !== undefined, 'the row can be had');
  return open.read(0, open.size).slice();
};

describe('from the disk', () => {
  it('whatever the image uses of a chunk comes back, published form if all of it, and no changed byte is taken', async () => {
    const forms = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 30 }), async (seed) => {
        const world = await scattered(seed);
        for (let row = 0; row < world.tables.chunks.rows; row++) await world.write(row);
        const random = seededRandom(seed);
        for (let row = 0; row < world.tables.chunks.rows; row++) {
          const open = await world.rows.open(row);
          const bytes = bytesOf(open);
          forms.add(open?.form ?? '');
          if (open?.form === 'stored') {
            expect(equalBytes(bytes, world.stored[row] as Uint8Array)).toBe(true);
            continue;
          }
          expect(await world.other().proveRepacked(row, bytes)).toBe(true);
          const at = randomInt(random, bytes.length);
          bytes[at] = (bytes[at] as number) ^ (1 << randomInt(random, 8));
          const taken = await world.other().proveRepacked(row, bytes);
          // A frame has bits that say nothing, and zeros may stand where the image has no slice.
          if (taken) expect(await carriesAll(world, row, bytes)).toBe(true);
        }
        await world.disk.close();
      }),
      { numRuns: 8 },
    );
    expect([...forms].sort()).toEqual(['repacked', 'stored']);
  });

  it('refuses frames that unpack to more, to less or not at all', async () => {
    const world = await scattered(7);
    const { chunks } = world.tables;
    const plain = await unzstd(world.stored[3] as Uint8Array, chunks.plainBytes(3));
    expect(await world.rows.proveRepacked(3, await zstd(plain, 1))).toBe(true);
    const longer = new Uint8Array(plain.length + 1);
    longer.set(plain);
    expect(await world.rows.proveRepacked(3, await zstd(longer, 1))).toBe(false);
    expect(await world.rows.proveRepacked(3, await zstd(plain.subarray(1), 1))).toBe(false);
    expect(await world.rows.proveRepacked(3, testChunk(1, 5_000).bytes)).toBe(false);
    await world.disk.close();
  });

  it('does not hand out what the disk no longer holds, and says that it is gone', async () => {
    const image = await testImage(diskBytes(8 * MIB));
    const stored = Array.from(image.chunks, (chunk) => storedOf(image, chunk.digest));
    const world = await worldOf(image, stored);
    for (let row = 0; row < image.chunks.rows; row++) await world.write(row);
    const row = Array.from({ length: image.chunks.rows }, (_, i) => i).findIndex(
      (one) =>
        world.rows.inMemory(one) === undefined && (world.rows.slicesOf(one)[0]?.offset ?? 0) > EDGE_BYTES,
    );
    const [slice] = world.rows.slicesOf(row);
    await world.disk.write((slice?.offset ?? 0) + 5, Uint8Array.of(1, 2, 3));
    expect(world.rows.has(row)).toBe(true);
    expect(await world.rows.open(row)).toBeUndefined();
    expect(world.rows.has(row)).toBe(false);
    await world.disk.close();
  });
});

describe('from memory', () => {
  it('the newest stay, the oldest that are written go first, and what was not written is lost last', async () => {
    const image = await testImage(diskBytes(8 * MIB), { sliceBytes: 16_000, slicesPerChunk: 8 });
    const stored = Array.from(image.chunks, (chunk) => storedOf(image, chunk.digest));
    const world = await worldOf(image, stored);
    const { rows, lost } = world;
    const inMemory = () => stored.flatMap((_, row) => (rows.inMemory(row) === undefined ? [] : [row]));
    for (const row of [0, 1, 2, 3]) await world.write(row);
    for (const row of [4, 5, 6, 7, 8, 9]) await rows.keep(row, stored[row] as Uint8Array);
    expect(inMemory()).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    rows.claim(4);
    for (const row of [10, 11, 12]) await rows.keep(row, stored[row] as Uint8Array);
    expect(inMemory()).toEqual([4, 6, 7, 8, 9, 10, 11, 12]);
    expect(lost).toEqual([5]);
    expect([0, 3, 4, 6].every((row) => rows.has(row))).toBe(true);
    expect(rows.has(5)).toBe(false);
    expect((await rows.open(11))?.form).toBe('stored');
    expect(bytesOf(await rows.open(0))).toEqual(stored[0]);
    await world.disk.close();
  });

  it('says of a chunk in which form it came', async () => {
    const image = await testImage(diskBytes(4 * MIB), { sliceBytes: 60_000 });
    const stored = Array.from(image.chunks, (chunk) => storedOf(image, chunk.digest));
    const world = await worldOf(image, stored, MIB);
    const again = await zstd(await unzstd(stored[1] as Uint8Array, image.chunks.plainBytes(1)), 1);
    expect(await world.rows.proveRepacked(1, again)).toBe(true);
    await world.rows.keep(1, again);
    expect((await world.rows.open(1))?.form).toBe('repacked');
    await world.disk.close();
  });
});

function storedOf(image: Awaited<ReturnType<typeof testImage>>, digest: string): Uint8Array {
  const found = [...image.stored].find(([path]) => path.endsWith(digest.slice('sha256:'.length)));
  assert(found !== undefined, `${digest} was published`);
  return found[1];
}

/** Independent of the code under test. */
async function carriesAll(world: World, row: number, bytes: Uint8Array): Promise<boolean> {
  const plain = await unzstd(bytes, world.tables.chunks.plainBytes(row));
  return world.rows
    .slicesOf(row)
    .every(
      ({ chunkOffset, length, digest }) =>
        digestOf(plain.subarray(chunkOffset, chunkOffset + length)) === digest,
    );
}
