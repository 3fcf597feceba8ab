// The chunk store's memory of sizes and last uses, in SQLite: a hint only, rebuilt from the files whenever it is lost.
import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { Descriptor, Digest } from '../base/digest.ts';
import type { Log } from '../base/log.ts';

export interface IndexedChunk extends Descriptor {
  /** Wall clock, ms since 1970. */
  readonly usedMs: number;
}

export interface ChunkIndex {
  /** True when the file was new, or could not be read and was begun anew. */
  readonly isNew: boolean;
  /** What it remembers, least recently used first. */
  load(): readonly IndexedChunk[];
  note(chunk: IndexedChunk): void;
  forget(digest: Digest): void;
  /** Writes what is waiting. */
  flush(): void;
  close(): void;
}

const VERSION = 1;
/** Rows a transaction: about two milliseconds of the event loop. */
const BATCH = 512;
const FLUSH_AFTER_MS = 500;

/** Opens the index; one that is damaged, or of another version, is removed and begun anew. */
export function openChunkIndex(path: string, log: Log): ChunkIndex {
  let opened: { database: DatabaseSync; isNew: boolean };
  try {
    opened = openDatabase(path);
  } catch (error) {
    log.warn({ path, err: error }, 'chunk index is damaged and is rebuilt from the files');
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(path + suffix, { force: true });
    opened = openDatabase(path);
  }
  const { database, isNew } = opened;
  const upsert = database.prepare(
    'INSERT INTO chunk (digest, size, used_ms) VALUES (?, ?, ?) ' +
      'ON CONFLICT (digest) DO UPDATE SET size = excluded.size, used_ms = excluded.used_ms',
  );
  const remove = database.prepare('DELETE FROM chunk WHERE digest = ?');
  const waiting = new Map<Digest, IndexedChunk | undefined>();
  let timer: NodeJS.Timeout | undefined;

  function wait(digest: Digest, chunk: IndexedChunk | undefined): void {
    waiting.set(digest, chunk);
    timer ??= setTimeout(flushSome, FLUSH_AFTER_MS).unref();
  }

  function flushSome(): void {
    timer = undefined;
    writeBatch();
    if (waiting.size > 0) timer = setTimeout(flushSome, 0).unref();
  }

  /** What cannot be written is let go: at the next start the files themselves tell what is held. */
  function writeBatch(): void {
    const batch = [...waiting].slice(0, BATCH);
    for (const [digest] of batch) waiting.delete(digest);
    try {
      database.exec('BEGIN');
      for (const [digest, chunk] of batch) {
        if (chunk === undefined) remove.run(digest);
        else upsert.run(digest, chunk.size, chunk.usedMs);
      }
      database.exec('COMMIT');
    } catch (error) {
      log.warn({ path, rows: batch.length, err: error }, 'chunk index could not be written');
      if (database.isTransaction) database.exec('ROLLBACK');
    }
  }

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    while (waiting.size > 0) writeBatch();
  }

  return {
    isNew,
    load() {
      const rows = database.prepare('SELECT digest, size, used_ms FROM chunk ORDER BY used_ms').all();
      return rows.map((row) => ({
        digest: row.digest as Digest,
        size: Number(row.size),
        usedMs: Number(row.used_ms),
      }));
    },
    note: (chunk) => wait(chunk.digest, chunk),
    forget: (digest) => wait(digest, undefined),
    flush,
    close() {
      flush();
      database.close();
    },
  };
}

/** Throws when the file is no database, fails its own check, or is of another version. */
function openDatabase(path: string): { database: DatabaseSync; isNew: boolean } {
  const database = new DatabaseSync(path);
  try {
    // Nothing is synced: after a power cut the index may be damaged, which is found here and costs one listing.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 256');
    const version = Number(database.prepare('PRAGMA user_version').get()?.user_version);
    if (version !== 0 && version !== VERSION) throw new Error(`chunk index of version ${version}`);
    const check = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
    if (check !== 'ok') throw new Error(`chunk index: ${String(check)}`);
    database.exec(
      'CREATE TABLE IF NOT EXISTS chunk ' +
        '(digest TEXT PRIMARY KEY, size INTEGER NOT NULL, used_ms INTEGER NOT NULL) WITHOUT ROWID, STRICT; ' +
        `PRAGMA user_version = ${VERSION}`,
    );
    return { database, isNew: version === 0 };
  } catch (error) {
    database.close();
    throw error;
  }
}
