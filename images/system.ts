// The file system of the amd64 image: a minimal Debian 12 that says on the serial console when it is ready.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from '../tools/run.ts';
import type { ImageRecipe } from './recipe.ts';
import { clampTimes, grubMenu, link, put, readyMarker } from './system-files.ts';

const SUITE = 'bookworm';
/** usr-is-merged stands in for usrmerge, which would bring all of Perl. */
const PACKAGES = [
  ...['linux-image-cloud-amd64', 'initramfs-tools', 'systemd-sysv', 'udev', 'kmod', 'login'],
  'usr-is-merged',
];

/** Left out of every package: each megabyte crosses a store's line, and a test's emulated disk. */
const LEFT_OUT = [
  // Manuals and translations
  ...['man', 'info', 'locale', 'doc', 'bash-completion', 'zoneinfo/right'].map(
    (name) => `/usr/share/${name}/*`,
  ),
  // Names of hardware that no virtual machine has, and character sets of the last century
  '/usr/lib/udev/hwdb.d/*',
  '/usr/lib/x86_64-linux-gnu/gconv/*',
  // Drivers and file systems of data centres
  ...['comedi', 'infiniband', 'target', 'net/ethernet', 'nvdimm', 'vhost', 'vfio'].map(
    (name) => `drivers/${name}`,
  ),
  ...['btrfs', 'ceph', 'nfs', 'nfsd', 'orangefs', 'smb', 'xfs'].map((name) => `fs/${name}`),
  ...['ceph', 'dccp', 'openvswitch', 'rds', 'sctp', 'smc', 'sunrpc', 'tipc'].map((name) => `net/${name}`),
].map((path) => `path-exclude=${path.startsWith('/') ? path : `/lib/modules/*/kernel/${path}/*`}`);

/** What a till's boot need not wait for, or has no use for: each costs seconds where the processor is emulated. */
const MASKED_UNITS = [
  ...[
    'apt-daily.timer',
    'apt-daily-upgrade.timer',
    'dpkg-db-backup.timer',
    'e2scrub_all.timer',
    'fstrim.timer',
  ],
  ...['e2scrub_reap.service', 'getty-static.service', 'kmod-static-nodes.service'],
  ...['configfs', 'dm_mod', 'drm', 'efi_pstore', 'fuse', 'loop'].map((name) => `modprobe@${name}.service`),
  ...['dev-hugepages.mount', 'dev-mqueue.mount', 'sys-kernel-debug.mount', 'sys-kernel-tracing.mount'],
  ...['proc-sys-fs-binfmt_misc.automount', 'systemd-binfmt.service', 'systemd-modules-load.service'],
  ...['systemd-pstore.service', 'systemd-random-seed.service', 'systemd-update-utmp.service'],
  ...['systemd-update-utmp-runlevel.service', 'systemd-ask-password-console.path'],
  'systemd-ask-password-wall.path',
];

/** Programs that systemd asks at each start for units that this system cannot have. */
const MASKED_GENERATORS = [
  ...['cryptsetup', 'debug', 'gpt-auto', 'hibernate-resume', 'integritysetup', 'rc-local', 'run'],
  ...['system-update', 'sysv', 'veritysetup'],
];

/** Builds the system into `folder` (not there yet), as root. */
export async function buildSystem(
  folder: string,
  recipe: ImageRecipe,
  progress: (line: string) => void,
): Promise<void> {
  progress('mmdebstrap: a minimal Debian 12');
  const hooks = join(dirname(folder), 'hooks');
  writeHooks(hooks);
  const options = [
    '--mode=root',
    '--variant=minbase',
    '--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr',
    `--include=${[...PACKAGES, ...recipe.packages].join(',')}`,
    '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=Acquire::Languages "none"',
    ...[...LEFT_OUT, 'path-include=/usr/share/doc/*/copyright'].map((line) => `--dpkgopt=${line}`),
    // Before the kernel is configured, which makes its initramfs.
    `--essential-hook=copy-in ${hooks}/etc ${hooks}/usr /`,
  ];
  await run('mmdebstrap', [...options, SUITE, folder, ...hostSources()], {
    env: { SOURCE_DATE_EPOCH: String(recipe.epoch) },
    onLine: (line) => {
      if (/^I: /.test(line) && !/signed-by|automatically|is equal/.test(line)) progress(`  ${line.slice(3)}`);
    },
  });
  rmSync(hooks, { recursive: true, force: true });
  configure(folder, recipe);
  await clampTimes(folder, recipe.epoch);
}

/** The host's own Debian mirrors where it has any; else mmdebstrap's default. */
function hostSources(): string[] {
  const folder = '/etc/apt/sources.list.d';
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(folder) ? readdirSync(folder).map((f) => join(folder, f)) : []),
  ];
  return files.filter((file) => {
    if (!/\.(sources|list)$/.test(file) || !existsSync(file)) return false;
    const text = readFileSync(file, 'utf8').replaceAll(/^#.*$/gm, '');
    return new RegExp(`^Suites:.*\\b${SUITE}\\b|^deb .*\\b${SUITE}(-\\w+)? main\\b`, 'm').test(text);
  });
}

/** What must lie there before packages are configured: which drivers the initramfs carries. */
function writeHooks(folder: string): void {
  put(
    folder,
    'etc/initramfs-tools/conf.d/peerboot',
    'MODULES=list\nCOMPRESS=gzip\nRESUME=none\nFSTYPE=ext4\n',
  );
  put(
    folder,
    'usr/share/initramfs-tools/modules.d/peerboot',
    'virtio_pci\nvirtio_blk\nvirtio_scsi\nsd_mod\next4\n',
  );
}

function configure(folder: string, recipe: ImageRecipe): void {
  put(folder, 'etc/hostname', 'till\n');
  put(folder, 'etc/hosts', '127.0.0.1 localhost\n127.0.1.1 till\n::1 localhost\n');
  put(
    folder,
    'etc/fstab',
    `UUID=${recipe.ids.rootFileSystem} / ext4 errors=remount-ro,x-systemd.growfs 0 0\n`,
  );
  // At the first start the root partition grows to the end of the disk, and then its file system.
  put(folder, 'etc/repart.d/root.conf', '[Partition]\nType=root\n');
  put(folder, 'etc/issue', `${recipe.name} ${recipe.version} \\n \\l\n\n`);
  // An empty machine-id is filled in at the first boot: every machine imaged gets its own.
  put(folder, 'etc/machine-id', '');
  put(
    folder,
    'etc/systemd/system/peerboot-ready.service',
    [
      '[Unit]',
      'Description=Says on the serial console that this system is up',
      'After=basic.target systemd-user-sessions.service',
      'Before=getty.target serial-getty@ttyS0.service',
      '[Service]',
      'Type=oneshot',
      `ExecStart=/bin/sh -c 'echo "${readyMarker(recipe)}" > /dev/ttyS0'`,
      '[Install]',
      'WantedBy=multi-user.target',
      '',
    ].join('\n'),
  );
  const wants = 'etc/systemd/system/multi-user.target.wants/peerboot-ready.service';
  link(folder, wants, '/etc/systemd/system/peerboot-ready.service');
  link(folder, 'etc/systemd/system/default.target', '/lib/systemd/system/multi-user.target');
  for (const unit of MASKED_UNITS) link(folder, `etc/systemd/system/${unit}`, '/dev/null');
  for (const name of MASKED_GENERATORS) {
    link(folder, `etc/systemd/system-generators/systemd-${name}-generator`, '/dev/null');
  }
  // Processors' own extras, loaded by name of the processor: of no use inside a virtual machine.
  const idle = ['kvm', 'kvm_amd', 'kvm_intel', 'powernow_k8', 'acpi_cpufreq', 'pcspkr'];
  put(folder, 'etc/modprobe.d/peerboot.conf', idle.map((name) => `blacklist ${name}\n`).join(''));
  // Newer than /usr: there is no update whose users and folders the first boot would have to make.
  for (const path of ['etc/.updated', 'var/.updated']) put(folder, path, '');
  // The links that Debian keeps pointing at the newest kernel.
  const files = { kernel: '/vmlinuz', initramfs: '/initrd.img' };
  const menu = grubMenu(recipe, files, 'ttyS0', 'fsck.mode=skip net.ifnames=0');
  put(folder, 'boot/grub/grub.cfg', menu);
  for (const rest of [
    'var/log/dpkg.log',
    'var/log/apt',
    'var/log/alternatives.log',
    'var/log/bootstrap.log',
  ]) {
    rmSync(join(folder, rest), { recursive: true, force: true });
  }
}
