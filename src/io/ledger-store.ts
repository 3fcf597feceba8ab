// The ledger of WAN bytes across restarts, in SQLite: one row for each day, source, purpose and image.
import type { DatabaseSync } from 'node:sqlite';
import type { LedgerRow } from '../swarm/ledger.ts';
import { inTransaction, openDatabase } from './database.ts';

/** The adapter behind `LedgerStore` of service/ledger. */
export interface SqliteLedgerStore {
  rows(): readonly LedgerRow[];
  add(rows: readonly LedgerRow[]): void;
  forgetBefore(day: string): void;
  close(): void;
}

/** Opens or makes the file. Throws PB-LEDGER-DAMAGED when it cannot be read. */
export function openLedgerStore(path: string): SqliteLedgerStore {
  return openDatabase({
    path,
    version: 1,
    // Written every second while bytes come: a power cut may cost the last of them, the end of the process none.
    synchronous: 'NORMAL',
    damaged: 'PB-LEDGER-DAMAGED',
    schema: `CREATE TABLE IF NOT EXISTS wan (
      day TEXT NOT NULL, source TEXT NOT NULL, purpose TEXT NOT NULL, title TEXT NOT NULL, bytes INTEGER NOT NULL,
      PRIMARY KEY (day, source, purpose, title)
    ) STRICT, WITHOUT ROWID`,
    open(database) {
      const store = storeOn(database);
      store.rows();
      return store;
    },
  });
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
      inTransaction(database, 'BEGIN', () => {
        for (const { day, source, purpose, title, bytes } of rows)
          add.run(day, source, purpose, title, bytes);
      });
    },
    forgetBefore: (day) => void forget.run(day),
    close: () => database.close(),
  };
}
