// Fetches what is missing of one image along its line into the chunk store, a few chunks ahead, in order.
import type { ChunkStore } from '../chunk/ports.ts';
import type { Line } from '../swarm/node-ports.ts';

/** Requests under way at a time: as many as keep a line busy. */
const WINDOW = 8;

export interface FillOptions {
  readonly line: Line;
  readonly store: Pick<ChunkStore, 'has'>;
  readonly signal: AbortSignal;
  /** So many of the image's chunks are held. */
  readonly onProgress: (held: number) => void;
}

/** Resolves when all of it has been fetched; rejects with the first failure, or when the signal ends it. What came is kept. */
export async function fill({ line, store, signal, onProgress }: FillOptions): Promise<void> {
  const { image } = line;
  const missing: number[] = [];
  for (let row = 0; row < image.rows; row++) if (!store.has(image.digest(row))) missing.push(row);
  let held = image.rows - missing.length;
  onProgress(held);
  const ended = new AbortController();
  const either = AbortSignal.any([signal, ended.signal]);
  const rows = missing.values();
  const worker = async () => {
    for (const row of rows) {
      either.throwIfAborted();
      const wanted = { digest: image.digest(row), size: image.storedBytes(row), image: image.manifest };
      await line.fetch(wanted, { signal: either });
      onProgress(++held);
    }
  };
  try {
    await Promise.all(Array.from({ length: WINDOW }, worker));
  } finally {
    ended.abort(new Error('the rest is not wanted any more'));
  }
}
