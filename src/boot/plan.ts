// What a machine shall do: the one assignment that fits it best, and the plan that follows from it.
import type { Plan } from '../api/agent.ts';
import { type CatalogueImage, findImage } from '../api/catalogue.ts';
import type { MachineIdentity } from '../api/identity.ts';
import type { Assignment } from '../api/machines.ts';
import { parseMac } from '../base/addresses.ts';
import { normaliseUuid, uuidKey } from '../base/uuid.ts';

export interface PlannedMachine {
  readonly id: string;
  readonly identity: Partial<MachineIdentity>;
  /** Revision of the assignment under which it was last imaged with success. */
  readonly doneRevision?: number | undefined;
}

/** An assignment with the number it got when it was made: each `assign` has a higher one than all before. */
export interface NumberedAssignment extends Assignment {
  readonly revision: number;
}

export interface PlanDecision {
  readonly plan: Plan;
  /** Why, in words for the machine's screen and the log. */
  readonly reason: string;
  /** The assignment that decided; undefined when none fits. */
  readonly assignment: NumberedAssignment | undefined;
}

/** How long a machine waits that is assigned an image which this peer does not have yet. */
export const WAIT_MS = 15_000;

/**
 * Decides for one machine. The most specific assignment wins: UUID, MAC, id, serial, then `*`.
 *
 * An assignment is used up by a machine once that machine was imaged under it, whatever the version: it then
 * boots from its own disk, also when it starts from the network first, and also when a newer version is
 * published later. Assigning again (a higher revision) arms it again.
 */
export function planFor(
  machine: PlannedMachine,
  assignments: readonly NumberedAssignment[],
  images: readonly CatalogueImage[],
): PlanDecision {
  const assignment = bestFor(machine, assignments);
  if (assignment === undefined) return { ...localBoot('no image is assigned to it'), assignment };
  if (assignment.target.kind === 'local-boot') {
    return { ...localBoot('it is assigned to boot from its own disk'), assignment };
  }
  if (machine.doneRevision !== undefined && machine.doneRevision >= assignment.revision) {
    return { ...localBoot(`it already has ${assignment.target.image}, assign again to repeat`), assignment };
  }
  const image = findImage(images, assignment.target.image);
  if (image === undefined) {
    const reason = `${assignment.target.image} is assigned to it, but this peer has no such image yet`;
    return { plan: { kind: 'wait', retryAfterMs: WAIT_MS, reason }, reason, assignment };
  }
  const reason = `${image.name} ${image.version} is assigned to it`;
  return {
    plan: {
      kind: 'image',
      image: { name: image.name, version: image.version },
      disk: assignment.target.disk,
      finish: 'reboot',
    },
    reason,
    assignment,
  };
}

function localBoot(reason: string): { plan: Plan; reason: string } {
  return { plan: { kind: 'local-boot' }, reason };
}

/** One form for what an operator may type: `*`, a MAC, a UUID, else an id or serial as it stands. */
export function normaliseMachineName(text: string): string {
  const name = text.trim();
  return parseMac(name) ?? normaliseUuid(name) ?? name;
}

/** 0: the name does not mean this machine; else the higher, the more specific. */
export function specificity(name: string, { id, identity }: PlannedMachine): number {
  if (identity.uuid !== undefined) {
    const uuid = normaliseUuid(name);
    if (uuid !== undefined && uuidKey(uuid) === uuidKey(identity.uuid)) return 5;
  }
  if (identity.macs?.includes(name) === true) return 4;
  if (name === id) return 3;
  if (identity.serial !== undefined && name === identity.serial) return 2;
  return name === '*' ? 1 : 0;
}

function bestFor(
  machine: PlannedMachine,
  assignments: readonly NumberedAssignment[],
): NumberedAssignment | undefined {
  const fitting = assignments
    .map((assignment) => ({ assignment, rank: specificity(assignment.machine, machine) }))
    .filter(({ rank }) => rank > 0);
  fitting.sort((a, b) => b.rank - a.rank || b.assignment.revision - a.assignment.revision);
  return fitting[0]?.assignment;
}
