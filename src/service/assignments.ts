// Which machine gets which image, and what is noted of it: made by an administrator or the configuration, numbered, durable.
import type { Assignment, AssignmentView, MachineNote } from '../api/machines.ts';
import { TAG_PREFIX } from '../api/machines.ts';
import type { Log } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { normaliseUuid, uuidKey } from '../base/uuid.ts';
import { textKey } from '../boot/identity.ts';
import { normaliseMachineName, type PlannedMachine } from '../boot/plan.ts';
import type { MachineStore } from './machine-store.ts';

export type NamedMachine = Pick<PlannedMachine, 'id' | 'identity' | 'tags'>;

export interface Assignments {
  /** In order of their revisions. */
  list(): readonly AssignmentView[];
  /** Those that may mean this machine, found without looking at all of them. */
  about(machine: NamedMachine): readonly AssignmentView[];
  /** What was noted of it ahead of time. */
  noteOf(machine: NamedMachine): Omit<MachineNote, 'machine'>;
  /**
   * Made anew, so that machines which already have the image get it again. `assignedMs`: when it was made, if not now. Throws
   * when it cannot be kept.
   */
  put(assignment: Assignment, assignedMs?: number): AssignmentView;
  notes(): readonly MachineNote[];
  /** All of them, or none when it throws. */
  putList(assignments: readonly Assignment[], notes: readonly MachineNote[]): readonly AssignmentView[];
  /**
   * Takes over what the configuration says. One that is unchanged keeps its revision: a restart of the service
   * does not image machines again. One that is no longer there is dropped.
   */
  configure(assignments: readonly Assignment[]): void;
  /** Drops what is assigned under this name; false when nothing is. */
  remove(machine: string): boolean;
}

export interface AssignmentsOptions {
  readonly store: MachineStore;
  readonly clock: Clock;
  readonly log: Log;
}

export function createAssignments({ store, clock, log }: AssignmentsOptions): Assignments {
  let all: readonly AssignmentView[] = [...store.assignments()].sort((a, b) => a.revision - b.revision);
  let notes = new Map(store.notes().map((note) => [note.machine, note]));
  let byKey = indexed(all);
  let notesByKey = indexed([...notes.values()]);
  /** Above everything a machine was ever imaged under, also under assignments that are gone. */
  let revision = Math.max(
    0,
    ...all.map((one) => one.revision),
    ...store.machines().flatMap(({ done, planned }) => [done?.revision ?? 0, planned?.revision ?? 0]),
  );

  const nameKey = ({ origin, machine }: Pick<AssignmentView, 'machine' | 'origin'>) => `${origin} ${machine}`;

  function save(
    assignments: readonly Assignment[],
    origin: AssignmentView['origin'],
    more: readonly MachineNote[] = [],
    assignedMs = clock.wallMs(),
  ): readonly AssignmentView[] {
    const views = assignments.map(
      (assignment, i): AssignmentView => ({
        ...assignment,
        machine: normaliseMachineName(assignment.machine),
        origin,
        revision: revision + 1 + i,
        assignedMs,
      }),
    );
    const noted = more.map((note) => ({ ...note, machine: normaliseMachineName(note.machine) }));
    const [first] = views;
    if (views.length === 1 && noted.length === 0 && first !== undefined) store.saveAssignment(first);
    else store.saveList(views, noted);
    revision += views.length;
    const replaced = new Set(views.map(nameKey));
    all = [...all.filter((one) => !replaced.has(nameKey(one))), ...views];
    notes = new Map([...notes, ...noted.map((note) => [note.machine, note] as const)]);
    byKey = indexed(all);
    notesByKey = indexed([...notes.values()]);
    for (const view of views) {
      log.info(
        { machineName: view.machine, target: view.target, origin, revision: view.revision },
        'image assigned',
      );
    }
    return views;
  }

  function drop(doomed: readonly AssignmentView[]): void {
    for (const one of doomed) {
      store.dropAssignment(one);
      all = all.filter((other) => other !== one);
      log.info({ machineName: one.machine, origin: one.origin }, 'assignment removed');
    }
    byKey = indexed(all);
  }

  return {
    list: () => all,
    about: (machine) => found(byKey, machine),
    noteOf(machine) {
      const fitting = found(notesByKey, machine);
      const name = fitting.find((note) => note.name !== undefined)?.name;
      return {
        tags: [...new Set(fitting.flatMap(({ tags }) => tags))],
        ...(name === undefined ? {} : { name }),
      };
    },
    notes: () => [...notes.values()],
    put(assignment, assignedMs) {
      const [view] = save([assignment], 'admin', [], assignedMs);
      return view as AssignmentView;
    },
    putList: (assignments, more) => save(assignments, 'admin', more),
    configure(wanted) {
      const byName = new Map(wanted.map((one) => [normaliseMachineName(one.machine), one]));
      const fromConfig = all.filter((one) => one.origin === 'config');
      drop(fromConfig.filter((one) => !byName.has(one.machine)));
      for (const [name, one] of byName) {
        const before = fromConfig.find(({ machine }) => machine === name);
        if (before === undefined || !sameTarget(before, one)) save([one], 'config');
      }
    },
    remove(machine) {
      const name = normaliseMachineName(machine);
      const doomed = all.filter((one) => one.machine === name);
      drop(doomed);
      return doomed.length > 0;
    },
  };
}

type Index<T> = ReadonlyMap<string, readonly T[]>;

/** By every spelling under which a machine may be looked up: thousands come with a list, and each boot asks. */
function indexed<T extends { readonly machine: string }>(all: readonly T[]): Index<T> {
  const index = new Map<string, T[]>();
  for (const one of all) {
    for (const key of nameKeys(one.machine)) {
      const there = index.get(key);
      if (there === undefined) index.set(key, [one]);
      else there.push(one);
    }
  }
  return index;
}

function nameKeys(name: string): readonly string[] {
  if (name === '*' || name.startsWith(TAG_PREFIX)) return [name];
  const uuid = normaliseUuid(name);
  return [name, `serial ${textKey(name)}`, ...(uuid === undefined ? [] : [`uuid ${uuidKey(uuid)}`])];
}

function found<T>(index: Index<T>, { id, identity, tags }: NamedMachine): readonly T[] {
  const { uuid, serial, macs = [] } = identity;
  const keys = [
    id,
    ...macs,
    ...(uuid === undefined ? [] : [`uuid ${uuidKey(uuid)}`]),
    ...(serial === undefined ? [] : [`serial ${textKey(serial)}`]),
    ...(tags ?? []).map((tag) => TAG_PREFIX + tag),
    '*',
  ];
  return [...new Set(keys.flatMap((key) => index.get(key) ?? []))];
}

function sameTarget(a: Assignment, b: Assignment): boolean {
  if (a.name !== b.name) return false;
  const [one, other] = [a.target, b.target];
  // The configuration assigns no boot entries: they are good once.
  if (one.kind !== 'image' || other.kind !== 'image') return one.kind === other.kind;
  return (
    one.image === other.image &&
    one.disk.allowNonBlank === other.disk.allowNonBlank &&
    one.disk.match === other.disk.match
  );
}
