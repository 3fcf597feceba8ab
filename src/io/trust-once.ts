// The agent's check of a catalogue: from the root it carries, in memory, without anything remembered.
import type { CatalogueBootEntry, CatalogueImage, CataloguePackage } from '../api/catalogue.ts';
import { assembleSet, type FetchMetadata, judgeHeld, type VerifiedSet } from './trust-verify.ts';

export interface CheckOnceInput {
  /** Bytes of the root that the initramfs carries. */
  readonly root: Uint8Array;
  /** Fetches `catalogue/<name>` from the peer; undefined when it has none of that name. */
  readonly fetchFile: FetchMetadata;
  /** For errors, e.g. `http://10.77.0.2:8067/content`. */
  readonly source: string;
  /** All the clocks there are: the target's own, what the peer says, when the initramfs was built. See `trustedWallMs`. */
  readonly clocksMs: readonly number[];
}

export interface CheckedOnce {
  readonly images: readonly CatalogueImage[];
  readonly packages: readonly CataloguePackage[];
  readonly bootEntries: readonly CatalogueBootEntry[];
  readonly versions: VerifiedSet['versions'];
  /** Past its date but within its publisher's grace: to be said on the screen. */
  readonly stale: boolean;
}

/**
 * Rejects with PB-TRUST-FORGED, PB-TRUST-MIXED, PB-TRUST-EXPIRED, PB-CATALOGUE-MISSING or what `fetchFile` rejects
 * with. Without a memory it cannot see a rollback: only that a set is past its date and grace.
 */
export async function verifyCatalogueOnce(input: CheckOnceInput): Promise<CheckedOnce> {
  const { root, fetchFile, source } = input;
  const set = await assembleSet({ pinnedRoot: root, fetchFile, source });
  const standing = judgeHeld(set, trustedWallMs(input.clocksMs), source);
  const { images, packages, bootEntries, versions } = set;
  return { images, packages, bootEntries, versions, stale: standing === 'stale' };
}

/**
 * The latest of the clocks. None of them is proved, and a set is refused for being late only: so a clock that is
 * behind (an empty battery says 1970, a hostile peer says last year) never makes an old set good as long as one of
 * the others is right, and one that is ahead can only refuse, which whoever sits on the wire can do anyway.
 */
export function trustedWallMs(clocksMs: readonly number[]): number {
  return Math.max(...clocksMs.filter(Number.isFinite));
}
