// What a machine shall do: the one assignment that fits it best, and the plan that follows from it.
import type { Plan } from '../api/agent.ts';
import { type CatalogueImage, findImage } from '../api/catalogue.ts';
import type { MachineIdentity } from '../api/identity.ts';
import { type Assignment, TAG_PREFIX } from '../api/machines.ts';
import { parseMac } from '../base/addresses.ts';
import { normaliseUuid, uuidKey } from '../base/uuid.ts';
import { textKey } from './identity.ts';

export interface PlannedMachine {
  readonly id: string;
  readonly identity: Partial<MachineIdentity>;
  readonly tags?: readonly string[] | undefined;
  /** Revision of the assignment under which it was last imaged with success. */
  readonly doneRevision?: number | undefined;
  /** Ids of imaged machines that it cannot be told from. */
  readonly doubts?: readonly string[] | undefined;
  /** What another boot host of the site has imaged it with, and when by our clock. */
  readonly elsewhere?: { readonly image: string; readonly wallMs: number } | undefined;
}

/** An assignment with the number it got when it was made: each `assign` has a higher one than all before. */
export interface NumberedAssignment extends Assignment {
  readonly revision: number;
  /** `config` when absent. */
  readonly origin?: 'admin' | 'config';
  readonly assignedMs?: number;
}

/** What a machine does that nobody assigned anything to: boot its own disk, or wait on its screen for approval. */
export type UnknownRule = 'local' | 'wait';

export interface PlanRules {
  readonly unknown: UnknownRule;
  /** The machine that used up an assignment of one machine. */
  readonly takenBy?: (revision: number) => string | undefined;
}

export interface PlanDecision {
  readonly plan: Plan;
  /** Why, in words for the machine's screen and the log. */
  readonly reason: string;
  /** The assignment that decided; undefined when none fits. */
  readonly assignment: NumberedAssignment | undefined;
  /** It waits to be approved: the agent is to be booted, to show the code. */
  readonly unapproved?: true;
  /** The agent's system is to be booted into a shell: chosen on the machine's menu. */
  readonly shell?: true;
  /** The boot entry that its next script is to start, once; an agent that asks is told to boot from disk. */
  readonly entry?: string;
}

/** How long a machine waits that is assigned an image which this peer does not have yet. */
export const WAIT_MS = 15_000;
/** How often a machine asks that waits for approval: somebody stands before it. */
export const APPROVAL_MS = 3_000;

/**
 * Decides for one machine. The most specific assignment wins: its own id, UUID, MAC, serial, a tag, then `*`.
 *
 * An assignment of one machine is one ticket, and of a tag or all one for each machine. It is used up by a machine once
 * that machine was imaged under it, whatever the version: it then boots from its own disk, also when it starts from the
 * network first, and also when a newer version is published later. Assigning again (a higher revision) arms it again.
 */
export function planFor(
  machine: PlannedMachine,
  assignments: readonly NumberedAssignment[],
  images: readonly CatalogueImage[],
  rules: PlanRules = { unknown: 'local' },
): PlanDecision {
  const assignment = bestFor(machine, assignments, rules);
  if (assignment === undefined) return unassigned(machine, rules.unknown);
  if (assignment.target.kind === 'local-boot') {
    return { ...localBoot('it is assigned to boot from its own disk'), assignment };
  }
  if (assignment.target.kind === 'boot-entry') {
    const { entry } = assignment.target;
    return { ...localBoot(`it is assigned to start ${entry} once`), assignment, entry };
  }
  if (machine.doneRevision !== undefined && machine.doneRevision >= assignment.revision) {
    return { ...localBoot(`it already has ${assignment.target.image}, assign again to repeat`), assignment };
  }
  if (imagedElsewhere(machine, assignment)) {
    const reason = `another boot host of this site imaged it with ${machine.elsewhere?.image}`;
    return { ...localBoot(reason), assignment };
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

function unassigned(machine: PlannedMachine, unknown: UnknownRule): PlanDecision {
  const doubts = machine.doubts ?? [];
  const imaged = machine.doneRevision !== undefined || machine.elsewhere !== undefined;
  const why =
    doubts.length === 0
      ? 'no image is assigned to it'
      : `it cannot be told from ${doubts[0]}, so only its own id ${machine.id} can be assigned an image`;
  if (unknown === 'local' || imaged) return { ...localBoot(why), assignment: undefined };
  const reason = `${why}; it waits to be approved`;
  return {
    plan: { kind: 'wait', retryAfterMs: APPROVAL_MS, reason },
    reason,
    assignment: undefined,
    unapproved: true,
  };
}

/**
 * Boot hosts number their assignments each for itself. So one of all or of a tag, or of the configuration, does not image
 * again what another host has imaged with that image, unless it says `again` and is younger. One that an administrator
 * made for this machine is meant for it, when it is younger.
 */
function imagedElsewhere({ elsewhere }: PlannedMachine, assignment: NumberedAssignment): boolean {
  if (elsewhere === undefined || assignment.target.kind !== 'image') return false;
  const younger = (assignment.assignedMs ?? 0) > elsewhere.wallMs;
  if (younger && assignment.again === true) return false;
  if (younger && assignment.origin === 'admin' && isOfOneMachine(assignment.machine)) return false;
  return !younger || nameOf(elsewhere.image) === nameOf(assignment.target.image);
}

function nameOf(reference: string): string {
  return reference.split('@', 1)[0] as string;
}

function localBoot(reason: string): { plan: Plan; reason: string } {
  return { plan: { kind: 'local-boot' }, reason };
}

/** One form for what an operator may type: `*`, `tag:<word>`, a MAC, a UUID, else an id or serial as it stands. */
export function normaliseMachineName(text: string): string {
  const name = text.trim();
  return parseMac(name) ?? normaliseUuid(name) ?? name;
}

/** Neither `*` nor a tag: it is used up by the first machine that it fits. */
export function isOfOneMachine(name: string): boolean {
  return name !== '*' && !name.startsWith(TAG_PREFIX);
}

const OWN_ID = 6;

/** 0: the name does not mean this machine; else the higher, the more specific. */
export function specificity(
  name: string,
  { id, identity, tags }: Pick<PlannedMachine, 'id' | 'identity' | 'tags'>,
): number {
  if (name === '*') return 1;
  if (name.startsWith(TAG_PREFIX)) return tags?.includes(name.slice(TAG_PREFIX.length)) === true ? 2 : 0;
  if (name === id) return OWN_ID;
  if (identity.uuid !== undefined) {
    const uuid = normaliseUuid(name);
    if (uuid !== undefined && uuidKey(uuid) === uuidKey(identity.uuid)) return 5;
  }
  if (identity.macs?.includes(name) === true) return 4;
  const { serial } = identity;
  return serial !== undefined && textKey(serial) !== '' && textKey(serial) === textKey(name) ? 3 : 0;
}

function bestFor(
  machine: PlannedMachine,
  assignments: readonly NumberedAssignment[],
  { takenBy }: PlanRules,
): NumberedAssignment | undefined {
  const isDoubtful = (machine.doubts?.length ?? 0) > 0;
  const isTaken = ({ machine: name, revision }: NumberedAssignment) => {
    const holder = isOfOneMachine(name) ? takenBy?.(revision) : undefined;
    return holder !== undefined && holder !== machine.id;
  };
  const fitting = assignments
    .map((assignment) => ({ assignment, rank: specificity(assignment.machine, machine) }))
    .filter(({ rank, assignment }) => rank > 0 && (rank === OWN_ID || !isDoubtful) && !isTaken(assignment));
  fitting.sort((a, b) => b.rank - a.rank || b.assignment.revision - a.assignment.revision);
  return fitting[0]?.assignment;
}
