// What the agent asks and tells its own kernel: command line, quiet console, bounded write-back, dropped caches.
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** `key=value` words of the kernel command line; a word without `=` has an empty value. The last one wins. */
export function kernelCommandLine(path = '/proc/cmdline'): ReadonlyMap<string, string> {
  const words = readFileSync(path, 'utf8').trim().split(/\s+/);
  return new Map(
    words.map((word) => {
      const at = word.indexOf('=');
      return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)];
    }),
  );
}

/** Only emergencies reach the console from now on: kernel messages would run through the screen. */
export async function quietKernelConsole(): Promise<void> {
  await writeFile('/proc/sys/kernel/printk', '1 4 1 7');
}

/** Unwritten bytes are bounded, so that the rate shown is the disk's and not the memory's. */
export async function boundDirtyBytes(): Promise<void> {
  await writeFile('/proc/sys/vm/dirty_background_bytes', String(8 * 1024 * 1024));
  await writeFile('/proc/sys/vm/dirty_bytes', String(64 * 1024 * 1024));
}

/** After this the next read of `device` comes from the disk. It must have been synced before. */
export async function dropCaches(device: string): Promise<void> {
  await promisify(execFile)('blockdev', ['--flushbufs', device]);
  await writeFile('/proc/sys/vm/drop_caches', '1');
}

/** The proof reads a disk from its start to its end: fewer, larger requests took a third off its time when emulated. */
export function readFarAhead(disk: string): void {
  writeFileSync(`/sys/block/${disk}/queue/read_ahead_kb`, '2048');
}
