// provenance.json beside the boot assets: where every file came from, in which version, its size and SHA-256.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Ingredient {
  /** A package's kind and name, never a host: the bytes are proved by digest, wherever they were fetched. */
  readonly origin: string;
  readonly version: string;
  /** Hexadecimal. */
  readonly sha256: string;
}

export interface AssetFile extends Ingredient {
  readonly name: string;
  readonly sizeBytes: number;
}

export interface Provenance {
  readonly files: readonly AssetFile[];
  /** What the initramfs is made of. */
  readonly ingredients: readonly Ingredient[];
  /** SHA-256 of the root.json inside the initramfs; null when it has none. */
  readonly trustRoot: string | null;
}

export type UnmeasuredProvenance = Omit<Provenance, 'files'> & {
  readonly files: readonly Pick<AssetFile, 'name' | 'origin' | 'version'>[];
};

/** Measures the files, which are all in `folder`, and writes provenance.json beside them. */
export function writeProvenance(folder: string, provenance: UnmeasuredProvenance): void {
  const files = provenance.files.map((one): AssetFile => {
    const bytes = readFileSync(join(folder, one.name));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { ...one, sizeBytes: bytes.length, sha256 };
  });
  writeFileSync(join(folder, 'provenance.json'), `${JSON.stringify({ ...provenance, files }, null, 2)}\n`);
}
