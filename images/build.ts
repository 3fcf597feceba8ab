// `npm run image -- [--arch amd64|arm64] [--name <name>] [--version <version>] [--package <Debian package>]…`: builds a test image.
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isPeerbootError, PeerbootError } from '../src/base/errors.ts';
import { cached, ROOT, recipeDigest, remove } from '../tools/cache.ts';
import { ensureHost } from '../tools/host.ts';
import { buildDisk } from './disk.ts';
import { type ImageWish, imageRecipe } from './recipe.ts';
import { buildSmallSystem } from './small-system.ts';
import { buildSystem } from './system.ts';

export interface BuiltImage {
  /** A raw disk image with holes. */
  readonly path: string;
  /** Its length. */
  readonly bytes: number;
}

/** Builds the image unless it is in the cache; needs root, about a minute and a half (arm64: seconds), and Debian's mirrors. */
export async function ensureImage(wish: ImageWish = {}): Promise<BuiltImage> {
  const progress = wish.progress ?? (() => {});
  const recipe = imageRecipe(wish);
  const isPc = recipe.architecture === 'amd64';
  const sources = ['disk.ts', 'loaders.ts', 'recipe.ts', 'system-files.ts'].concat(
    isPc ? ['grub.ts', 'system.ts'] : ['small-system.ts', '../boot-assets/cpio.ts'],
  );
  const digest = recipeDigest([
    recipe,
    sources.map((name) => readFileSync(join(ROOT, 'images', name), 'utf8')),
  ]);
  const folder = await cached('images', digest, async (into) => {
    await ensureHost('image', progress);
    if (process.getuid?.() !== 0) {
      throw new PeerbootError('PB-BUILD-FAILED', 'an image is built as root: its files belong to many users');
    }
    const work = join(into, 'work');
    mkdirSync(work);
    await (isPc ? buildSystem : buildSmallSystem)(join(work, 'system'), recipe, progress);
    await buildDisk(join(work, 'system'), join(into, 'disk.raw'), recipe, work, progress);
    remove(work);
  });
  const path = join(folder, 'disk.raw');
  return { path, bytes: statSync(path).size };
}

async function main(words: string[]): Promise<number> {
  const { values } = parseArgs({
    args: words,
    options: {
      arch: { type: 'string', default: 'amd64' },
      name: { type: 'string' },
      version: { type: 'string', default: '1' },
      package: { type: 'string', multiple: true, default: [] },
    },
  });
  const { arch: architecture, name, version, package: packages } = values;
  if (architecture !== 'amd64' && architecture !== 'arm64') {
    console.error(`--arch is amd64 or arm64, not ${architecture}`);
    return 2;
  }
  const wish: ImageWish = { architecture, version, packages, ...(name === undefined ? {} : { name }) };
  const { path, bytes } = await ensureImage({ ...wish, progress: (line) => console.log(line) });
  const kept = statSync(path).blocks * 512;
  console.log(
    `${imageRecipe(wish).name} ${version}: ${(bytes / 1e6).toFixed(0)} MB, ${(kept / 1e6).toFixed(0)} MB of them not zero`,
  );
  console.log(path);
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    console.error(isPeerbootError(error) ? `${error.code}: ${error.message}\n${error.remedy}` : error);
    process.exitCode = 1;
  }
}
