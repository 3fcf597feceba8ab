// An image as its line sees it: rows and digests lead to each other, and a table that names a chunk twice is refused.
import { expect, it } from 'vitest';
import { type Digest, digestOfRaw } from '../../src/base/digest.ts';
import { isPeerbootError } from '../../src/base/errors.ts';
import { ChunkTable, encodeChunkTable } from '../../src/chunk/tables.ts';
import { lineImageOf } from '../../src/swarm/line-image.ts';

const digest = (number: number): Digest => digestOfRaw(new Uint8Array(32).fill(number));
const table = (...numbers: readonly number[]) =>
  new ChunkTable(
    encodeChunkTable(
      numbers.map((number) => ({ digest: digest(number), size: 100 + number, plainBytes: 512 })),
    ),
  );

it('knows digest, size and row of each chunk', () => {
  const image = lineImageOf(digest(99), 'till 2', table(3, 1, 2));
  expect(image).toMatchObject({ manifest: digest(99), title: 'till 2', rows: 3 });
  expect([0, 1, 2].map((row) => [image.digest(row), image.storedBytes(row)])).toEqual([
    [digest(3), 103],
    [digest(1), 101],
    [digest(2), 102],
  ]);
  expect([3, 1, 2, 4].map((number) => image.rowOf(digest(number)))).toEqual([0, 1, 2, undefined]);
  expect(() => image.rowOf('sha256:xyz')).toThrow('assertion failed: a digest is hexadecimal');
});

it('refuses a table that names a chunk twice', () => {
  let thrown: unknown;
  try {
    lineImageOf(digest(99), 'till 2', table(1, 2, 1));
  } catch (error) {
    thrown = error;
  }
  expect(isPeerbootError(thrown, 'PB-IMAGE-INCONSISTENT')).toBe(true);
  expect(String(thrown)).toContain('till 2: row 2');
});
