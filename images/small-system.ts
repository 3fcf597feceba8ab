// The file system of the arm64 image: Debian's kernel and BusyBox, so that no arm64 program must run to build it.
import { mkdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type CpioEntry, cpio } from '../boot-assets/cpio.ts';
import { kernelVersion } from '../boot-assets/modules.ts';
import { fromText } from '../src/base/bytes.ts';
import { PeerbootError } from '../src/base/errors.ts';
import { describePackages, fetchPackage, unpackPackage } from '../tools/debian.ts';
import { run } from '../tools/run.ts';
import type { ImageRecipe } from './recipe.ts';
import { clampTimes, grubMenu, link, put, readyMarker } from './system-files.ts';

const META_PACKAGE = 'linux-image-cloud-arm64';
/** Where the root file system lies; ext4 is part of the kernel. Each with what it needs. */
const MODULES = ['virtio_pci', 'virtio_blk', 'virtio_scsi', 'sd_mod'];
const SERIAL = 'ttyAMA0';

/** Builds the system into `folder` (not there yet), as root; `packages` of the recipe are not for it. */
export async function buildSmallSystem(
  folder: string,
  recipe: ImageRecipe,
  progress: (line: string) => void,
): Promise<void> {
  if (recipe.packages.length > 0)
    throw new PeerbootError('PB-BUILD-FAILED', 'the arm64 image is no Debian: it takes no further packages');
  const scratch = join(dirname(folder), 'packages');
  const { kernel, busybox } = await unpackIngredients(scratch, progress);
  mkdirSync(folder);
  for (const empty of ['dev', 'proc', 'sys', 'run', 'tmp', 'root', 'sbin']) mkdirSync(join(folder, empty));

  const version = kernelVersion(kernel);
  const program = readFileSync(join(busybox, 'bin/busybox'));
  const files = { kernel: `/boot/vmlinuz-${version}`, initramfs: `/boot/initrd.img-${version}` };
  put(folder, files.kernel, readFileSync(join(kernel, `boot/vmlinuz-${version}`)));
  put(folder, files.initramfs, await initramfs(kernel, version, program, recipe));
  put(folder, 'boot/grub/grub.cfg', grubMenu(recipe, files, SERIAL, ''));
  put(folder, 'bin/busybox', program, 0o755);
  link(folder, 'bin/sh', 'busybox');
  link(folder, 'sbin/init', '../bin/busybox');
  configure(folder, recipe);
  for (const from of [kernel, busybox]) {
    const name = basename(from);
    put(
      folder,
      `usr/share/doc/${name}/copyright`,
      readFileSync(join(from, `usr/share/doc/${name}/copyright`)),
    );
  }
  await clampTimes(folder, recipe.epoch);
}

/** The kernel's and BusyBox's packages, each in a folder of its name. */
async function unpackIngredients(
  scratch: string,
  progress: (line: string) => void,
): Promise<{ kernel: string; busybox: string }> {
  const [meta] = await describePackages([META_PACKAGE], progress, 'arm64');
  const kernelName = meta?.dependsOn.find((name) => name.startsWith('linux-image-'));
  if (kernelName === undefined)
    throw new PeerbootError('PB-BUILD-FAILED', `${META_PACKAGE} names no kernel package`);
  for (const one of await describePackages([kernelName, 'busybox-static'], progress, 'arm64')) {
    const file = await fetchPackage(one, progress);
    progress(`unpacking ${one.name} ${one.version}`);
    await unpackPackage(file, join(scratch, one.name));
  }
  return { kernel: join(scratch, kernelName), busybox: join(scratch, 'busybox-static') };
}

/** Loads the disk's drivers, and hands over to the system on it. */
async function initramfs(
  kernel: string,
  version: string,
  busybox: Uint8Array,
  recipe: ImageRecipe,
): Promise<Uint8Array> {
  await run('depmod', ['-b', kernel, version]);
  const tree = ['-d', kernel, '-S', version];
  const told = await run('modprobe', [...tree, '--show-depends', '--all', ...MODULES]);
  // In the order in which they are to be loaded; the kernel's own (`builtin …`) are there already.
  const paths = [...new Set(Array.from(told.matchAll(/^insmod (\S+)/gm), ([, path]) => path as string))];
  const file = (path: string, bytes: Uint8Array, executable = false): CpioEntry => ({
    kind: 'file',
    path,
    bytes,
    executable,
  });
  const folders = ['bin', 'dev', 'modules', 'proc', 'root', 'sys'].map(
    (path): CpioEntry => ({ kind: 'folder', path }),
  );
  return cpio(
    [
      ...folders,
      { kind: 'character-device', path: 'dev/console', major: 5, minor: 1 },
      file('bin/busybox', busybox, true),
      file(
        'init',
        fromText(
          initScript(
            paths.map((path) => basename(path)),
            recipe,
          ),
        ),
        true,
      ),
      ...paths.map((path) => file(`modules/${basename(path)}`, readFileSync(path))),
    ],
    recipe.epoch,
  );
}

function initScript(modules: readonly string[], recipe: ImageRecipe): string {
  return [
    '#!/bin/busybox sh',
    'b=/bin/busybox',
    '$b mount -t proc proc /proc',
    '$b mount -t sysfs sys /sys',
    '$b mount -t devtmpfs dev /dev',
    ...modules.map((name) => `$b insmod /modules/${name}`),
    // The disk appears a moment after its driver.
    `until disk=$($b findfs UUID=${recipe.ids.rootFileSystem} 2> /dev/null); do $b usleep 50000; done`,
    '$b mount -t ext4 "$disk" /root',
    'for folder in dev proc sys; do $b mount -o move /$folder /root/$folder; done',
    'exec $b switch_root /root /sbin/init',
    '',
  ].join('\n');
}

function configure(folder: string, recipe: ImageRecipe): void {
  put(folder, 'etc/hostname', 'till\n');
  put(folder, 'etc/issue', `${recipe.name} ${recipe.version} \\n \\l\n\n`);
  put(folder, 'etc/os-release', `ID=${recipe.name}\nVERSION_ID=${recipe.version}\n`);
  put(folder, 'etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n');
  put(folder, 'etc/group', 'root:x:0:\n');
  put(folder, 'etc/shadow', 'root:*:::::::\n', 0o640);
  const getty = (line: string, words: string) => `${line}::respawn:/bin/busybox getty ${words}\n`;
  put(
    folder,
    'etc/inittab',
    [
      '::sysinit:/etc/init.d/rcS\n',
      getty(SERIAL, `-L 115200 ${SERIAL} vt100`),
      getty('tty1', '38400 tty1 linux'),
      '::ctrlaltdel:/bin/busybox reboot\n',
      '::shutdown:/bin/busybox umount -a -r\n',
    ].join(''),
  );
  const start = [
    '#!/bin/busybox sh',
    // The programs' names are written at the first start: here nobody can ask an arm64 BusyBox for them.
    '[ -e /bin/ls ] || /bin/busybox --install -s /bin',
    '/bin/busybox hostname -F /etc/hostname',
    '/bin/busybox mount -t tmpfs -o nosuid,nodev run /run',
    `echo "${readyMarker(recipe)}" > /dev/${SERIAL}`,
    '',
  ].join('\n');
  put(folder, 'etc/init.d/rcS', start, 0o755);
}
