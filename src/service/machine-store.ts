// Port: what a peer remembers of machines and assignments across restarts. The adapter is in `io/`.

import type { AssignmentView, ImagedRecord, MachineNote, MachineView } from '../api/machines.ts';
import type { DiskMark } from '../boot/ticket.ts';

/** The plan to image that a machine's agent was given. */
export interface PlannedImage {
  /** Of the assignment that the plan came from. */
  readonly revision: number;
  /** `name@version` */
  readonly image: string;
  /** Absent in what an older Peerboot wrote. */
  readonly ticket?: string | undefined;
}

/** A machine that was given a plan to image: enough to know it again, and never to image it twice. */
export interface MachineRecord {
  readonly id: string;
  readonly identity: MachineView['identity'];
  readonly firmware: string;
  readonly bootId: string;
  readonly lastSeenMs: number;
  /** `begun`: the disk whose ends were zeroed under the ticket. */
  readonly planned?: (PlannedImage & { readonly begun?: DiskMark | undefined }) | undefined;
  /** What it was imaged with last, and when by the wall clock. */
  readonly done?: (PlannedImage & { readonly wallMs: number }) | undefined;
  readonly name?: string | undefined;
  /** That the name was made from. */
  readonly nameTemplate?: string | undefined;
}

/** What another boot host told; `wallMs` is by our clock. */
export type ImagedElsewhere = Omit<ImagedRecord, 'ageMs'> & { readonly wallMs: number };

/** Every change is durable when the call returns; each throws when it cannot be. */
export interface MachineStore {
  machines(): readonly MachineRecord[];
  saveMachine(record: MachineRecord): void;
  dropMachine(id: string): void;
  assignments(): readonly AssignmentView[];
  /** Replaces the one of the same `machine` and `origin`. */
  saveAssignment(assignment: AssignmentView): void;
  dropAssignment(assignment: Pick<AssignmentView, 'machine' | 'origin'>): void;
  notes(): readonly MachineNote[];
  /** All of them or none; each replaces the one of the same machine. */
  saveList(assignments: readonly AssignmentView[], notes: readonly MachineNote[]): void;
  elsewhere(): readonly ImagedElsewhere[];
  /** Replaces the one of the same ticket. */
  saveElsewhere(record: ImagedElsewhere): void;
  dropElsewhere(ticket: string): void;
}

/** Remembers nothing beyond the process. */
export function memoryMachineStore(): MachineStore {
  const machines = new Map<string, MachineRecord>();
  const assignments = new Map<string, AssignmentView>();
  const notes = new Map<string, MachineNote>();
  const elsewhere = new Map<string, ImagedElsewhere>();
  const key = ({ origin, machine }: Pick<AssignmentView, 'machine' | 'origin'>) => `${origin} ${machine}`;
  return {
    machines: () => [...machines.values()],
    saveMachine: (record) => void machines.set(record.id, record),
    dropMachine: (id) => void machines.delete(id),
    assignments: () => [...assignments.values()],
    saveAssignment: (assignment) => void assignments.set(key(assignment), assignment),
    dropAssignment: (assignment) => void assignments.delete(key(assignment)),
    notes: () => [...notes.values()],
    saveList(list, more) {
      for (const assignment of list) assignments.set(key(assignment), assignment);
      for (const note of more) notes.set(note.machine, note);
    },
    elsewhere: () => [...elsewhere.values()],
    saveElsewhere: (record) => void elsewhere.set(record.ticket, record),
    dropElsewhere: (ticket) => void elsewhere.delete(ticket),
  };
}
