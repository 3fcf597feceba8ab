// A boot ticket: what one machine may be imaged under once, and what its disks tell when it comes back with it.
import type { DiskPolicy } from '../api/agent.ts';
import type { DiskFacts } from '../api/identity.ts';

/**
 * `<id>.<secret>`, both random. Whoever knows it all reports on this imaging; the id alone stands on the disk and in what
 * boot hosts tell each other.
 */
export function ticketId(ticket: string): string {
  return ticket.split('.', 1)[0] as string;
}

export interface Ticket {
  readonly id: string;
  /** The disk whose ends were zeroed under it, once that was reported. */
  readonly begun?: DiskMark | undefined;
}

/** Enough to know a disk again. */
export interface DiskMark {
  readonly name: string;
  readonly serial?: string | undefined;
}

export type TicketState =
  /** Its disk was sealed: the machine has its system, whether anybody heard it say so or not. */
  | { readonly kind: 'finished'; readonly why: string }
  /** Not yet, or cut off half way. */
  | { readonly kind: 'open' };

/**
 * Was the imaging under this ticket finished? The receipt that the agent leaves on the disk says so. An image that has no room
 * for one says it by its partition table: both ends were zeroed when it was begun, and the first sectors are written
 * last of all, after everything else was read back.
 */
export function ticketState({ id, begun }: Ticket, disks: readonly DiskFacts[]): TicketState {
  const receipt = disks.find((disk) => disk.content.receipt?.ticket === id);
  if (receipt !== undefined) return { kind: 'finished', why: `${receipt.name} carries the receipt` };
  const disk = begun === undefined ? undefined : disks.find((one) => isDisk(one, begun));
  if (disk !== undefined && (disk.content.table !== undefined || disk.content.partitions.length > 0)) {
    return { kind: 'finished', why: `${disk.name} was begun under this ticket and is bootable now` };
  }
  return { kind: 'open' };
}

/**
 * The rule for a machine that goes on with its ticket. What lies on the disk that was begun is our own half-written
 * image: it may be overwritten, and no other disk may be taken in its place.
 */
export function resumePolicy(policy: DiskPolicy, ticket: Ticket, disks: readonly DiskFacts[]): DiskPolicy {
  const { begun } = ticket;
  const disk = begun === undefined ? undefined : disks.find((one) => isDisk(one, begun));
  return disk === undefined ? policy : { allowNonBlank: true, match: disk.serial ?? disk.name };
}

/** By serial where there is one: kernel names change with the order of probing. */
export function isDisk(disk: Pick<DiskFacts, 'name' | 'serial'>, mark: DiskMark): boolean {
  return mark.serial === undefined ? disk.name === mark.name : disk.serial === mark.serial;
}
