// Which machine is it? Compares what was just told with what is known of a machine: the same, another, or not to be told.
import type { MachineIdentity } from '../api/identity.ts';
import { uuidKey } from '../base/uuid.ts';

/**
 * How much a source tells: a DHCP packet leaves out what its ROM pleases, iPXE reads the board but names only the NIC
 * that booted, the agent reads the board and every NIC.
 */
export type Depth = 'hint' | 'board' | 'whole';

export interface Facts {
  readonly depth: Depth;
  readonly identity: Partial<MachineIdentity>;
}

export type Likeness =
  | 'same'
  /** One thing speaks for it and nothing against it, but that one thing may be shared: another machine, until more is told. */
  | 'doubtful'
  | 'other';

/**
 * Identity is (UUID, serial, board, MACs), and never a MAC alone: dongles are shared, and so are UUIDs and serials of
 * careless makers. One contradiction makes it another machine. Two agreements make it the same: two names (UUID,
 * serial), or a name and a MAC. One name alone, or a MAC alone where either has a name, is doubt. Only between machines that
 * have no name at all does the MAC decide, for there is nothing else.
 */
export function likeness(told: Facts, known: Facts): Likeness {
  const [a, b] = [told.identity, known.identity];
  if (contradict(a, b)) return 'other';
  const sharesMac = (a.macs ?? []).some((mac) => b.macs?.includes(mac) === true);
  const names = namesShared(a, b);
  if (names > 1) return 'same';
  const hint = told.depth === 'hint' || known.depth === 'hint';
  if (names === 1) {
    // EDK2 may send its GUID in the place of the MAC: then there is none to compare.
    const noMac = hint && ((a.macs ?? []).length === 0 || (b.macs ?? []).length === 0);
    const apart = differByNics(told, known) || lacksName(told, known) || lacksName(known, told);
    return noMac || (sharesMac && !apart) ? 'same' : 'doubtful';
  }
  if (!sharesMac) return 'other';
  // What only a DHCP packet told decides nothing: the script, which tells more, comes before any plan.
  if (hint) return 'same';
  return hasName(a) || hasName(b) || differByNics(told, known) ? 'doubtful' : 'same';
}

/** Has the board a UUID or a serial that is none of the known placeholders? */
function hasName({ uuid, serial, boardSerial }: Partial<MachineIdentity>): boolean {
  return uuid !== undefined || serial !== undefined || boardSerial !== undefined;
}

/** 0 to 2: UUID in either byte order, and a serial, of the machine or its board. */
function namesShared(a: Partial<MachineIdentity>, b: Partial<MachineIdentity>): number {
  const uuid = a.uuid !== undefined && b.uuid !== undefined && uuidKey(a.uuid) === uuidKey(b.uuid);
  const serial = equal(a.serial, b.serial) || equal(a.boardSerial, b.boardSerial);
  return Number(uuid) + Number(serial);
}

function contradict(a: Partial<MachineIdentity>, b: Partial<MachineIdentity>): boolean {
  if (a.uuid !== undefined && b.uuid !== undefined && uuidKey(a.uuid) !== uuidKey(b.uuid)) return true;
  return (['serial', 'boardSerial', 'manufacturer', 'product'] as const).some((field) =>
    differ(a[field], b[field]),
  );
}

/** Each has told all its NICs, and each has one that the other lacks: two boxes that once shared a dongle. */
function differByNics(a: Facts, b: Facts): boolean {
  if (a.depth !== 'whole' || b.depth !== 'whole') return false;
  const [left, right] = [a.identity.macs ?? [], b.identity.macs ?? []];
  return left.some((mac) => !right.includes(mac)) && right.some((mac) => !left.includes(mac));
}

/**
 * Both have read the board, and one found a name there that the other did not. Only the agent looks further than
 * iPXE, and takes the board's serial where the system has none.
 */
function lacksName(a: Facts, b: Facts): boolean {
  if (a.depth === 'hint' || b.depth === 'hint') return false;
  if (a.identity.uuid === undefined && b.identity.uuid !== undefined) return true;
  const furtherRead = a.depth === 'board' && b.depth === 'whole';
  return a.identity.serial === undefined && b.identity.serial !== undefined && !furtherRead;
}

/** Letters and digits alone, in capitals: firmware, iPXE and kernel disagree on blanks and on what is printable. */
export function textKey(text: string): string {
  return text.toUpperCase().replaceAll(/[^A-Z0-9]/g, '');
}

function equal(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && b !== undefined && textKey(a) !== '' && textKey(a) === textKey(b);
}

/** iPXE 1.0.0 does not escape `&`, so a text may have been cut off there: a beginning is no contradiction. */
function differ(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  const [left, right] = [textKey(a), textKey(b)];
  return !cutFrom(left, right, b) && !cutFrom(right, left, a);
}

function cutFrom(part: string, whole: string, wholeText: string): boolean {
  return (
    part === whole || (wholeText.includes('&') && part === textKey(wholeText.split('&', 1)[0] as string))
  );
}
