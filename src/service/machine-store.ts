// Port: what a peer remembers of machines and assignments across restarts. The adapter is in `io/`.

import type { AssignmentView, MachineView } from '../api/machines.ts';

/** The plan to image that a machine's agent was given. */
export interface PlannedImage {
  /** Of the assignment that the plan came from. */
  readonly revision: number;
  /** `name@version` */
  readonly image: string;
}

/** A machine whose agent has checked in: enough to know it again when it reports to a restarted peer. */
export interface MachineRecord {
  readonly id: string;
  readonly identity: MachineView['identity'];
  readonly firmware: string;
  readonly bootId: string;
  readonly lastSeenMs: number;
  readonly planned?: PlannedImage | undefined;
  /** What it was imaged with last, and when by the wall clock. */
  readonly done?: (PlannedImage & { readonly wallMs: number }) | undefined;
}

/** Every change is durable when the call returns; each throws when it cannot be. */
export interface MachineStore {
  machines(): readonly MachineRecord[];
  saveMachine(record: MachineRecord): void;
  dropMachine(id: string): void;
  assignments(): readonly AssignmentView[];
  /** Replaces the one of the same `machine` and `origin`. */
  saveAssignment(assignment: AssignmentView): void;
  dropAssignment(assignment: Pick<AssignmentView, 'machine' | 'origin'>): void;
}

/** Remembers nothing beyond the process. */
export function memoryMachineStore(): MachineStore {
  const machines = new Map<string, MachineRecord>();
  const assignments = new Map<string, AssignmentView>();
  const key = ({ origin, machine }: Pick<AssignmentView, 'machine' | 'origin'>) => `${origin} ${machine}`;
  return {
    machines: () => [...machines.values()],
    saveMachine: (record) => void machines.set(record.id, record),
    dropMachine: (id) => void machines.delete(id),
    assignments: () => [...assignments.values()],
    saveAssignment: (assignment) => void assignments.set(key(assignment), assignment),
    dropAssignment: (assignment) => void assignments.delete(key(assignment)),
  };
}
