// Machines and assignments across restarts, in SQLite: each change is on the disk before the call returns.
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';

import { AssignmentView, MachineView } from '../api/machines.ts';
import { PeerbootError } from '../base/errors.ts';
import { ensureFolder } from './state-folder.ts';

const VERSION = 1;

const Planned = z.object({ revision: z.number(), image: z.string() });
const MachineRecord = z.object({
  id: z.string(),
  identity: MachineView.shape.identity,
  firmware: z.string(),
  bootId: z.string(),
  lastSeenMs: z.number(),
  planned: Planned.optional(),
  done: Planned.extend({ wallMs: z.number() }).optional(),
});
type MachineRecord = z.infer<typeof MachineRecord>;

/** The adapter behind `MachineStore` of service/machine-store. */
export interface SqliteMachineStore {
  machines(): readonly MachineRecord[];
  saveMachine(record: MachineRecord): void;
  dropMachine(id: string): void;
  assignments(): readonly AssignmentView[];
  saveAssignment(assignment: AssignmentView): void;
  dropAssignment(assignment: Pick<AssignmentView, 'machine' | 'origin'>): void;
  close(): void;
}

/**
 * Opens or makes the file. Throws PB-MACHINES-DAMAGED when it cannot be read: it must not be begun anew by itself,
 * for without the memory of what was imaged, machines under an assignment of all would be imaged again.
 */
export function openMachineStore(path: string): SqliteMachineStore {
  ensureFolder(dirname(path));
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    prepare(database);
    const store = storeOn(database);
    // Read whole once, so that damage shows now and not when a machine asks.
    store.machines();
    store.assignments();
    return store;
  } catch (error) {
    database?.close();
    throw new PeerbootError('PB-MACHINES-DAMAGED', `${path}: ${(error as Error).message}`, { cause: error });
  }
}

function prepare(database: DatabaseSync): void {
  // A lost `done` images a machine twice: every change waits for the disk, and there are few of them.
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 2000');
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version !== 0 && version !== VERSION) {
    throw new Error(`is of version ${version}, this Peerboot knows ${VERSION}`);
  }
  database.exec(
    `CREATE TABLE IF NOT EXISTS machine (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
     CREATE TABLE IF NOT EXISTS assignment (
       origin TEXT NOT NULL, machine TEXT NOT NULL, revision INTEGER NOT NULL, record TEXT NOT NULL,
       PRIMARY KEY (origin, machine)
     ) STRICT;
     PRAGMA user_version = ${VERSION}`,
  );
}

function storeOn(database: DatabaseSync): SqliteMachineStore {
  const upsertMachine = database.prepare(
    'INSERT INTO machine (id, record) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record',
  );
  const deleteMachine = database.prepare('DELETE FROM machine WHERE id = ?');
  const upsertAssignment = database.prepare(
    `INSERT INTO assignment (origin, machine, revision, record) VALUES (?, ?, ?, ?) ON CONFLICT (origin, machine)
     DO UPDATE SET revision = excluded.revision, record = excluded.record`,
  );
  const deleteAssignment = database.prepare('DELETE FROM assignment WHERE origin = ? AND machine = ?');
  return {
    machines: () => recordsOf(database, 'SELECT record FROM machine', MachineRecord),
    saveMachine: (record) => void upsertMachine.run(record.id, JSON.stringify(record)),
    dropMachine: (id) => void deleteMachine.run(id),
    assignments: () => recordsOf(database, 'SELECT record FROM assignment ORDER BY revision', AssignmentView),
    saveAssignment: (one) =>
      void upsertAssignment.run(one.origin, one.machine, one.revision, JSON.stringify(one)),
    dropAssignment: ({ origin, machine }) => void deleteAssignment.run(origin, machine),
    close: () => database.close(),
  };
}

function recordsOf<T>(database: DatabaseSync, query: string, schema: z.ZodType<T>): T[] {
  const rows = database.prepare(query).all() as { record: string }[];
  return rows.map(({ record }) => schema.parse(JSON.parse(record)));
}
