// Which machine gets which image: made by an administrator or by the configuration, numbered, durable.
import type { Assignment, AssignmentView } from '../api/machines.ts';
import type { Log } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { normaliseMachineName } from '../boot/plan.ts';
import type { MachineStore } from './machine-store.ts';

export interface Assignments {
  /** In order of their revisions. */
  list(): readonly AssignmentView[];
  /** Made anew, so that machines which already have the image get it again. Throws when it cannot be kept. */
  put(assignment: Assignment): AssignmentView;
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
  let all = [...store.assignments()];
  /** Above everything a machine was ever imaged under, also under assignments that are gone. */
  let revision = Math.max(
    0,
    ...all.map((one) => one.revision),
    ...store.machines().flatMap(({ done, planned }) => [done?.revision ?? 0, planned?.revision ?? 0]),
  );

  function save(assignment: Assignment, origin: AssignmentView['origin']): AssignmentView {
    const view: AssignmentView = {
      ...assignment,
      machine: normaliseMachineName(assignment.machine),
      origin,
      revision: revision + 1,
      assignedMs: clock.wallMs(),
    };
    store.saveAssignment(view);
    revision = view.revision;
    all = [...all.filter((one) => one.machine !== view.machine || one.origin !== origin), view];
    log.info({ machineName: view.machine, target: view.target, origin, revision }, 'image assigned');
    return view;
  }

  function drop(doomed: readonly AssignmentView[]): void {
    for (const one of doomed) {
      store.dropAssignment(one);
      all = all.filter((other) => other !== one);
      log.info({ machineName: one.machine, origin: one.origin }, 'assignment removed');
    }
  }

  return {
    list: () => all,
    put: (assignment) => save(assignment, 'admin'),
    configure(wanted) {
      const byName = new Map(wanted.map((one) => [normaliseMachineName(one.machine), one]));
      const fromConfig = all.filter((one) => one.origin === 'config');
      drop(fromConfig.filter((one) => !byName.has(one.machine)));
      for (const [name, one] of byName) {
        const before = fromConfig.find(({ machine }) => machine === name);
        if (before === undefined || !sameTarget(before, one)) save(one, 'config');
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

function sameTarget({ target: a }: Assignment, { target: b }: Assignment): boolean {
  if (a.kind === 'local-boot' || b.kind === 'local-boot') return a.kind === b.kind;
  return (
    a.image === b.image && a.disk.allowNonBlank === b.disk.allowNonBlank && a.disk.match === b.disk.match
  );
}
