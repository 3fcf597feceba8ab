// The ledger of WAN bytes across restarts, in SQLite: one row for each day, source, purpose and image.
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PeerbootError } from '../base/errors.ts';
import type { LedgerRow } from '../swarm/ledger.ts';
import { ensureFolder } from './state-folder.ts';

const VERSION = 1;

/** The adapter behind `LedgerStore` of service/ledger. */
export interface SqliteLedgerStore {
  rows(): readonly LedgerRow[];
  add(rows: readonly LedgerRow[]): void;
  forgetBefore(day: string): void;
  close(): void;
}

/** Opens or makes the file. Throws PB-LEDGER-DAMAGED when it cannot be read. */
export function openLedgerStore(path: string): SqliteLedgerStore {
  ensureFolder(dirname(path));
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    prepare(database);
    const store = storeOn(database);
    store.rows();
    return store;
  } catch (error) {
    database?.close();
    throw new PeerbootError('PB-LEDGER-DAMAGED', `${path}: ${(error as Error).message}`, { cause: error });
  }
}

function prepare(database: DatabaseSync): void {
  // Written every second while bytes come: a power cut may cost the last of them, the end of the process none.
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000');
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version !== 0 && version !== VERSION) {
    throw new Error(`is of version ${version}, this Peerboot knows ${VERSION}`);
  }
  database.exec(
    `CREATE TABLE IF NOT EXISTS wan (
       day TEXT NOT NULL, source TEXT NOT NULL, purpose TEXT NOT NULL, title TEXT NOT NULL, bytes INTEGER NOT NULL,
       PRIMARY KEY (day, source, purpose, title)
     ) STRICT, WITHOUT ROWID;
     PRAGMA user_version = ${VERSION}`,
  );
}

function storeOn(database: DatabaseSync): SqliteLedgerStore {
  const select = database.prepare('SELECT day, source, purpose, title, bytes FROM wan ORDER BY day');
  const add = database.prepare(
    `INSERT INTO wan (day, source, purpose, title, bytes) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (day, source, purpose, title) DO UPDATE SET bytes = bytes + excluded.bytes`,
  );
  const forget = database.prepare('DELETE FROM wan WHERE day < ?');
  return {
    rows: () => select.all() as unknown as LedgerRow[],
    add(rows) {
      database.exec('BEGIN');
      try {
        for (const { day, source, purpose, title, bytes } of rows)
          add.run(day, source, purpose, title, bytes);
        database.exec('COMMIT');
      } catch (error) {
        database.exec('ROLLBACK');
        throw error;
      }
    },
    forgetBefore: (day) => void forget.run(day),
    close: () => database.close(),
  };
}
