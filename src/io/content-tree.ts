// The published tree on disk: immutable files named by digest, each whole or absent, and a journal for interrupted runs.
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { chunkPath } from '../api/routes.ts';
import { type Descriptor, type Digest, digestHex, isDigest } from '../base/digest.ts';
import { PeerbootError } from '../base/errors.ts';
import type { ContentTree } from '../chunk/publish-ports.ts';
import { createDurableWriter, type DurableWriter, realStoreFs, type StoreFs } from './chunk-files-durable.ts';
import { lockFolder } from './chunk-files-lock.ts';
import { digestOf } from './hash.ts';

/** Beside `chunks/` and `catalogue/`; a web server may serve it, it holds nothing that is not published or public. */
export const WORK_FOLDER = '.publish';

export interface OpenContentTree extends ContentTree {
  close(): void;
}

/**
 * Opens the tree for one publication, making it when it is not there. Throws PB-TREE-BUSY while another one runs,
 * PB-TREE-FAILED when it cannot be written.
 */
export function openContentTree(folder: string, fs: StoreFs = realStoreFs): OpenContentTree {
  const work = join(folder, WORK_FOLDER);
  makeFolder(work);
  const lock = lockTree(work, folder);
  // The lock is ours: whatever lies there is left from a run that was cut off.
  const drafts = join(work, 'drafts');
  rmSync(drafts, { recursive: true, force: true });
  makeFolder(drafts);
  const journalPath = join(work, 'journal');
  const journal = readJournal(journalPath);
  const journalFile = openSync(journalPath, 'a');
  const underWay = new Map<Digest, Promise<void>>();
  /** By folder: 256 at most, one for the first two digits of a digest. */
  const writers = new Map<string, DurableWriter>();
  let draft = 0;

  const pathOf = (digest: Digest) => join(folder, chunkPath(digest));

  function has({ digest, size }: Descriptor): boolean {
    return statSync(pathOf(digest), { throwIfNoEntry: false })?.size === size;
  }

  async function get(descriptor: Descriptor): Promise<Uint8Array | undefined> {
    if (!has(descriptor)) return undefined;
    const bytes = new Uint8Array(await readFile(pathOf(descriptor.digest)));
    return digestOf(bytes) === descriptor.digest ? bytes : undefined;
  }

  async function writerFor(parent: string): Promise<DurableWriter> {
    const known = writers.get(parent);
    if (known !== undefined) return known;
    makeFolder(parent);
    // A file is only as durable as the names above it.
    await fs.syncFolder(dirname(parent));
    await fs.syncFolder(folder);
    const writer = createDurableWriter(fs, parent);
    writers.set(parent, writer);
    return writer;
  }

  async function write({ digest }: Descriptor, bytes: Uint8Array): Promise<void> {
    const path = pathOf(digest);
    try {
      const writer = await writerFor(dirname(path));
      await writer.place(join(drafts, String(draft++)), path, bytes);
      await writer.settle(path);
    } catch (cause) {
      throw failed(path, cause);
    }
  }

  return {
    has,
    get,
    async put(descriptor, bytes) {
      // Two puts of the same bytes are one write; and what is there, and whole, is left alone.
      const running = underWay.get(descriptor.digest);
      if (running !== undefined) return running;
      const task = (async () => {
        if ((await get(descriptor)) === undefined) await write(descriptor, bytes);
      })();
      underWay.set(descriptor.digest, task);
      try {
        await task;
      } finally {
        underWay.delete(descriptor.digest);
      }
    },
    async recall(key) {
      const descriptor = journal.get(key);
      return descriptor !== undefined && (await get(descriptor)) !== undefined ? descriptor : undefined;
    },
    remember(key, descriptor) {
      journal.set(key, descriptor);
      writeSync(journalFile, `${digestHex(key)} ${digestHex(descriptor.digest)} ${descriptor.size}\n`);
    },
    forget() {
      journal.clear();
      rmSync(journalPath, { force: true });
    },
    close() {
      closeSync(journalFile);
      lock.release();
    },
  };
}

/** Only whole lines count: the last one may have been cut off. What it says is checked against the chunk itself. */
function readJournal(path: string): Map<Digest, Descriptor> {
  const entries = new Map<Digest, Descriptor>();
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return entries;
    throw failed(path, cause);
  }
  for (const line of text.split('\n').slice(0, -1)) {
    const [key, chunk, size] = line.split(' ');
    const [keyDigest, digest] = [`sha256:${key}`, `sha256:${chunk}`];
    if (isDigest(keyDigest) && isDigest(digest)) entries.set(keyDigest, { digest, size: Number(size) });
  }
  return entries;
}

function lockTree(work: string, folder: string): { release(): void } {
  try {
    return lockFolder(work);
  } catch (cause) {
    throw new PeerbootError('PB-TREE-BUSY', `another publication into ${folder} is under way`, { cause });
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (cause) {
    throw failed(path, cause);
  }
}

function failed(path: string, cause: unknown): PeerbootError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new PeerbootError('PB-TREE-FAILED', `${path}: ${why}`, { cause });
}
