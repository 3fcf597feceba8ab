// Files that survive a power cut: written beside their place, synced, renamed into it, and the folder synced.
import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** The steps of a durable write, so that a test can stop the world between any two of them. */
export interface DurableSteps {
  create(path: string, bytes: Uint8Array, mode: number): void;
  sync(path: string): void;
  rename(from: string, to: string): void;
  syncFolder(path: string): void;
}

export const realSteps: DurableSteps = {
  create(path, bytes, mode) {
    rmSync(path, { force: true });
    const file = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    } finally {
      closeSync(file);
    }
  },
  sync: syncPath,
  rename: renameSync,
  syncFolder: syncPath,
};

function syncPath(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Replaces the file whole: whoever reads it, after a crash at any moment, finds the old bytes or the new ones.
 * The folder must exist. Throws what the file system throws; then the old bytes are still in place.
 */
export function writeDurably(
  path: string,
  bytes: Uint8Array,
  options: { readonly mode?: number; readonly steps?: DurableSteps } = {},
): void {
  const steps = options.steps ?? realSteps;
  const scratch = `${path}.new`;
  steps.create(scratch, bytes, options.mode ?? 0o644);
  steps.sync(scratch);
  steps.rename(scratch, path);
  steps.syncFolder(dirname(path));
}

/** Makes the folder and those above it; each new name is synced, so that a durable file is not lost with its folder. */
export function ensureFolder(path: string, mode = 0o755): void {
  if (existsSync(path)) return;
  ensureFolder(dirname(path), mode);
  mkdirSync(path, { mode, recursive: true });
  syncPath(dirname(path));
}

/** The file's bytes, or undefined when there is none. */
export function readIfThere(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
