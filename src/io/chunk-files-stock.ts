// What lies in a chunk store's folder when it is opened: leftovers removed, files and index brought together.
// Blocking calls on purpose: it is done once, before anything is served, and is many times faster so.
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Digest, isDigest } from '../base/digest.ts';
import type { Log } from '../base/log.ts';
import type { StoreFs } from './chunk-files-durable.ts';
import { type ChunkIndex, type IndexedChunk, openChunkIndex } from './chunk-index.ts';

export interface StoreFolders {
  readonly root: string;
  /** `chunks/<hh>/<hex>`, as at an origin. */
  readonly chunks: string;
  /** Files being written; on the same file system, or rename would not be atomic. */
  readonly temp: string;
}

const FAN_OUT = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, '0'));

/** Makes all folders durable once, so that a put has only its own file's folder to sync. */
export async function prepareFolders(root: string, fs: StoreFs): Promise<StoreFolders> {
  const folders = { root, chunks: join(root, 'chunks'), temp: join(root, 'temp') };
  mkdirSync(folders.chunks, { recursive: true });
  mkdirSync(folders.temp, { recursive: true });
  const there = new Set(readdirSync(folders.chunks));
  const missing = FAN_OUT.filter((name) => !there.has(name));
  for (const name of missing) mkdirSync(join(folders.chunks, name), { recursive: true });
  if (missing.length > 0) {
    await fs.syncFolder(folders.chunks);
    await fs.syncFolder(root);
  }
  return folders;
}

/**
 * The files are the truth about what is held, the index about sizes and uses; least recently used first. A file that
 * the index does not know (a crash came before its row) counts as used when it was written, and its folder is synced,
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
  const present = new Set<Digest>();
  const adopted: IndexedChunk[] = [];
  for (const fan of FAN_OUT) {
    const folder = join(folders.chunks, fan);
    const found = listChunks(folder, fan);
    const strangers = found.filter((digest) => !known.has(digest));
    if (strangers.length > 0) await fs.syncFolder(folder);
    for (const digest of strangers) adopted.push(describe(folder, digest));
    for (const digest of found) present.add(digest);
  }
  for (const chunk of adopted) index.note(chunk);
  const gone = [...known.keys()].filter((digest) => !present.has(digest));
  for (const digest of gone) index.forget(digest);
  if (adopted.length > 0 || gone.length > 0) {
    log.info({ adopted: adopted.length, gone: gone.length }, 'chunk index brought up to the files');
  }
  const held = [...known.values()].filter((chunk) => present.has(chunk.digest));
  return { index, stock: [...held, ...adopted].sort((a, b) => a.usedMs - b.usedMs) };
}

function listChunks(folder: string, fan: string): Digest[] {
  const names = readdirSync(folder);
  return names
    .map((name) => `sha256:${name}` as const)
    .filter((name) => isDigest(name) && name.slice(7, 9) === fan);
}

function describe(folder: string, digest: Digest): IndexedChunk {
  const { size, mtimeMs } = statSync(join(folder, digest.slice('sha256:'.length)));
  return { digest, size, usedMs: Math.floor(mtimeMs) };
}
