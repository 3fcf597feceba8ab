// A chunk in memory, read as one on disk would be.
import { expect, it } from 'vitest';
import { openBytes } from '../../src/chunk/ports.ts';

it('gives its size and any piece, and may be closed', () => {
  const open = openBytes(Uint8Array.of(1, 2, 3, 4));
  expect(open.size).toBe(4);
  expect(open.read(1, 2)).toEqual(Uint8Array.of(2, 3));
  expect(open.read(3, 9)).toEqual(Uint8Array.of(4));
  expect(open.close()).toBeUndefined();
});
