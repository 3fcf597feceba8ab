// Which chunks leave when room is needed.
import { expect, it } from 'vitest';
import type { Digest } from '../../src/base/digest.ts';
import { chooseVictims } from '../../src/chunk/eviction.ts';

const chunk = (name: string, size: number) => ({ digest: `sha256:${name}` as Digest, size });
const oldestFirst = [chunk('a', 10), chunk('b', 1), chunk('c', 5), chunk('d', 10)];

it.each([
  { pinned: '', needed: 0, gone: '' },
  { pinned: '', needed: 1, gone: 'a' },
  { pinned: '', needed: 10, gone: 'a' },
  { pinned: '', needed: 11, gone: 'ab' },
  { pinned: 'a', needed: 1, gone: 'b' },
  { pinned: 'a', needed: 2, gone: 'bc' },
  { pinned: 'ac', needed: 11, gone: 'bd' },
  { pinned: '', needed: 26, gone: 'abcd' },
  { pinned: '', needed: 27, gone: undefined },
  { pinned: 'abcd', needed: 1, gone: undefined },
  { pinned: 'd', needed: 17, gone: undefined },
])('for $needed bytes with $pinned pinned: $gone', ({ pinned, needed, gone }) => {
  const isPinned = (digest: Digest) => pinned.includes(digest.slice(7));
  const victims = chooseVictims(oldestFirst, isPinned, needed);
  expect(victims?.map((victim) => victim.digest.slice(7)).join('')).toBe(gone);
});
