// Disks and images for the cases that are about the agent: small, made here, with known bytes.
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { randomInt, seededRandom } from '../../src/base/random.ts';
import { CACHE } from './lab.ts';
import { run } from './process.ts';

const MIB = 2 ** 20;

/** A sparse empty file of this size. */
export function blankDisk(path: string, bytes: number): string {
  const file = openSync(path, 'w');
  ftruncateSync(file, bytes);
  closeSync(file);
  return path;
}

/** A 96 MiB image: GPT, 48 MiB of incompressible bytes, the rest zeros. It does not boot; it is fast to write and prove. */
export async function smallImage(): Promise<string> {
  const path = join(CACHE, 'lab-images', 'small-2.raw');
  if (existsSync(path)) return path;
  mkdirSync(join(CACHE, 'lab-images'), { recursive: true });
  const draft = blankDisk(`${path}.${process.pid}`, 96 * MIB);
  await run('sgdisk', ['--new=1:2048:+80M', '--typecode=1:8300', '--disk-guid=R', draft]);
  const file = openSync(draft, 'r+');
  const random = seededRandom(77);
  for (let mib = 1; mib <= 48; mib++) {
    const block = new Uint32Array(MIB / 4).map(() => randomInt(random, 2 ** 32));
    writeSync(file, new Uint8Array(block.buffer), 0, MIB, mib * MIB);
  }
  closeSync(file);
  renameSync(draft, path);
  return path;
}

/** A disk that somebody uses: GPT and a file system with a label. */
export async function usedDisk(path: string, bytes: number): Promise<string> {
  blankDisk(path, bytes);
  await run('sgdisk', ['--new=1:2048:0', '--typecode=1:8300', '--change-name=1:till-data', path]);
  const part = `${path}.part`;
  blankDisk(part, 16 * MIB);
  await run('mkfs.ext4', ['-q', '-L', 'TILL', part]);
  await run('dd', [`if=${part}`, `of=${path}`, 'bs=1M', 'seek=1', 'conv=notrunc,sparse', 'status=none']);
  return path;
}
