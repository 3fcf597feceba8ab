// The cutter: cut then join gives the same bytes, bounds hold, and equal content is cut alike wherever it lies.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAllZero } from '../../src/base/bytes.ts';
import { randomInt, seededRandom } from '../../src/base/random.ts';
import { CUT_PARAMETERS, type Cut, Cutter, SECTOR_BYTES } from '../../src/chunk/slice.ts';
import { digestOf } from '../../src/io/hash.ts';
import { diskBytes } from '../support/image.ts';

function cutAll(bytes: Uint8Array, pushBytes = bytes.length): Cut[] {
  const cutter = new Cutter();
  const cuts: Cut[] = [];
  for (let at = 0; at < bytes.length; at += pushBytes)
    cuts.push(...cutter.push(bytes.subarray(at, at + pushBytes)));
  return [...cuts, ...cutter.end()];
}

/** Digests of the data slices. */
function slices(bytes: Uint8Array): string[] {
  let at = 0;
  return cutAll(bytes).flatMap(({ kind, length }) => {
    at += length;
    return kind === 'zero' ? [] : [digestOf(bytes.subarray(at - length, at))];
  });
}

function sharedShare(before: Uint8Array, after: Uint8Array): number {
  const known = new Set(slices(before));
  const now = slices(after);
  return now.filter((digest) => known.has(digest)).length / now.length;
}

/** Random content of whole sectors: stretches of noise, of one repeated sector, of zeros, with zero tails. */
const sectors = fc
  .array(
    fc.record({
      sectors: fc.integer({ min: 1, max: 900 }),
      kind: fc.constantFrom('noise', 'zero', 'same', 'tails'),
      seed: fc.integer(),
    }),
    { maxLength: 8 },
  )
  .map((parts) => {
    const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.sectors, 0) * SECTOR_BYTES);
    let at = 0;
    for (const { sectors, kind, seed } of parts) {
      const random = seededRandom(seed);
      const end = at + sectors * SECTOR_BYTES;
      for (; at < end; at += SECTOR_BYTES) {
        const filled =
          kind === 'zero' ? 0 : kind === 'tails' ? randomInt(random, SECTOR_BYTES) : SECTOR_BYTES;
        for (let i = 0; i < filled; i++) bytes[at + i] = kind === 'same' ? i | 1 : randomInt(random, 256);
      }
    }
    return bytes;
  });

describe('any content', () => {
  it('is cut without gaps, within the bounds, zeros apart', () => {
    fc.assert(
      fc.property(sectors, (bytes) => {
        const { maxBytes, minBytes, zeroBytes } = CUT_PARAMETERS;
        let at = 0;
        const cuts = cutAll(bytes);
        for (const [i, { kind, length }] of cuts.entries()) {
          const isZero = isAllZero(bytes.subarray(at, at + length));
          if (kind === 'zero') {
            expect(isZero && length >= zeroBytes).toBe(true);
            expect(cuts[i + 1]?.kind).not.toBe('zero');
          } else {
            expect(length).toBeLessThanOrEqual(maxBytes);
            if (cuts[i + 1]?.kind === 'data') expect(length).toBeGreaterThanOrEqual(minBytes);
          }
          expect(length % SECTOR_BYTES).toBe(0);
          at += length;
        }
        expect(at).toBe(bytes.length);
      }),
      { numRuns: 60 },
    );
  });

  it('is cut alike however it comes', () => {
    fc.assert(
      fc.property(sectors, fc.integer({ min: 1, max: 40 }), (bytes, pushSectors) => {
        expect(cutAll(bytes, pushSectors * SECTOR_BYTES)).toEqual(cutAll(bytes));
      }),
      { numRuns: 30 },
    );
  });
});

describe('equal content', () => {
  const before = diskBytes(24_000_000, 3);

  it('keeps its slices when sectors are put in before it', () => {
    const after = new Uint8Array(before.length + 7 * SECTOR_BYTES);
    after.set(before.subarray(0, 5_000 * SECTOR_BYTES));
    after.fill(0x5a, 5_000 * SECTOR_BYTES, 5_007 * SECTOR_BYTES);
    after.set(before.subarray(5_000 * SECTOR_BYTES), 5_007 * SECTOR_BYTES);
    expect(sharedShare(before, after)).toBeGreaterThan(0.95);
  });

  it('keeps its slices when one sector of a hundred slices is changed', () => {
    const after = before.slice();
    after.fill(0xa5, 12_000_000 - (12_000_000 % SECTOR_BYTES), 12_000_000);
    expect(sharedShare(before, after)).toBeGreaterThan(0.95);
  });

  it('keeps its slices when the file system lays files in another order', () => {
    const random = seededRandom(5);
    // Files of 20 to 400 kB, each filled up with zeros to whole 4 KiB blocks.
    const files = Array.from({ length: 60 }, () => {
      const bytes = new Uint8Array(4096 * (5 + randomInt(random, 95)));
      const used = bytes.length - 64 - randomInt(random, 2048);
      for (let i = 0; i < used; i++) bytes[i] = 1 + randomInt(random, 255);
      return bytes;
    });
    const reordered = files.map((file) => ({ file, key: random.next() })).sort((a, b) => a.key - b.key);
    const share = sharedShare(Buffer.concat(files), Buffer.concat(reordered.map(({ file }) => file)));
    // What is lost: small files that share a slice with their new neighbours.
    expect(share).toBeGreaterThan(0.8);
  });
});

it('cuts where a file begins behind the zeros of another, but not where its first eight bytes are zero', () => {
  const { minBytes } = CUT_PARAMETERS;
  // Constant sectors, of which the hash never says "cut".
  const before = new Uint8Array(minBytes + SECTOR_BYTES).fill(0x11);
  before.fill(0, minBytes);
  const next = (from: number) => new Uint8Array(SECTOR_BYTES).fill(0x11, from);
  const first = (from: number) => cutAll(Buffer.concat([before, next(from), next(0)]))[0]?.length;
  expect(cutAll(before)).toEqual([{ kind: 'data', length: before.length }]);
  for (const from of [0, 4]) expect(first(from), `${from} zero bytes`).toBe(before.length);
  expect(first(8)).toBe(before.length + 2 * SECTOR_BYTES);
});

it('cuts as it always did: other cuts would share nothing with what is published', () => {
  const cuts = cutAll(diskBytes(4_000_000, 9)).map(({ kind, length }) =>
    kind === 'zero' ? -length : length,
  );
  expect({
    cuts: cuts.length,
    first: cuts.slice(0, 12),
    digest: digestOf(Buffer.from(cuts.join())),
  }).toMatchInlineSnapshot(`
    {
      "cuts": 46,
      "digest": "sha256:77bf4eb9b162b06412b2b51669559f185135de9cbaf0b431c80536fb3144a233",
      "first": [
        -94208,
        41984,
        150528,
        -118784,
        103936,
        18944,
        27648,
        16896,
        141312,
        52224,
        19968,
        -65536,
      ],
    }
  `);
});
