// The plain bytes of a package in order: chunks unpacked a little ahead, every slice proved by its own digest.
import { equalBytes } from '../base/bytes.ts';
import type { FetchPorts } from './fetch-ports.ts';
import type { PackageTables } from './fetch-tables.ts';
import { unsafe } from './fetch-tables.ts';

/** Unpacked chunks that are kept: old chunks are gone back to between new ones. */
const MOST_PLAIN_BYTES = 64 * 1024 * 1024;
/** Unpacked while the one before is written. */
const AHEAD = 2;
const ZEROS = new Uint8Array(256 * 1024);

/**
 * Each window is valid until the next one is asked for. `take` gives proved stored bytes of a row of the chunk table;
 * chunks that are `reused` are taken only when the basis has changed.
 */
export async function* plainBytes(
  { slices, chunks }: PackageTables,
  reused: Uint8Array,
  take: (chunk: number) => Promise<Uint8Array>,
  { basis, unzstd, sha256 }: Pick<FetchPorts, 'basis' | 'unzstd' | 'sha256'>,
): AsyncGenerator<Uint8Array> {
  /** Least recently used first. */
  const unpacked = new Map<number, Promise<Uint8Array>>();
  let unpackedBytes = 0;

  function open(chunk: number): Promise<Uint8Array> {
    const known = unpacked.get(chunk);
    unpacked.delete(chunk);
    const plain = known ?? take(chunk).then((stored) => unzstd(stored, chunks.plainBytes(chunk)));
    // Its failure is met when its turn comes; until then it must not count as unhandled.
    plain.catch(() => {});
    unpacked.set(chunk, plain);
    if (known === undefined) unpackedBytes += chunks.plainBytes(chunk);
    for (const [oldest] of unpacked) {
      if (unpackedBytes <= MOST_PLAIN_BYTES || unpacked.size <= AHEAD + 1) break;
      unpacked.delete(oldest);
      unpackedBytes -= chunks.plainBytes(oldest);
    }
    return plain;
  }

  /** The next rows whose chunks are to be unpacked, and those chunks, without the current one. */
  let scanned = 0;
  const ahead: number[] = [];
  function lookAhead(row: number): void {
    while (ahead.length > 0 && (ahead[0] as number) <= row) ahead.shift();
    scanned = Math.max(scanned, row);
    while (ahead.length < AHEAD && scanned + 1 < slices.rows) {
      const before = scanned++;
      if (slices.isZero(scanned)) continue;
      const chunk = slices.chunk(scanned);
      if (reused[chunk] === 1) continue;
      if (!slices.isZero(before) && slices.chunk(before) === chunk) continue;
      ahead.push(scanned);
      void open(chunk);
    }
  }

  function fromBasis(row: number): Uint8Array | undefined {
    const bytes = basis?.read(slices.rawDigest(row), slices.length(row));
    return bytes !== undefined && equalBytes(sha256(bytes), slices.rawDigest(row)) ? bytes : undefined;
  }

  for (let row = 0; row < slices.rows; row++) {
    if (slices.isZero(row)) {
      for (let left = slices.length(row); left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, left);
      continue;
    }
    lookAhead(row);
    const there = reused[slices.chunk(row)] === 1 ? fromBasis(row) : undefined;
    if (there !== undefined) {
      yield there;
      continue;
    }
    const current = open(slices.chunk(row));
    const from = slices.chunkOffset(row);
    const bytes = (await current).subarray(from, from + slices.length(row));
    if (!equalBytes(sha256(bytes), slices.rawDigest(row))) {
      throw unsafe(`slice ${row} is not what its chunk carries`);
    }
    yield bytes;
  }
}
