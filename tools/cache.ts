// The git-ignored cache of built things: each lies under the digest of its recipe, whole or not at all.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../', import.meta.url));
export const CACHE = join(ROOT, '.cache');

/** SHA-256, hexadecimal, of a value's JSON: the name of what a recipe with these inputs makes. */
export function recipeDigest(inputs: unknown): string {
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex');
}

/**
 * The folder `<cache>/<kind>/<digest>`, built by `build` into an empty folder first where it is not there yet.
 * Two processes may build the same at once: the first to finish wins, and both have the same.
 */
export async function cached(
  kind: string,
  digest: string,
  build: (folder: string) => Promise<void>,
): Promise<string> {
  const parent = join(CACHE, kind);
  const folder = join(parent, digest.slice(0, 32));
  if (existsSync(folder)) {
    const now = new Date();
    utimesSync(folder, now, now);
    return folder;
  }
  const scratch = `${folder}.${process.pid}.part`;
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });
  try {
    await build(scratch);
    try {
      renameSync(scratch, folder);
    } catch (error) {
      if (!existsSync(folder)) throw error;
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return folder;
}
