// Machines and assignments on disk: what is saved comes back, and damage stops the start instead of being forgotten.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AssignmentView } from '../../src/api/machines.ts';
import { openMachineStore } from '../../src/io/machine-store.ts';
import {
  type MachineRecord,
  type MachineStore,
  memoryMachineStore,
} from '../../src/service/machine-store.ts';

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'peerboot-machines-'));
  path = join(folder, 'state', 'machines.sqlite');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const record = (id: string): MachineRecord => ({
  id,
  identity: { uuid: '4c4c4544-0042-3010-8052-b9c04f4e3332', macs: [], serial: "S'N" },
  firmware: 'uefi',
  bootId: 'boot-1',
  lastSeenMs: 5,
  planned: { revision: 3, image: 'debian@12' },
  done: { revision: 2, image: 'debian@11', wallMs: 4 },
});
const assignment = (revision: number, machine = '*'): AssignmentView => ({
  machine,
  target: { kind: 'image', image: 'debian', disk: { allowNonBlank: true, match: 'vda' } },
  origin: 'admin',
  revision,
  assignedMs: 1,
});

describe.each<[string, () => { store: MachineStore; reopen: () => MachineStore }]>([
  [
    'on disk',
    () => {
      const store = openMachineStore(path);
      return {
        store,
        reopen: () => {
          store.close();
          return openMachineStore(path);
        },
      };
    },
  ],
  [
    'in memory',
    () => {
      const store = memoryMachineStore();
      return { store, reopen: () => store };
    },
  ],
])('%s', (_, open) => {
  it('machines come back as they were last saved', () => {
    const { store, reopen } = open();
    store.saveMachine(record('m-1'));
    store.saveMachine(record('m-2'));
    store.saveMachine({ ...record('m-1'), firmware: 'bios', done: undefined });
    store.dropMachine('m-2');
    expect(reopen().machines()).toEqual([{ ...record('m-1'), firmware: 'bios', done: undefined }]);
  });

  it('assignments come back in order, one for each name and origin', () => {
    const { store, reopen } = open();
    store.saveAssignment(assignment(1));
    store.saveAssignment(assignment(2, 'SN-1'));
    store.saveAssignment({ ...assignment(3), origin: 'config' });
    store.saveAssignment(assignment(4));
    store.dropAssignment({ machine: 'SN-1', origin: 'admin' });
    const again = reopen().assignments();
    expect(again.map(({ revision }) => revision).sort()).toEqual([3, 4]);
    expect(again).toContainEqual(assignment(4));
  });

  it('notes, lists and what other hosts imaged come back, each once', () => {
    const { store, reopen } = open();
    const elsewhere = {
      identity: { macs: [], serial: 'SN-9' },
      ticket: 'id9',
      image: 'debian@12',
      state: 'done' as const,
      disk: { name: 'vda' },
      wallMs: 7,
    };
    store.saveList([assignment(1, 'SN-1')], [{ machine: 'SN-1', tags: ['tills'], name: 'till-{n}' }]);
    store.saveList([assignment(2, 'SN-1')], [{ machine: 'SN-1', tags: [] }]);
    store.saveElsewhere({ ...elsewhere, wallMs: 1 });
    store.saveElsewhere(elsewhere);
    store.saveElsewhere({ ...elsewhere, ticket: 'gone' });
    store.dropElsewhere('gone');
    const again = reopen();
    expect(again.assignments()).toEqual([assignment(2, 'SN-1')]);
    expect(again.notes()).toEqual([{ machine: 'SN-1', tags: [] }]);
    expect(again.elsewhere()).toEqual([elsewhere]);
  });
});

it('a list that cannot be saved to its end is not saved at all', () => {
  const store = openMachineStore(path);
  store.saveAssignment(assignment(1, 'SN-1'));
  // No key of the table, so the last line of the list fails.
  const broken = { ...assignment(3, 'SN-3'), machine: undefined as unknown as string };
  expect(() => store.saveList([assignment(2, 'SN-2'), broken], [])).toThrow();
  expect(store.assignments()).toEqual([assignment(1, 'SN-1')]);
  store.saveList([assignment(4, 'SN-4')], []);
  expect(store.assignments()).toHaveLength(2);
  store.close();
});

it('what was saved survives a process that is killed in the middle of saving', () => {
  const module = fileURLToPath(new URL('../../src/io/machine-store.ts', import.meta.url));
  const program = `
    import { openMachineStore } from ${JSON.stringify(module)};
    const store = openMachineStore(${JSON.stringify(path)});
    for (let i = 1; ; i++) {
      store.saveAssignment({ ...${JSON.stringify(assignment(0))}, revision: i });
      process.stdout.write(i + '\\n');
      if (i === 20) process.kill(process.pid, 'SIGKILL');
    }`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(child.signal).toBe('SIGKILL');
  const acknowledged = Number(child.stdout.trim().split('\n').at(-1));
  expect(acknowledged).toBe(20);
  const store = openMachineStore(path);
  expect(store.assignments()[0]?.revision).toBe(acknowledged);
  store.close();
});

describe('is not begun anew by itself', () => {
  const damage: [string, () => void][] = [
    ['is no database', () => writeFileSync(path, 'x'.repeat(8192))],
    ['is cut short', () => truncateSync(path, 5000)],
    [
      'is of a later version',
      () => {
        const database = new DatabaseSync(path);
        database.exec('PRAGMA user_version = 99');
        database.close();
      },
    ],
    [
      'holds a record that is none',
      () => {
        const database = new DatabaseSync(path);
        database.exec(`INSERT INTO machine VALUES ('m-none', '{}')`);
        database.close();
      },
    ],
  ];
  it.each(damage)('when the file %s', (_, harm) => {
    const store = openMachineStore(path);
    for (let i = 0; i < 200; i++) store.saveMachine(record(`m-${i}`));
    store.close();
    harm();
    expect(() => openMachineStore(path)).toThrow(expect.objectContaining({ code: 'PB-MACHINES-DAMAGED' }));
  });

  it('when it lies in a folder that cannot be written', () => {
    execFileSync('mkdir', ['-p', path]);
    expect(() => openMachineStore(path)).toThrow(expect.objectContaining({ code: 'PB-MACHINES-DAMAGED' }));
  });
});
