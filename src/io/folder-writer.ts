// Makes a package's files below a folder of its own, never through a link, and durable before it says so.
import { close, fsync, mkdirSync, openSync, symlinkSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PeerbootError } from '../base/errors.ts';
import { type ArchiveEntry, ROOT_PATH } from '../chunk/archive.ts';
import { windowsRefuses } from '../chunk/archive-names.ts';
import type { TreeWriter } from '../chunk/tree-writer.ts';

/** Files that wait for the disk at a time. */
const MOST_SYNCING = 16;

/**
 * `root` must not exist: it becomes the package's folder, or its one file. Every folder is made here and nothing that
 * exists is opened, so nobody's link leads a file elsewhere, whatever the archive says.
 */
export function createFolderWriter(root: string): TreeWriter {
  let open: { readonly fd: number; readonly path: string } | undefined;
  const folders: string[] = [];
  const syncing = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;

  function finish(): void {
    if (open === undefined) return;
    const { fd, path } = open;
    open = undefined;
    const synced: Promise<void> = syncAndClose(fd, path)
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => syncing.delete(synced));
    syncing.add(synced);
  }

  function pathOf(entry: ArchiveEntry): string {
    if (entry.path === ROOT_PATH || folders.length === 0) return root;
    const why = process.platform === 'win32' ? windowsRefuses(entry.path) : undefined;
    if (why !== undefined) throw failed(entry.path, `${entry.path} ${why}`);
    return join(root, entry.path);
  }

  return {
    async begin(entry) {
      finish();
      while (syncing.size >= MOST_SYNCING) await Promise.race(syncing);
      if (failure !== undefined) throw failure.error;
      const path = pathOf(entry);
      doing(path, () => {
        if (entry.kind === 'folder') {
          mkdirSync(path);
          folders.push(path);
        } else if (entry.kind === 'link') symlinkSync(entry.to, path);
        // wx: O_CREAT and O_EXCL, which follow no link either (open(2)).
        else open = { path, fd: openSync(path, 'wx', entry.executable ? 0o777 : 0o666) };
      });
    },
    async data(bytes) {
      if (open === undefined) throw new Error('assertion failed: content comes behind its file');
      const { fd, path } = open;
      doing(path, () => {
        for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
      });
    },
    async end() {
      finish();
      await Promise.all(syncing);
      if (failure !== undefined) throw failure.error;
      // The deepest first; links and empty files are durable with the folder that names them.
      for (const folder of folders.toReversed()) await syncFolder(folder);
      await syncFolder(dirname(root));
    },
  };
}

function syncAndClose(fd: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    fsync(fd, (syncError) => {
      close(fd, (closeError) => {
        const error = syncError ?? closeError;
        if (error === null || error === undefined) resolve();
        else reject(failed(path, error.message, error));
      });
    });
  });
}

async function syncFolder(path: string): Promise<void> {
  // Windows opens no folders; its file systems order renames themselves.
  if (process.platform === 'win32') return;
  try {
    const folder = await open(path, 'r');
    await folder.sync().finally(() => folder.close());
  } catch (cause) {
    throw failed(path, (cause as Error).message, cause);
  }
}

function doing(path: string, call: () => void): void {
  try {
    call();
  } catch (cause) {
    throw failed(path, (cause as Error).message, cause);
  }
}

function failed(path: string, what: string, cause?: unknown): PeerbootError {
  return new PeerbootError('PB-PACKAGE-WRITE', `${path}: ${what}`, { cause });
}
