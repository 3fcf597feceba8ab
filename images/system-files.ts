// What the systems of both processors are made with: files, links, dates, and the menu that GRUB reads on the root file system.
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from '../tools/run.ts';
import type { ImageRecipe } from './recipe.ts';

export function put(folder: string, path: string, content: string | Uint8Array, mode = 0o644): void {
  const whole = join(folder, path);
  mkdirSync(dirname(whole), { recursive: true });
  writeFileSync(whole, content);
  chmodSync(whole, mode);
}

export function link(folder: string, path: string, to: string): void {
  const whole = join(folder, path);
  mkdirSync(dirname(whole), { recursive: true });
  rmSync(whole, { force: true });
  symlinkSync(to, whole);
}

/** What the system says on its serial console once it is up. */
export function readyMarker({ name, version }: ImageRecipe): string {
  return `PEERBOOT-READY ${name} ${version}`;
}

/** `boot/grub/grub.cfg` of one kernel, started at once; `serial` is the console that the machine's other end reads. */
export function grubMenu(
  { name, version, ids }: ImageRecipe,
  files: { readonly kernel: string; readonly initramfs: string },
  serial: string,
  more: string,
): string {
  const consoles = `console=tty0 console=${serial},115200`;
  return [
    'set timeout=0',
    `menuentry "${name} ${version}" {`,
    `  linux ${files.kernel} root=UUID=${ids.rootFileSystem} ro quiet ${consoles} ${more}`.trimEnd(),
    `  initrd ${files.initramfs}`,
    '}',
    '',
  ].join('\n');
}

/** Files written during the build bear its time; none may be newer than the recipe's date. */
export async function clampTimes(folder: string, epoch: number): Promise<void> {
  const date = `@${epoch}`;
  const touch = ['touch', '--no-dereference', '--date', date, '{}', '+'];
  await run('find', [folder, '-newermt', date, '-exec', ...touch]);
}
