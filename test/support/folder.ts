// Folders for tests of packages: made from a list, and read back as one.
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { seededRandom } from '../../src/base/random.ts';

/** Paths and what lies there, see `makeFolder`. */
export type FolderList = Readonly<Record<string, string | Uint8Array | null>>;

/** null makes a folder; text that begins with `->` a link; a path that ends with `*` may be executed. */
export function makeFolder(root: string, list: FolderList): string {
  mkdirSync(root, { recursive: true });
  for (const [key, value] of Object.entries(list)) {
    const path = join(root, key.replace(/\*$/, ''));
    mkdirSync(value === null ? path : dirname(path), { recursive: true });
    if (value === null) continue;
    if (typeof value === 'string' && value.startsWith('->')) symlinkSync(value.slice(2), path);
    else writeFileSync(path, value);
    if (key.endsWith('*')) chmodSync(path, 0o755);
  }
  return root;
}

/** What a folder holds, in the same words, sorted. Links are told, not followed as by the recursive `readdir` of Node. */
export function readFolder(root: string): Record<string, string> {
  const list: Record<string, string> = {};
  function read(folder: string): void {
    for (const one of readdirSync(join(root, folder), { withFileTypes: true })) {
      const name = join(folder, one.name);
      const path = join(root, name);
      if (one.isSymbolicLink()) list[name] = `->${readlinkSync(path)}`;
      else if (one.isDirectory()) {
        list[`${name}/`] = '';
        read(name);
      } else list[`${name}${lstatSync(path).mode & 0o100 ? '*' : ''}`] = readFileSync(path, 'latin1');
    }
  }
  read('');
  return Object.fromEntries(Object.entries(list).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Files of an application: text that packs, binaries that do not. */
export function applicationFiles(count: number, meanBytes: number, seed = 1): Record<string, Uint8Array> {
  const random = seededRandom(seed);
  const files: Record<string, Uint8Array> = {};
  for (let i = 0; i < count; i++) {
    const length = Math.floor(meanBytes * (0.2 + 1.6 * random.next()));
    files[`lib/part-${i % 17}/file-${i}.bin`] = fileBytes(length, seed * 100_003 + i);
  }
  return files;
}

export function fileBytes(length: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  const bytes = new Uint8Array(length);
  const words = new Uint32Array(bytes.buffer, 0, length >> 2);
  // Half of the bits are noise, so that it packs two to one, as programs do.
  for (let i = 0; i < words.length; i++) words[i] = (random.next() * 0x1_0000_0000) & 0x0f0f0f0f;
  return bytes;
}
