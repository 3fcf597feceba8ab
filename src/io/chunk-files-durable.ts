// How a chunk becomes durable: temp file, sync, rename, folder sync; folder syncs of concurrent puts are one.
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';

/** The steps, so that a test can watch their order and make one fail. */
export interface StoreFs {
  /** Creates the file, which must not exist, and writes all the bytes; leaves nothing open when it fails. */
  create(path: string, bytes: Uint8Array): Promise<FileHandle>;
  sync(file: FileHandle): Promise<void>;
  close(file: FileHandle): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  syncFolder(path: string): Promise<void>;
  /** A file that is gone already is no error. */
  remove(path: string): Promise<void>;
}

export const realStoreFs: StoreFs = {
  async create(path, bytes) {
    const file = await open(path, 'wx');
    try {
      for (let at = 0; at < bytes.length; ) {
        at += (await file.write(bytes, at, bytes.length - at, at)).bytesWritten;
      }
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  },
  sync: (file) => file.sync(),
  close: (file) => file.close(),
  rename,
  async syncFolder(path) {
    const folder = await open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  },
  async remove(path) {
    try {
      await unlink(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  },
};

/**
 * When any step fails, neither `temp` nor `path` is left behind: after a failed sync the kernel may have thrown the
 * pages away, and a second sync would then succeed without them, so nothing is ever synced twice.
 */
export interface DurableWriter {
  /** Writes and syncs `temp`, then gives it its name; not durable before `settle`. */
  place(temp: string, path: string, bytes: Uint8Array): Promise<void>;
  /** Makes the name durable: concurrent calls share a sync. */
  settle(path: string): Promise<void>;
}

/** For files that all go into the one `folder`. */
export function createDurableWriter(fs: StoreFs, folder: string): DurableWriter {
  const syncFolder = batchSyncs(() => fs.syncFolder(folder));
  return {
    async place(temp, path, bytes) {
      try {
        const file = await fs.create(temp, bytes);
        try {
          await fs.sync(file);
        } finally {
          await fs.close(file);
        }
        await fs.rename(temp, path);
      } catch (error) {
        await fs.remove(temp);
        throw error;
      }
    },
    async settle(path) {
      try {
        await syncFolder();
      } catch (error) {
        await fs.remove(path);
        throw error;
      }
    },
  };
}

/** Runs at most `limit` tasks at a time, first come first served. */
export function createGate(limit: number): <T>(task: () => Promise<T>) => Promise<T> {
  let free = limit;
  const queue: (() => void)[] = [];
  return async (task) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => queue.push(resolve));
    try {
      return await task();
    } finally {
      const next = queue.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}

/**
 * A folder's sync covers every rename before it began. So whoever asks while one runs waits for the next round,
 * which is then one sync for all of them.
 */
function batchSyncs(sync: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  function begin(): Promise<void> {
    next = undefined;
    running = sync().finally(() => {
      running = undefined;
    });
    return running;
  }

  return () => {
    if (running === undefined) return begin();
    next ??= running.then(begin, begin);
    return next;
  };
}
