// A disk that loses power before a chosen step: what was not synced comes back gone, empty, zeroed or whole.
import { existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type DurableSteps, readIfThere, realSteps } from '../../src/io/state-folder.ts';

export class PowerCut extends Error {}

/** What a file holds after the cut if its bytes were not synced; and whether renames not synced happened. */
export interface Aftermath {
  readonly bytes: 'gone' | 'empty' | 'zeros' | 'whole';
  readonly renames: 'done' | 'undone';
}

export const AFTERMATHS: readonly Aftermath[] = [
  { bytes: 'gone', renames: 'undone' },
  { bytes: 'empty', renames: 'done' },
  { bytes: 'zeros', renames: 'done' },
  { bytes: 'whole', renames: 'undone' },
];

export interface DyingDisk extends DurableSteps {
  /** Leaves the disk as the cut may have left it. */
  settle(): void;
}

/** `cutAt`: the step, counted from 0, that is never carried out. */
export function dyingDisk(cutAt: number, aftermath: Aftermath): DyingDisk {
  let step = 0;
  const unsynced = new Set<string>();
  let renames: { from: string; to: string; before: Uint8Array | undefined }[] = [];
  const next = () => {
    if (step++ === cutAt) throw new PowerCut(`before step ${cutAt}`);
  };
  return {
    create(path, bytes, mode) {
      next();
      realSteps.create(path, bytes, mode);
      unsynced.add(path);
    },
    sync(path) {
      next();
      unsynced.delete(path);
    },
    rename(from, to) {
      next();
      renames.push({ from, to, before: readIfThere(to) });
      realSteps.rename(from, to);
      if (unsynced.delete(from)) unsynced.add(to);
    },
    syncFolder(path) {
      next();
      renames = renames.filter(({ to }) => dirname(to) !== path);
    },
    settle() {
      for (const path of unsynced) damage(path, aftermath.bytes);
      if (aftermath.renames === 'done') return;
      for (const { from, to, before } of renames.reverse()) {
        if (existsSync(to)) writeFileSync(from, readFileSync(to));
        if (before === undefined) rmSync(to, { force: true });
        else writeFileSync(to, before);
      }
    },
  };
}

function damage(path: string, how: Aftermath['bytes']): void {
  if (how === 'gone') rmSync(path, { force: true });
  if (how === 'empty') truncateSync(path, 0);
  if (how === 'zeros') writeFileSync(path, new Uint8Array(statSync(path).size));
}
