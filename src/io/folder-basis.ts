// What lies at a place already, as slices: what a newer version has in common with it need not be fetched.
import { isPeerbootError } from '../base/errors.ts';
import { SliceIndex } from '../chunk/slice-index.ts';
import type { SliceTable } from '../chunk/tables.ts';
import type { SliceBasis } from '../chunk/tree-writer.ts';
import { openFolderImage } from './folder-image.ts';
import { scanFolder } from './folder-scan.ts';
import { createPackPool } from './pack-pool.ts';

/**
 * Cuts the file or folder as it would be published. Undefined when it cannot be read as a package: then there is
 * nothing to reuse. `fileName`: what a package of one file calls it.
 */
export async function openFolderBasis(
  path: string,
  fileName: string | undefined,
  wanted: SliceTable,
): Promise<SliceBasis | undefined> {
  const needed = new SliceIndex();
  for (let row = 0; row < wanted.rows; row++) {
    if (!wanted.isZero(row) && needed.find(wanted.rawDigest(row)) < 0) needed.add(wanted.rawDigest(row));
  }
  const offsets = new Float64Array(needed.size).fill(-1);
  const pool = createPackPool();
  try {
    let offset = 0;
    for await (const { slices } of pool.openPackage(path, fileName).segments()) {
      for (const { length, rawDigest } of slices) {
        const slice = rawDigest === undefined ? -1 : needed.find(rawDigest);
        if (slice >= 0) offsets[slice] = offset;
        offset += length;
      }
    }
    const image = openFolderImage(scanFolder(path, fileName));
    const offsetOf = (rawDigest: Uint8Array): number => offsets[needed.find(rawDigest)] ?? -1;
    return {
      has: (rawDigest) => offsetOf(rawDigest) >= 0,
      read(rawDigest, length) {
        const bytes = new Uint8Array(length);
        return readIfSame(() => image.read(bytes, offsetOf(rawDigest))) ? bytes : undefined;
      },
      close: () => image.close(),
    };
  } catch (error) {
    if (!isPeerbootError(error)) throw error;
    return undefined;
  } finally {
    await pool.close();
  }
}

/** A file that changed meanwhile is no basis any more. */
function readIfSame(read: () => void): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (!isPeerbootError(error)) throw error;
    return false;
  }
}
