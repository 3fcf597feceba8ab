// Makes chunks for tests: incompressible bytes from a seed, with their descriptor.
import type { Descriptor } from '../../src/base/digest.ts';
import { seededRandom } from '../../src/base/random.ts';
import { digestOf } from '../../src/io/hash.ts';

export interface TestChunk {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** The same seed and size give the same chunk. */
export function testChunk(seed: number, size = 1_000): TestChunk {
  const random = seededRandom(seed);
  const words = new Uint32Array(Math.ceil(size / 4));
  for (let i = 0; i < words.length; i++) words[i] = random.next() * 2 ** 32;
  const bytes = new Uint8Array(words.buffer, 0, size);
  return { descriptor: { digest: digestOf(bytes), size }, bytes };
}

export function testChunks(count: number, size = 1_000, firstSeed = 1): TestChunk[] {
  return Array.from({ length: count }, (_, i) => testChunk(firstSeed + i, size));
}

/** Chunks of the kill test: from a few bytes to a few hundred thousand, known by their seed alone. */
export function killTestChunk(seed: number): TestChunk {
  return testChunk(seed, 4 ** (seed % 10));
}
