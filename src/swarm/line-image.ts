// An image as its line sees it: the rows of its chunk table, and the row of each digest.
import { fromHex } from '../base/bytes.ts';
import { type Digest, digestHex } from '../base/digest.ts';
import { assert, PeerbootError } from '../base/errors.ts';
import { SliceIndex } from '../chunk/slice-index.ts';
import type { ChunkTable } from '../chunk/tables.ts';
import type { LineImage } from './node-ports.ts';

/** Throws PB-IMAGE-INCONSISTENT when a chunk is named twice. About 80 bytes of memory a chunk: a 30 GB image has some eight thousand. */
export function lineImageOf(manifest: Digest, title: string, chunks: ChunkTable): LineImage {
  const index = new SliceIndex();
  for (let row = 0; row < chunks.rows; row++) {
    const raw = chunks.rawDigest(row);
    if (index.find(raw) >= 0)
      throw new PeerbootError('PB-IMAGE-INCONSISTENT', `${title}: row ${row} names a chunk twice`);
    index.add(raw);
  }
  return {
    manifest,
    title,
    rows: chunks.rows,
    digest: (row) => chunks.digest(row),
    storedBytes: (row) => chunks.size(row),
    rowOf(digest) {
      const raw = fromHex(digestHex(digest));
      assert(raw !== undefined, 'a digest is hexadecimal');
      const row = index.find(raw);
      return row < 0 ? undefined : row;
    },
  };
}
