// What the lab serves: the test image published to a tree, and boot assets that carry that tree's trust root.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBootAssets } from '../../boot-assets/build.ts';
import { type Architecture, DEBIAN_NAMES } from '../../boot-assets/initramfs.ts';
import { ensureImage } from '../../images/build.ts';
import { imageRecipe } from '../../images/recipe.ts';
import { CACHE } from './lab.ts';
import { run } from './process.ts';

const PEERBOOT = fileURLToPath(new URL('../../bin/peerboot.js', import.meta.url));
const SOURCES = ['../../src/chunk/', '../../src/service/', '../../src/io/'].map((folder) =>
  fileURLToPath(new URL(folder, import.meta.url)),
);

export interface PublishedTree {
  /** Root of the static tree, ready for any web server. */
  readonly tree: string;
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

/** Publishes a disk image with the real command; again is cheap, since a publish of the same content changes nothing. */
export async function publishTree(image: string, name: string, version: string): Promise<PublishedTree> {
  const stat = statSync(image);
  const key = createHash('sha256')
    .update(`${image} ${stat.size} ${stat.mtimeMs} ${name}`)
    .digest('hex')
    .slice(0, 12);
  const home = join(CACHE, 'lab-trees', `${key}-${formatKey()}`);
  const tree = join(home, 'tree');
  mkdirSync(home, { recursive: true });
  await run(process.execPath, [
    PEERBOOT,
    'publish',
    image,
    ...['--name', name, '--version', version, '--to', tree, '--keys', join(home, 'keys'), '--json'],
  ]);
  return { tree, root: join(tree, 'catalogue', '1.root.json'), storedBytes: treeBytes(join(tree, 'chunks')) };
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
