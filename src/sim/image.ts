// The image that is fetched: so many chunks, each of its own size.
import { randomInt, seededRandom } from '../base/random.ts';
import type { Row } from '../swarm/line-ports.ts';
import type { ImageKey } from '../swarm/site.ts';

export interface SimImage {
  readonly key: ImageKey;
  readonly rows: number;
  /** Stored bytes of all chunks. */
  readonly bytes: number;
  size(row: Row): number;
}

export interface ImageOptions {
  readonly chunks: number;
  readonly chunkBytes: number;
  /** Share by which a chunk is larger or smaller at most. */
  readonly variation: number;
  readonly seed: number;
}

export function makeImage({ chunks, chunkBytes, variation, seed }: ImageOptions): SimImage {
  const random = seededRandom(seed);
  const least = Math.round(chunkBytes * (1 - variation));
  const spread = Math.round(2 * chunkBytes * variation) + 1;
  const sizes = Float64Array.from({ length: chunks }, () => Math.max(1, least + randomInt(random, spread)));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return { key: '5eed011a9e000000', rows: chunks, bytes, size: (row) => sizes[row] as number };
}
