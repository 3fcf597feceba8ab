// One process writes a chunk store: a lock that the kernel holds for us and lets go when we die, however we die.
import { truncateSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { PeerbootError } from '../base/errors.ts';

export interface FolderLock {
  release(): void;
}

/**
 * Node has no flock(2), but SQLite locks its file with fcntl(2): an exclusive transaction that never ends on an
 * empty database of its own. Rejects with PB-STORE-LOCKED when another process, or this one, has it.
 */
export function lockFolder(folder: string): FolderLock {
  const path = `${folder}/lock`;
  const database = new DatabaseSync(path);
  try {
    begin(database, path);
  } catch (error) {
    database.close();
    if (sqliteCode(error) !== SQLITE_BUSY) throw error;
    throw new PeerbootError('PB-STORE-LOCKED', `${folder} is in use by another process`, { cause: error });
  }
  return { release: () => database.close() };
}

const SQLITE_BUSY = 5;
const SQLITE_NOTADB = 26;

function begin(database: DatabaseSync, path: string): void {
  try {
    // A journal in memory: one on the disk would be left behind by a kill.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    // A power cut left garbage in it: nothing of worth was ever in this file.
    if (sqliteCode(error) !== SQLITE_NOTADB) throw error;
    truncateSync(path);
    database.exec('BEGIN EXCLUSIVE');
  }
}

function sqliteCode(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'errcode' in error
    ? Number(error.errcode)
    : undefined;
}
