// Machines and assignments across restarts, in SQLite: each change is on the disk before the call returns.
import type { DatabaseSync } from 'node:sqlite';
import * as z from 'zod';
import { AssignmentView, ImagedRecord, MachineNote, MachineView } from '../api/machines.ts';
import { inTransaction, openDatabase } from './database.ts';

const Disk = ImagedRecord.shape.disk.unwrap();
const Planned = z.object({ revision: z.number(), image: z.string(), ticket: z.string().optional() });
const MachineRecord = z.object({
  id: z.string(),
  identity: MachineView.shape.identity,
  firmware: z.string(),
  bootId: z.string(),
  lastSeenMs: z.number(),
  planned: Planned.extend({ begun: Disk.optional() }).optional(),
  done: Planned.extend({ wallMs: z.number() }).optional(),
  name: z.string().optional(),
  nameTemplate: z.string().optional(),
});
type MachineRecord = z.infer<typeof MachineRecord>;

const ImagedElsewhere = ImagedRecord.omit({ ageMs: true }).extend({ wallMs: z.number() });
type ImagedElsewhere = z.infer<typeof ImagedElsewhere>;

/** The adapter behind `MachineStore` of service/machine-store. */
export interface SqliteMachineStore {
  machines(): readonly MachineRecord[];
  saveMachine(record: MachineRecord): void;
  dropMachine(id: string): void;
  assignments(): readonly AssignmentView[];
  saveAssignment(assignment: AssignmentView): void;
  dropAssignment(assignment: Pick<AssignmentView, 'machine' | 'origin'>): void;
  notes(): readonly MachineNote[];
  saveList(assignments: readonly AssignmentView[], notes: readonly MachineNote[]): void;
  elsewhere(): readonly ImagedElsewhere[];
  saveElsewhere(record: ImagedElsewhere): void;
  dropElsewhere(ticket: string): void;
  close(): void;
}

/**
 * Opens or makes the file. Throws PB-MACHINES-DAMAGED when it cannot be read: it must not be begun anew by itself,
 * for without the memory of what was imaged, machines under an assignment of all would be imaged again.
 */
export function openMachineStore(path: string): SqliteMachineStore {
  return openDatabase({
    path,
    version: 1,
    // A lost `done` images a machine twice: every change waits for the disk, and there are few of them.
    synchronous: 'FULL',
    damaged: 'PB-MACHINES-DAMAGED',
    schema: `CREATE TABLE IF NOT EXISTS machine (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
      CREATE TABLE IF NOT EXISTS assignment (
        origin TEXT NOT NULL, machine TEXT NOT NULL, revision INTEGER NOT NULL, record TEXT NOT NULL,
        PRIMARY KEY (origin, machine)
      ) STRICT;
      CREATE TABLE IF NOT EXISTS note (machine TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
      CREATE TABLE IF NOT EXISTS elsewhere (ticket TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT`,
    open(database) {
      const store = storeOn(database);
      // Read whole once, so that damage shows now and not when a machine asks.
      store.machines();
      store.assignments();
      store.notes();
      store.elsewhere();
      return store;
    },
  });
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
  const upsertNote = database.prepare(
    'INSERT INTO note (machine, record) VALUES (?, ?) ON CONFLICT (machine) DO UPDATE SET record = excluded.record',
  );
  const upsertElsewhere = database.prepare(
    `INSERT INTO elsewhere (ticket, record) VALUES (?, ?) ON CONFLICT (ticket) DO UPDATE SET record = excluded.record`,
  );
  const deleteElsewhere = database.prepare('DELETE FROM elsewhere WHERE ticket = ?');
  const saveAssignment = (one: AssignmentView) =>
    void upsertAssignment.run(one.origin, one.machine, one.revision, JSON.stringify(one));
  return {
    machines: () => recordsOf(database, 'SELECT record FROM machine', MachineRecord),
    saveMachine: (record) => void upsertMachine.run(record.id, JSON.stringify(record)),
    dropMachine: (id) => void deleteMachine.run(id),
    assignments: () => recordsOf(database, 'SELECT record FROM assignment ORDER BY revision', AssignmentView),
    saveAssignment,
    dropAssignment: ({ origin, machine }) => void deleteAssignment.run(origin, machine),
    notes: () => recordsOf(database, 'SELECT record FROM note', MachineNote),
    saveList(assignments, notes) {
      inTransaction(database, 'BEGIN IMMEDIATE', () => {
        for (const one of assignments) saveAssignment(one);
        for (const one of notes) upsertNote.run(one.machine, JSON.stringify(one));
      });
    },
    elsewhere: () => recordsOf(database, 'SELECT record FROM elsewhere', ImagedElsewhere),
    saveElsewhere: (record) => void upsertElsewhere.run(record.ticket, JSON.stringify(record)),
    dropElsewhere: (ticket) => void deleteElsewhere.run(ticket),
    close: () => database.close(),
  };
}

function recordsOf<T>(database: DatabaseSync, query: string, schema: z.ZodType<T>): T[] {
  const rows = database.prepare(query).all() as { record: string }[];
  return rows.map(({ record }) => schema.parse(JSON.parse(record)));
}
