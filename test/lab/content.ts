// What the lab serves: the test image published to a tree, and boot assets that carry that tree's trust root.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBootAssets } from '../../boot-assets/build.ts';
import { type Architecture, DEBIAN_NAMES } from '../../boot-assets/initramfs.ts';
import { ensureImage } from '../../images/build.ts';
import { imageRecipe } from '../../images/recipe.ts';
import { cached, recipeDigest } from '../../tools/cache.ts';
import { run } from './process.ts';

const PEERBOOT = fileURLToPath(new URL('../../bin/peerboot.js', import.meta.url));
const SOURCES = ['../../src/chunk/', '../../src/service/', '../../src/io/'].map((folder) =>
  fileURLToPath(new URL(folder, import.meta.url)),
);

export interface PublishedTree {
  /** Root of the static tree, ready for any web server. */
  readonly tree: string;
  /** Folder of the keys that sign it. */
  readonly keys: string;
  /** The TUF root that peers pin and agents carry. */
  readonly root: string;
  /** Stored bytes of all chunks, manifest and tables. */
  readonly storedBytes: number;
}

export interface LabContent extends PublishedTree {
  readonly assets: string;
  readonly image: string;
  readonly imageBytes: number;
}

/** Trees are kept by the code that wrote them: a changed format never meets an old tree. */
function formatKey(): string {
  const hash = createHash('sha256');
  for (const folder of SOURCES) {
    for (const file of readdirSync(folder).sort()) {
      if (
        /publish|chunk|slice|manifest|pack|content-tree|image-file|trust/.test(folder + file) &&
        file.endsWith('.ts')
      )
        hash.update(readFileSync(join(folder, file)));
    }
  }
  return hash.digest('hex').slice(0, 12);
}

function treeBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((total, entry) => total + statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** A catalogue is good for 30 days: a tree is made anew in time. */
const FRESH_MS = 14 * 86_400_000;

/** Publishes a disk image with the real command. */
export function publishInto(options: {
  readonly image: string;
  readonly name: string;
  readonly version: string;
  readonly tree: string;
  readonly keys: string;
}): Promise<string> {
  const { image, name, version, tree, keys } = options;
  const words = ['--name', name, '--version', version, '--to', tree, '--keys', keys, '--json'];
  return run(process.execPath, [PEERBOOT, 'publish', image, ...words]);
}

/** A disk image published with the real command, once; two test files may ask for it at the same moment. */
export async function publishTree(image: string, name: string, version: string): Promise<PublishedTree> {
  const { size, mtimeMs } = statSync(image);
  const period = Math.floor(Date.now() / FRESH_MS);
  const digest = recipeDigest([image, size, mtimeMs, name, version, formatKey(), period]);
  const home = await cached('lab-trees', digest, async (into) => {
    await publishInto({ image, name, version, tree: join(into, 'tree'), keys: join(into, 'keys') });
  });
  const tree = join(home, 'tree');
  return {
    tree,
    keys: join(home, 'keys'),
    root: join(tree, 'catalogue', '1.root.json'),
    storedBytes: treeBytes(join(tree, 'chunks')),
  };
}

/** Everything for the whole story: minutes on a new machine, a second or two when it is all in the cache. */
export async function prepareContent(
  stage: (message: string) => void,
  progress: (detail: string) => void = () => {},
  architecture: Architecture = 'x64',
): Promise<LabContent> {
  const wish = { architecture: DEBIAN_NAMES[architecture] };
  const { name, version } = imageRecipe(wish);
  stage(`image ${name}, built once`);
  const image = await ensureImage({ ...wish, progress });
  stage('publishing it: cut, packed, signed');
  const published = await publishTree(image.path, name, version);
  stage('boot assets: NBPs, kernel, agent');
  const assets = await ensureBootAssets({
    ...{ root: readFileSync(published.root), kernel: 'cloud', architectures: [architecture] },
    progress,
  });
  return { ...published, assets: assets.folder, image: name, imageBytes: image.bytes };
}
