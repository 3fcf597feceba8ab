// What lies in a chunk store's folder when it is opened: leftovers removed, files and index brought together.
// Blocking calls on purpose: it is done once, before anything is served, and is many times faster so.
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Digest, digestHex, isDigest } from '../base/digest.ts';
import type { Log } from '../base/log.ts';
import type { StoreFs } from './chunk-files-durable.ts';
import { type ChunkIndex, type IndexedChunk, openChunkIndex } from './chunk-index.ts';
import { ensureFolder } from './state-folder.ts';

export interface StoreFolders {
  readonly root: string;
  /** One file a chunk, called by its 64 hexadecimal digits: one folder, so that one sync serves all puts at a time. */
  readonly chunks: string;
  /** Files being written; on the same file system, or rename would not be atomic. */
  readonly temp: string;
}

/** Makes the folders, and their names durable, so that a put has only the chunks' folder to sync. */
export async function prepareFolders(root: string, fs: StoreFs): Promise<StoreFolders> {
  const folders = { root, chunks: join(root, 'chunks'), temp: join(root, 'temp') };
  ensureFolder(root);
  mkdirSync(folders.chunks, { recursive: true });
  mkdirSync(folders.temp, { recursive: true });
  await fs.syncFolder(root);
  return folders;
}

/**
 * The files are the truth about what is held, the index about sizes and uses; least recently used first. A file that
 * the index does not know (a crash came before its row) counts as used when it was written, and the folder is synced,
 * for the crash may have come before that, too.
 */
export async function takeStock(
  folders: StoreFolders,
  fs: StoreFs,
  log: Log,
): Promise<{ readonly index: ChunkIndex; readonly stock: readonly IndexedChunk[] }> {
  const index = openChunkIndex(join(folders.root, 'index.sqlite'), log);
  for (const name of readdirSync(folders.temp)) rmSync(join(folders.temp, name), { recursive: true });
  const known = new Map(index.load().map((chunk) => [chunk.digest, chunk]));
  const present = new Set(listChunks(folders.chunks));
  const strangers = [...present].filter((digest) => !known.has(digest));
  if (strangers.length > 0) await fs.syncFolder(folders.chunks);
  const adopted = strangers.map((digest) => describe(folders.chunks, digest));
  for (const chunk of adopted) index.note(chunk);
  const gone = [...known.keys()].filter((digest) => !present.has(digest));
  for (const digest of gone) index.forget(digest);
  if (adopted.length > 0 || gone.length > 0) {
    log.info({ adopted: adopted.length, gone: gone.length }, 'chunk index brought up to the files');
  }
  const held = [...known.values()].filter((chunk) => present.has(chunk.digest));
  return { index, stock: [...held, ...adopted].sort((a, b) => a.usedMs - b.usedMs) };
}

/** Whatever else lies there is not ours, and left alone. */
function listChunks(folder: string): Digest[] {
  return readdirSync(folder)
    .map((name) => `sha256:${name}` as const)
    .filter(isDigest);
}

function describe(folder: string, digest: Digest): IndexedChunk {
  const { size, mtimeMs } = statSync(join(folder, digestHex(digest)));
  return { digest, size, usedMs: Math.floor(mtimeMs) };
}
