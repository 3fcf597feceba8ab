// provenance.json beside the boot assets: where every file came from, in which version, its size and SHA-256.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface AssetFile {
  readonly name: string;
  readonly sizeBytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
  /** A package's kind and name, never a host: the bytes are proved by digest, wherever they were fetched. */
  readonly origin: string;
  readonly version: string;
}

export interface Provenance {
  readonly files: readonly AssetFile[];
  /** What the initramfs is made of. */
  readonly ingredients: readonly {
    readonly origin: string;
    readonly version: string;
    readonly sha256: string;
  }[];
  /** SHA-256 of the root.json inside the initramfs. */
  readonly trustRoot: string | null;
}

/** Fills in sizes and digests of the files that are there, and writes provenance.json. */
export function writeProvenance(folder: string, provenance: Provenance): void {
  const files = provenance.files.map((one) => {
    const path = join(folder, one.name);
    if (!existsSync(path)) return one;
    const bytes = readFileSync(path);
    return { ...one, sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  });
  writeFileSync(join(folder, 'provenance.json'), `${JSON.stringify({ ...provenance, files }, null, 2)}\n`);
}
