// A signed content tree with one small GPT image in it, as the agent's tests serve it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { targetPath } from '../../src/chunk/names.ts';
import { openTrustWriter } from '../../src/io/trust-writer.ts';
import { diskBytes, type TestImage, testImage, writeTree } from '../support/image.ts';

export interface SignedTree {
  readonly folder: string;
  readonly tree: string;
  readonly root: Uint8Array;
  readonly image: TestImage;
}

/** Bytes of a disk with a real GPT: an ESP and a root partition, with noise, text and zeros in both. */
export function gptImage(imageBytes: number, seed = 1): Uint8Array {
  const image = diskBytes(imageBytes, seed);
  const table = gptOf(imageBytes);
  for (const [from, to] of [
    [0, TABLE_BYTES],
    [imageBytes - TABLE_BYTES, imageBytes],
  ] as const) {
    image.set(table.subarray(from, to), from);
  }
  return image;
}

/** MBR, header and entries; header and entries at the end: 34 sectors are enough for either. */
const TABLE_BYTES = 34 * 512;
const tables = new Map<number, Uint8Array>();

/** An empty disk of that size as sgdisk divides it; made once, for sgdisk syncs all disks of the system. */
function gptOf(imageBytes: number): Uint8Array {
  const known = tables.get(imageBytes);
  if (known !== undefined) return known;
  const folder = mkdtempSync(join(tmpdir(), 'pb-gpt-'));
  const path = join(folder, 'image.raw');
  writeFileSync(path, new Uint8Array(imageBytes));
  execFileSync('sgdisk', [
    ...['-a', '8', '-n', '1:2048:+2M', '-t', '1:ef00', '-c', '1:EFI'],
    ...['-n', '2:0:0', '-t', '2:8300', '-c', '2:root', path],
  ]);
  const made = readFileSync(path);
  rmSync(folder, { recursive: true });
  tables.set(imageBytes, made);
  return made;
}

const folders: string[] = [];

/** At the end of a test file: the trees, their keys, and the disks beside them. */
export function removeTrees(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
}

/** How the image is published, see `testImage`. */
export type Publishing = Omit<NonNullable<Parameters<typeof testImage>[1]>, 'name' | 'version'> & {
  /** What the catalogue says that it boots on. */
  readonly firmwares?: string[];
  /** And on which of these not with Secure Boot. */
  readonly unsigned?: string[];
};

export async function signedTree(plain: Uint8Array, publishing?: Publishing): Promise<SignedTree> {
  const folder = mkdtempSync(join(tmpdir(), 'pb-agent-'));
  folders.push(folder);
  const image = await addImage(folder, plain, 'small', '1', publishing);
  const tree = join(folder, 'tree');
  return { folder, tree, root: readFileSync(join(tree, 'catalogue/1.root.json')), image };
}

/** Publishes into `folder/tree` with the keys in `folder/keys`. */
export async function addImage(
  folder: string,
  plain: Uint8Array,
  name: string,
  version: string,
  { firmwares, unsigned, ...publishing }: Publishing = {},
): Promise<TestImage> {
  const tree = join(folder, 'tree');
  const image = await testImage(plain, { name, version, sliceBytes: 60_000, ...publishing });
  writeTree(image, tree);
  const writer = await openTrustWriter({ tree, keysFolder: join(folder, 'keys'), wallMs: Date.now });
  const { imageBytes, storedBytes } = image.manifest;
  writer.addTarget({
    path: targetPath('image', { name, version }),
    manifest: image.descriptor,
    custom: {
      ...{ kind: 'image', name, version, imageBytes, storedBytes },
      ...(firmwares === undefined ? {} : { firmwares }),
      ...(unsigned === undefined ? {} : { unsigned }),
    },
  });
  await writer.commit();
  return image;
}
