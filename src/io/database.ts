// A small SQLite database of one purpose: opened or made, of a known version, read once so that damage shows at the start.
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { ErrorCode } from '../base/error-table.ts';
import { PeerbootError } from '../base/errors.ts';
import { ensureFolder } from './state-folder.ts';

export interface DatabaseOptions<Store> {
  readonly path: string;
  readonly version: number;
  /** FULL: each change is on the disk when the call returns. NORMAL: a power cut may cost the last ones, never the rest. */
  readonly synchronous: 'FULL' | 'NORMAL';
  /** Of what is not there yet. */
  readonly schema: string;
  /** What is thrown when it cannot be read. */
  readonly damaged: ErrorCode;
  /** Prepares statements, and reads all there is. */
  readonly open: (database: DatabaseSync) => Store;
}

export function openDatabase<Store>(options: DatabaseOptions<Store>): Store {
  const { path } = options;
  ensureFolder(dirname(path));
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    prepare(database, options);
    return options.open(database);
  } catch (error) {
    database?.close();
    throw new PeerbootError(options.damaged, `${path}: ${(error as Error).message}`, { cause: error });
  }
}

function prepare(database: DatabaseSync, options: DatabaseOptions<unknown>): void {
  const { version, synchronous, schema } = options;
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA busy_timeout = 2000`);
  const found = database.prepare('PRAGMA user_version').get() as { user_version: number };
  if (found.user_version !== 0 && found.user_version !== version) {
    throw new Error(`is of version ${found.user_version}, this Peerboot knows ${version}`);
  }
  database.exec(`${schema}; PRAGMA user_version = ${version}`);
}

/** All of it or none. `begin`: as SQLite says it; IMMEDIATE waits for other writers before anything is read. */
export function inTransaction(
  database: DatabaseSync,
  begin: 'BEGIN' | 'BEGIN IMMEDIATE',
  work: () => void,
): void {
  database.exec(begin);
  try {
    work();
    database.exec('COMMIT');
  } catch (error) {
    database.exec('ROLLBACK');
    throw error;
  }
}
