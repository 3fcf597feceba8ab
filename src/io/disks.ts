// The disks of this machine, as the kernel shows them, and what is on each.
import { closeSync, openSync, readdirSync, readFileSync, readSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { DiskContent, DiskFacts } from '../api/identity.ts';
import { smbiosText } from '../base/smbios-text.ts';
import { describeDisk } from '../imaging/signatures.ts';

/** Not disks of the machine: RAM, loop and network devices, optical drives, floppies, what lies on other disks. */
const VIRTUAL = /^(loop|ram|zram|nbd|dm-|md|sr|fd|drbd|rbd)/;
/** The boot partitions of eMMC are devices of their own that nobody images. */
const PART_OF_ANOTHER = /^mmcblk\d+(boot\d+|rpmb)$/;
/** `size` in sysfs counts 512-byte sectors whatever the disk's own are (Documentation/ABI/stable/sysfs-block). */
const SYSFS_SECTOR = 512;

export interface DiskFolders {
  readonly block: string;
  readonly dev: string;
  readonly mounts: string;
}
const FOLDERS: DiskFolders = { block: '/sys/block', dev: '/dev', mounts: '/proc/self/mounts' };

/** Sorted by name. */
export function readDisks(folders: DiskFolders = FOLDERS): DiskFacts[] {
  const mounts = tryRead(folders.mounts) ?? '';
  return readdirSync(folders.block)
    .filter((name) => !VIRTUAL.test(name) && !PART_OF_ANOTHER.test(name))
    .sort()
    .map((name) => readDisk(name, folders, mounts));
}

function readDisk(name: string, folders: DiskFolders, mounts: string): DiskFacts {
  const home = join(folders.block, name);
  const text = (path: string) => tryRead(join(home, path))?.trim();
  const sizeBytes = Number(text('size') ?? 0) * SYSFS_SECTOR;
  const transport = transportOf(name, home);
  const model = smbiosText([text('device/vendor'), text('device/model')].filter(isName).join(' '));
  const serial = smbiosText(text('serial') ?? text('device/serial') ?? serialFromVpd(home) ?? '');
  return {
    name,
    sizeBytes,
    logicalSectorBytes: Number(text('queue/logical_block_size') ?? 512),
    ...(model === undefined ? {} : { model }),
    ...(serial === undefined ? {} : { serial }),
    transport,
    removable: text('removable') === '1',
    readOnly: text('ro') === '1',
    mounted: isInUse(name, home, folders.dev, mounts),
    rotational: text('queue/rotational') === '1',
    content:
      sizeBytes === 0 ? { blank: true, partitions: [] } : contentOf(join(folders.dev, name), name, sizeBytes),
  };
}

/** virtio shows its PCI vendor number, SATA disks the word ATA: neither is a name. */
function isName(text: string | undefined): text is string {
  return text !== undefined && text !== '' && text !== 'ATA' && !/^0x[0-9a-f]+$/i.test(text);
}

/** What the path of the device goes through tells how it is plugged in. */
function transportOf(name: string, home: string): DiskFacts['transport'] {
  const path = realpathSync(home);
  if (/\/usb\d+\//.test(path)) return 'usb';
  if (name.startsWith('nvme')) return 'nvme';
  // The kernel's mmc block driver says what is behind it: `MMC` is eMMC, `SD` a card.
  if (name.startsWith('mmcblk')) return tryRead(join(home, 'device/type'))?.trim() === 'MMC' ? 'emmc' : 'mmc';
  if (/\/virtio\d+\//.test(path)) return 'virtio';
  if (/\/ata\d+\//.test(path)) return 'sata';
  return /\/host\d+\//.test(path) ? 'scsi' : 'other';
}

/** Page 0x80 of the vital product data: four bytes of head, then the serial number (SPC-4, 7.8.15). */
function serialFromVpd(home: string): string | undefined {
  try {
    return readFileSync(join(home, 'device/vpd_pg80')).subarray(4).toString('latin1');
  } catch {
    return undefined;
  }
}

/** Mounted, swapped to, or held by RAID, LVM or dm-crypt: the disk itself or a partition of it. */
function isInUse(name: string, home: string, dev: string, mounts: string): boolean {
  const partitions = readdirSync(home).filter((entry) => entry.startsWith(name));
  const names = [name, ...partitions];
  const devices = new Set(names.map((one) => join(dev, one)));
  if (mounts.split('\n').some((line) => devices.has(line.split(' ')[0] ?? ''))) return true;
  const holders = ['holders', ...partitions.map((partition) => `${partition}/holders`)];
  return holders.some((path) => tryList(join(home, path)).length > 0);
}

function contentOf(device: string, name: string, sizeBytes: number): DiskContent {
  let fd: number;
  try {
    fd = openSync(device, 'r');
  } catch {
    // A disk that cannot be opened is certainly not known to be blank.
    return { blank: false, partitions: [] };
  }
  try {
    return describeDisk(name, sizeBytes, (offset, length) => {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
    });
  } catch {
    // Nor is one that cannot be read; the write will say what is wrong with it.
    return { blank: false, partitions: [] };
  } finally {
    closeSync(fd);
  }
}

function tryRead(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function tryList(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
