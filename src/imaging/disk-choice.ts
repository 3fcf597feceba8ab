// Chooses the one disk that may be overwritten, or says why none may be: the agent's own law, whatever the plan.
import type { DiskPolicy } from '../api/agent.ts';
import type { DiskFacts } from '../api/identity.ts';
import { ERROR_TABLE, type ErrorCode } from '../base/error-table.ts';
import { assert } from '../base/errors.ts';

/** Images are cut for disks of 512-byte sectors: their partition tables count in them. */
export const IMAGE_SECTOR_BYTES = 512;

export type DiskDecision =
  | { readonly kind: 'disk'; readonly disk: DiskFacts }
  | {
      readonly kind: 'refusal';
      readonly code: ErrorCode;
      /** What is so on this machine, naming each disk. */
      readonly what: string;
      readonly remedy: string;
    };

/** Why one disk may not be overwritten. */
interface Obstacle {
  readonly code: ErrorCode;
  readonly what: string;
}

/** When every disk has an obstacle, the one told is the easiest to mend: first in this list. */
const EASIEST_FIRST: readonly ErrorCode[] = [
  'PB-DISK-NOT-BLANK',
  'PB-DISK-BUSY',
  'PB-DISK-READ-ONLY',
  'PB-DISK-TOO-SMALL',
  'PB-DISK-SECTOR-SIZE',
  'PB-DISK-REMOVABLE',
];

/**
 * The disk to write an image of `imageBytes` to. Exactly one disk must be free of obstacles; a guess between
 * two is never made. `policy.match` narrows the choice but lifts no obstacle: a matched USB stick stays refused.
 */
export function chooseDisk(
  disks: readonly DiskFacts[],
  imageBytes: number,
  policy: DiskPolicy,
): DiskDecision {
  // Card readers without a card show up as disks of no size.
  const present = disks.filter((disk) => disk.sizeBytes > 0);
  if (present.length === 0) return refusal('PB-DISK-NONE', 'no disk was found');
  const match = policy.match;
  const meant = match === undefined ? present : present.filter((disk) => isMeant(disk, match));
  if (meant.length === 0) {
    return refusal('PB-DISK-NO-MATCH', `no disk is called "${match}"; there is ${list(present)}`);
  }
  const judged = meant.map((disk) => ({ disk, obstacle: obstacleOf(disk, imageBytes, policy) }));
  const obstacles = judged.flatMap((one) => one.obstacle ?? []);
  const free = judged.filter((one) => one.obstacle === undefined).map((one) => one.disk);
  const [only, second] = free;
  if (only !== undefined && second === undefined) return { kind: 'disk', disk: only };
  if (only !== undefined) return refusal('PB-DISK-AMBIGUOUS', `${free.length} disks would do: ${list(free)}`);
  const code = EASIEST_FIRST.find((easy) => obstacles.some((obstacle) => obstacle.code === easy));
  assert(code !== undefined, 'every obstacle has its place in the list');
  return refusal(code, obstacles.map((obstacle) => obstacle.what).join('; '));
}

function refusal(code: ErrorCode, what: string): DiskDecision {
  return { kind: 'refusal', code, what, remedy: ERROR_TABLE[code].remedy };
}

function isMeant(disk: DiskFacts, match: string): boolean {
  const wanted = match
    .trim()
    .toLowerCase()
    .replace(/^\/dev\//, '');
  return [disk.name, disk.model, disk.serial].some((name) => name?.trim().toLowerCase() === wanted);
}

function obstacleOf(disk: DiskFacts, imageBytes: number, policy: DiskPolicy): Obstacle | undefined {
  const name = disk.name;
  if (disk.removable || disk.transport === 'usb' || disk.transport === 'mmc') {
    const kind = disk.transport === 'usb' ? 'on USB' : disk.transport === 'mmc' ? 'a card' : 'removable';
    return { code: 'PB-DISK-REMOVABLE', what: `${name} is ${kind}` };
  }
  if (disk.sizeBytes < imageBytes) {
    const what = `${name} has ${bytesText(disk.sizeBytes)}, the image needs ${bytesText(imageBytes)}`;
    return { code: 'PB-DISK-TOO-SMALL', what };
  }
  if (disk.logicalSectorBytes !== IMAGE_SECTOR_BYTES) {
    return {
      code: 'PB-DISK-SECTOR-SIZE',
      what: `${name} has sectors of ${disk.logicalSectorBytes} bytes, the image was made for ${IMAGE_SECTOR_BYTES}`,
    };
  }
  if (disk.readOnly) return { code: 'PB-DISK-READ-ONLY', what: `${name} is write-protected` };
  if (disk.mounted) return { code: 'PB-DISK-BUSY', what: `${name} is in use by the running system` };
  if (!disk.content.blank && !policy.allowNonBlank) {
    return { code: 'PB-DISK-NOT-BLANK', what: `${name} holds ${contentText(disk)}` };
  }
  return undefined;
}

function list(disks: readonly DiskFacts[]): string {
  return disks.map((disk) => `${disk.name} (${diskText(disk)})`).join(', ');
}

/** `QEMU HARDDISK, 512 MiB`. */
export function diskText(disk: DiskFacts): string {
  return [disk.model, bytesText(disk.sizeBytes)].filter((part) => part !== undefined).join(', ');
}

/** What lies on a disk, for people: `a gpt table with vda1 vfat, vda2 ext4 "root"`. */
export function contentText(disk: DiskFacts): string {
  const { table, partitions } = disk.content;
  const parts = partitions
    .map((part) => [part.name, part.filesystem, part.label && `"${part.label}"`].filter(Boolean).join(' '))
    .join(', ');
  if (table !== undefined) return `a ${table} table${parts === '' ? '' : ` with ${parts}`}`;
  return parts === '' ? 'unknown data' : parts;
}

/** Sizes as people read them on a disk's label's scale of 1024: `512 MiB`, `1.5 GiB`. */
export function bytesText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit]}`;
}
