// How large the disk under a folder is, and how much of it this user may still fill.
import { statfs } from 'node:fs/promises';

export interface DiskSpace {
  readonly totalBytes: number;
  /** What is kept back for root is not counted. */
  readonly freeBytes: number;
}

export async function diskSpace(folder: string): Promise<DiskSpace> {
  const { bsize, blocks, bavail } = await statfs(folder);
  return { totalBytes: bsize * blocks, freeBytes: bsize * bavail };
}
