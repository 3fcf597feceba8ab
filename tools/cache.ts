// The git-ignored cache of built things: each lies under the digest of its recipe, whole or not at all.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readlinkSync, renameSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../', import.meta.url));
export const CACHE = join(ROOT, '.cache');

const UNUSED_DAYS = 14;
const DAY_MS = 86_400_000;

/** SHA-256, hexadecimal, of a value's JSON: the name of what a recipe with these inputs makes. */
export function recipeDigest(inputs: unknown): string {
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex');
}

let builds = 0;

/**
 * The folder `<cache>/<kind>/<digest>`, built by `build` into an empty folder first where it is not there yet.
 * The same may be built twice at once: the first to finish wins, and both have the same.
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
  const scratch = `${folder}.${process.pid}.${++builds}.part`;
  remove(scratch);
  mkdirSync(scratch, { recursive: true });
  try {
    await build(scratch);
    try {
      renameSync(scratch, folder);
    } catch (error) {
      if (!existsSync(folder)) throw error;
    }
  } finally {
    remove(scratch);
  }
  forgetUnused(parent);
  return folder;
}

/** Deletes a folder with all in it, but never beyond its file system: a half-built system may have /dev mounted. */
export function remove(folder: string): void {
  if (existsSync(folder)) execFileSync('rm', ['-rf', '--one-file-system', folder]);
}

/** What nobody has asked for in two weeks goes, and so does what a killed build left behind. */
function forgetUnused(parent: string): void {
  const entries = readdirSync(parent, { withFileTypes: true });
  const linked = entries
    .filter((one) => one.isSymbolicLink())
    .map((one) => readlinkSync(join(parent, one.name)));
  for (const one of entries.filter((entry) => entry.isDirectory() && !linked.includes(entry.name))) {
    const path = join(parent, one.name);
    const days = one.name.endsWith('.part') ? 1 : UNUSED_DAYS;
    if (Date.now() - statSync(path).mtimeMs > days * DAY_MS) remove(path);
  }
}
