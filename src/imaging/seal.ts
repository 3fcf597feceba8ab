// The last writes of an imaging: the withheld ends of the image, with the partition table fitted to the disk.
import { assert, WireError } from '../base/errors.ts';
import { type Gpt, type Patch, parseGpt, planBackupMove } from './layout.ts';
import type { DataSlice } from './proof.ts';

export interface Withheld {
  readonly slice: DataSlice;
  readonly bytes: Uint8Array;
}

export interface SealPlan {
  /** In the order to write them: the start of the disk comes last, and makes it bootable. */
  readonly writes: readonly Patch[];
  /** The table as it will be; undefined when the image has none that can be read. */
  readonly gpt: Gpt | undefined;
  /** Why the table was left as it is in the image, when it could not be read. */
  readonly unread: string | undefined;
}

/**
 * `start` is what the disk begins with (as many bytes as `TABLE_BYTES`), before the withheld slices are written.
 * On a disk of the image's size the table is right as it is; on a larger one its backup moves to the end.
 */
export function planSeal(start: Uint8Array, withheld: readonly Withheld[], diskBytes: number): SealPlan {
  const whole = start.slice();
  for (const { slice, bytes } of withheld) lay(whole, { offset: slice.offset, bytes });
  const moves = planBackupMove(whole, diskBytes);
  const unread = moves instanceof WireError ? moves.message : undefined;
  const patches = moves instanceof WireError ? [] : moves;
  for (const patch of patches) lay(whole, patch);
  const gpt = parseGpt(whole);
  const slices = withheld
    .map(({ slice, bytes }) => ({ offset: slice.offset, bytes: laid(slice.offset, bytes, patches) }))
    .sort((a, b) => b.offset - a.offset);
  const elsewhere = patches.filter((patch) => !slices.some((slice) => covers(slice, patch)));
  assert(
    elsewhere.every((patch) => patch.offset >= whole.length),
    'the table at the start lies in withheld slices',
  );
  return { writes: [...elsewhere, ...slices], gpt: gpt instanceof WireError ? undefined : gpt, unread };
}

/** Puts the patch over the bytes, as far as it lies within them. */
function lay(bytes: Uint8Array, patch: Patch): void {
  if (patch.offset < bytes.length)
    bytes.set(patch.bytes.subarray(0, bytes.length - patch.offset), patch.offset);
}

function covers(outer: Patch, inner: Patch): boolean {
  return (
    outer.offset <= inner.offset && inner.offset + inner.bytes.length <= outer.offset + outer.bytes.length
  );
}

function laid(offset: number, bytes: Uint8Array, patches: readonly Patch[]): Uint8Array {
  const copy = bytes.slice();
  for (const patch of patches) {
    if (covers({ offset, bytes }, patch)) copy.set(patch.bytes, patch.offset - offset);
  }
  return copy;
}
