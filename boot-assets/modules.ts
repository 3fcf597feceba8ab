// Which kernel modules the agent's initramfs carries: what a store's hardware needs to reach a network and a disk.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Below `kernel/`: a module without its ending, or a folder with all in it. What a kernel lacks is passed over. */
const WANTED: readonly string[] = [
  // Wired network. Data-centre families (Mellanox, Chelsio, QLogic FC, Netronome, Cavium, Solarflare) are left out.
  ...['3com', '8390', 'adi', 'agere', 'alacritech', 'amazon', 'amd', 'aquantia', 'atheros', 'broadcom'],
  ...['cadence', 'cisco', 'dec', 'dlink', 'emulex', 'engleder', 'fealnx', 'fujitsu', 'google', 'intel'],
  ...['jme', 'marvell', 'micrel', 'microchip', 'microsoft', 'mscc', 'natsemi', 'nvidia', 'packetengines'],
  ...['rdc', 'realtek', 'silan', 'sis', 'smsc', 'stmicro', 'sun', 'synopsys', 'tehuti', 'ti', 'vertexcom'],
  ...['via', 'wangxun', 'wiznet'],
]
  .map((maker) => `drivers/net/ethernet/${maker}`)
  .concat([
    'drivers/net/usb',
    'drivers/net/phy',
    'drivers/net/mdio',
    'drivers/net/hyperv',
    'drivers/net/virtio_net',
    'drivers/net/vmxnet3',
    'drivers/net/xen-netfront',
    // Disks
    'drivers/ata',
    'drivers/nvme/host/nvme-core',
    'drivers/nvme/host/nvme',
    // NVMe behind Intel's Volume Management Device, as many business PCs of 2020 and later are delivered
    'drivers/pci/controller/vmd',
    'drivers/block/virtio_blk',
    'drivers/block/xen-blkfront',
    'drivers/scsi/sd_mod',
    'drivers/scsi/virtio_scsi',
    'drivers/scsi/vmw_pvscsi',
    'drivers/scsi/hv_storvsc',
    'drivers/scsi/BusLogic',
    'drivers/scsi/aacraid',
    'drivers/scsi/hpsa',
    'drivers/scsi/isci',
    'drivers/scsi/megaraid',
    'drivers/scsi/mpi3mr',
    'drivers/scsi/mpt3sas',
    'drivers/scsi/smartpqi',
    'drivers/message/fusion/mptsas',
    'drivers/message/fusion/mptspi',
    'drivers/mmc/core',
    'drivers/mmc/host',
    'drivers/ufs',
    // USB: hosts, storage (to name and refuse it), keyboards
    'drivers/usb/host',
    'drivers/usb/storage',
    'drivers/hid/hid',
    'drivers/hid/hid-generic',
    'drivers/hid/usbhid/usbhid',
    'drivers/input/keyboard/atkbd',
    // Hypervisors
    'drivers/virtio',
    'drivers/hv/hv_vmbus',
    'drivers/hv/hv_utils',
    'drivers/char/hw_random/virtio-rng',
    // Checksums that others ask for by name only (crypto-crc32c)
    'arch/x86/crypto/crc32c-intel',
    'crypto/crc32c_generic',
    // Boot entries (UEFI), and file systems for looking at what is on a disk
    'fs/efivarfs/efivarfs',
    'fs/fat/vfat',
    'fs/nls/nls_cp437',
    'fs/nls/nls_ascii',
    'fs/nls/nls_iso8859-1',
  ]);

/** Paths below `folder` (`lib/modules/<version>`) of the wanted modules and of all that these depend on, sorted. */
export function chooseModules(folder: string): readonly string[] {
  const dependencies = readDependencies(folder);
  const chosen = new Set<string>();
  const choose = (path: string) => {
    if (chosen.has(path)) return;
    chosen.add(path);
    for (const other of dependencies.get(path) ?? []) choose(other);
  };
  for (const path of dependencies.keys()) {
    const name = path.replace(/^kernel\//, '').replace(/\.ko$/, '');
    if (WANTED.some((wanted) => name === wanted || name.startsWith(`${wanted}/`))) choose(path);
  }
  return [...chosen].sort();
}

/** modules.dep and the soft dependencies together: busybox's modprobe knows only the former. */
function readDependencies(folder: string): Map<string, readonly string[]> {
  const dependencies = new Map<string, readonly string[]>();
  for (const line of readFileSync(join(folder, 'modules.dep'), 'utf8').split('\n')) {
    const [path, rest] = line.split(':');
    if (path !== undefined && path !== '') dependencies.set(path, (rest ?? '').split(' ').filter(Boolean));
  }
  for (const [path, others] of softDependencies(folder, [...dependencies.keys()])) {
    dependencies.set(path, [...new Set([...others, ...(dependencies.get(path) ?? [])])]);
  }
  return dependencies;
}

function softDependencies(folder: string, paths: readonly string[]): [string, readonly string[]][] {
  const file = join(folder, 'modules.softdep');
  if (!existsSync(file)) return [];
  const byName = new Map(paths.map((path) => [moduleName(path), path]));
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line): [string, readonly string[]][] => {
      const [word, name, ...rest] = line.split(/\s+/);
      const path = byName.get(name?.replaceAll('-', '_') ?? '');
      if (word !== 'softdep' || path === undefined) return [];
      const others = rest.flatMap((other) => byName.get(other.replaceAll('-', '_')) ?? []);
      return [[path, others.filter((other) => other !== path)]];
    });
}

function moduleName(path: string): string {
  return path.replace(/.*\//, '').replace(/\.ko$/, '').replaceAll('-', '_');
}

/** The one version below `lib/modules` of an unpacked kernel package. */
export function kernelVersion(unpacked: string): string {
  const versions = readdirSync(join(unpacked, 'lib/modules'));
  const [version] = versions;
  if (version === undefined || versions.length !== 1)
    throw new Error(`not one kernel: ${versions.join(' ')}`);
  return version;
}
