// The pack plan and its index: what is new, what is shared, what is wasted, and that it is always the same.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOfRaw } from '../../src/base/digest.ts';
import { randomInt, seededRandom } from '../../src/base/random.ts';
import { CHUNK_BYTES, PackPlan, type PlannedChunk } from '../../src/chunk/chunk.ts';
import { SliceIndex } from '../../src/chunk/slice-index.ts';
import { type ChunkRow, ChunkTable, checkTables, SliceTable } from '../../src/chunk/tables.ts';

const MEBI = 1024 * 1024;
const SLICE = 256 * 1024;

/** A digest that is told from others by its number. */
function digest(number: number): Uint8Array {
  const raw = new Uint8Array(32);
  new DataView(raw.buffer).setUint32(0, Math.imul(number + 1, 0x9e3779b1));
  new DataView(raw.buffer).setUint32(28, number);
  return raw;
}

/** Stands for packing: a chunk's name follows from its slices, and it packs 4 : 1. */
function packedAs(chunk: PlannedChunk): ChunkRow {
  const name = new Uint8Array(32);
  chunk.sliceDigests.forEach((byte, i) => {
    name[i % 32] = ((name[i % 32] as number) * 31 + byte) & 255;
  });
  return { digest: digestOfRaw(name), size: chunk.plainBytes / 4, plainBytes: chunk.plainBytes };
}

interface Published {
  readonly plan: PackPlan;
  readonly slices: SliceTable;
  readonly chunks: ChunkTable;
  readonly planned: readonly PlannedChunk[];
}

/** Publishes slices by number (negative: zeros of so many bytes) over earlier versions. */
function planImage(
  image: readonly number[],
  earlier: readonly Published[] = [],
  options: { maxWaste?: number; isStored?: (row: ChunkRow) => boolean } = {},
): Published {
  const plan = new PackPlan();
  for (const { slices, chunks } of earlier) plan.know(slices, chunks, options.isStored ?? (() => true));
  const planned: PlannedChunk[] = [];
  const pack = (chunk: PlannedChunk | undefined) => {
    if (chunk === undefined) return;
    planned.push(chunk);
    plan.packed(chunk.id, packedAs(chunk));
  };
  for (const slice of image) {
    if (slice < 0) plan.zero(-slice);
    else pack(plan.add(digest(slice), SLICE).closed);
  }
  for (const repack of plan.giveUp(options.maxWaste ?? 1)) pack(plan.place(repack));
  pack(plan.flush());
  const tables = plan.tables();
  return {
    plan,
    planned,
    slices: new SliceTable(tables.slices),
    chunks: new ChunkTable(tables.chunks),
  };
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe('a first version', () => {
  it('fills chunks of 4 MiB in order, and leaves zeros out', () => {
    const { plan, slices, chunks, planned } = planImage([...range(0, 20), -MEBI, -MEBI, ...range(20, 40)]);
    expect(planned.map((chunk) => chunk.plainBytes)).toEqual([CHUNK_BYTES, CHUNK_BYTES, 2 * MEBI]);
    expect([...slices].filter((row) => row.kind === 'zero')).toEqual([
      { kind: 'zero', offset: 5 * MEBI, length: 2 * MEBI },
    ]);
    expect(checkTables(slices, chunks)).toBeUndefined();
    expect(plan.summary()).toMatchObject({
      newChunks: 3,
      sharedChunks: 0,
      wastedBytes: 0,
      zeroBytes: 2 * MEBI,
    });
  });

  it('stores a slice once, however often the image repeats it', () => {
    const { plan, slices } = planImage([1, 2, 1, 1, 2]);
    expect(plan.summary().newBytes).toBe((2 * SLICE) / 4);
    expect([...slices].map((row) => (row.kind === 'data' ? row.chunkOffset : -1))).toEqual([
      0,
      SLICE,
      0,
      0,
      SLICE,
    ]);
  });
});

describe('a later version', () => {
  const first = planImage(range(0, 64));

  it('takes known slices from where they lie, numbering chunks by first use', () => {
    const next = planImage([...range(48, 64), 100, ...range(0, 16)], [first]);
    expect(next.planned).toHaveLength(1);
    expect([...next.chunks].map((row) => row.digest)).toEqual([
      first.chunks.digest(3),
      packedAs(next.planned[0] as PlannedChunk).digest,
      first.chunks.digest(0),
    ]);
    expect(next.plan.summary()).toMatchObject({ newChunks: 1, sharedChunks: 2, wastedBytes: 0 });
  });

  it('counts as waste what it does not need of a chunk', () => {
    const next = planImage(range(0, 24), [first]);
    expect(next.plan.summary()).toMatchObject({ sharedBytes: 2 * MEBI, wastedBytes: MEBI / 2 });
  });

  it('counts a chunk that two earlier versions name once', () => {
    const second = planImage([...range(0, 64), 100], [first]);
    const third = planImage([...range(0, 40), 100], [second, first]);
    const digests = [...third.chunks].map((row) => row.digest);
    expect(new Set(digests).size).toBe(digests.length);
    expect(third.plan.summary().wastedBytes).toBe(MEBI / 2);
  });

  it('gives up the chunks that waste most, no more than the bound asks for', () => {
    // One slice of the first chunk, a quarter of the second, all of the others.
    const image = [0, ...range(16, 20), ...range(32, 64)];
    const waste = (maxWaste: number) => {
      const { plan, planned } = planImage(image, [first], { maxWaste });
      return { ...plan.summary(), planned: planned.length };
    };
    expect(waste(1)).toMatchObject({
      wastedBytes: (15 * SLICE + 12 * SLICE) / 4,
      sharedChunks: 4,
      planned: 0,
    });
    expect(waste(0.25)).toMatchObject({ wastedBytes: (12 * SLICE) / 4, sharedChunks: 3, planned: 1 });
    expect(waste(0)).toMatchObject({ wastedBytes: 0, sharedChunks: 2, planned: 1 });
  });

  it('packs anew what lay in a chunk that is gone', () => {
    const gone = first.chunks.digest(1);
    const next = planImage(range(0, 64), [first], { isStored: (row) => row.digest !== gone });
    expect(next.planned.map((chunk) => chunk.plainBytes)).toEqual([CHUNK_BYTES]);
    expect(next.plan.summary().sharedChunks).toBe(3);
  });

  it('any image over any other: tables agree, bounds hold, and it is always the same', () => {
    const images = fc.array(fc.integer({ min: -3, max: 90 }), { maxLength: 200 });
    const bound = fc.constantFrom(0, 0.1, 0.25, 1);
    fc.assert(
      fc.property(images, images, bound, (before, after, maxWaste) => {
        const sized = (image: number[]) => image.map((slice) => (slice < 0 ? slice * MEBI : slice));
        const earlier = planImage(sized(before));
        const later = planImage(sized(after), [earlier], { maxWaste });
        expect(checkTables(later.slices, later.chunks)).toBeUndefined();
        const { wastedBytes, storedBytes, imageBytes, newBytes, sharedBytes } = later.plan.summary();
        expect(wastedBytes).toBeLessThanOrEqual(maxWaste * storedBytes + 1);
        expect(newBytes + sharedBytes).toBe(storedBytes);
        expect(later.slices.imageBytes).toBe(imageBytes);
        const order = [...later.slices].flatMap((row) => (row.kind === 'data' ? [row.digest] : []));
        expect(order).toEqual(after.filter((slice) => slice >= 0).map((slice) => digestOfRaw(digest(slice))));
        const again = planImage(sized(after), [earlier], { maxWaste });
        expect(again.planned).toEqual(later.planned);
      }),
      { numRuns: 150 },
    );
  });
});

describe('the slice index', () => {
  it('finds what was added and nothing else, through every growth', () => {
    const index = new SliceIndex();
    const random = seededRandom(2);
    const known = Array.from({ length: 20_000 }, (_, number) => {
      const raw = digest(number);
      // Many share their first bytes, so that slots collide.
      if (number % 3 === 0) raw.fill(0, 0, 3);
      expect(index.add(raw)).toBe(number);
      return raw;
    });
    for (let i = 0; i < 2000; i++) {
      const number = randomInt(random, known.length);
      if (index.find(known[number] as Uint8Array) !== number) throw new Error(`lost ${number}`);
    }
    expect(index.find(digest(20_000))).toBe(-1);
    expect(index.rawDigest(7)).toEqual(digest(7));
    expect(() => index.add(known[5] as Uint8Array)).toThrow(/known already/);
  });
});
