// GRUB for the BIOS, made from Debian's packages and put in place without installing them or needing a loop device.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert } from '../src/base/errors.ts';
import { describePackages, fetchPackage, unpackPackage } from '../tools/debian.ts';
import { run } from '../tools/run.ts';
import { startConfig } from './loaders.ts';

const SECTOR_BYTES = 512;
const PLATFORM = 'i386-pc';
const MODULES = [
  ...['biosdisk', 'part_gpt', 'ext2', 'search', 'search_fs_uuid', 'normal', 'configfile', 'linux'],
  ...['test', 'echo'],
];

export interface BiosGrub {
  /** First sector of the disk, without its partition table. */
  readonly boot: Uint8Array;
  /** What the first sector loads: written to the BIOS boot partition. */
  readonly core: Uint8Array;
}

/** `scratch` is a folder to work in; GRUB looks for grub.cfg on the file system with this UUID. */
export async function makeBiosGrub(
  scratch: string,
  rootFileSystem: string,
  progress: (line: string) => void,
): Promise<BiosGrub> {
  const unpacked = join(scratch, 'grub');
  for (const one of await describePackages(['grub-common', 'grub-pc-bin', 'libdevmapper1.02.1'], progress)) {
    await unpackPackage(await fetchPackage(one, progress), unpacked);
  }
  const [start, core] = [join(scratch, 'start.cfg'), join(scratch, 'core.img')];
  writeFileSync(start, startConfig(rootFileSystem));
  const platform = join(unpacked, 'usr/lib/grub', PLATFORM);
  await run(
    join(unpacked, 'usr/bin/grub-mkimage'),
    ['-O', PLATFORM, '-d', platform, '-p', '/boot/grub', '-c', start, '-o', core, ...MODULES],
    // The tool links the device mapper, which a host need not have.
    { env: { LD_LIBRARY_PATH: join(unpacked, 'lib/x86_64-linux-gnu') } },
  );
  return { boot: readFileSync(join(platform, 'boot.img')), core: readFileSync(core) };
}

/** Offsets in GRUB's first sectors (its include/grub/i386/pc/boot.h). */
const KERNEL_SECTOR_AT = 0x5c;
const DRIVE_CHECK_AT = 0x66;
const BLOCK_LIST_AT = SECTOR_BYTES - 12;
const BIOS_PARAMETERS = { start: 0x03, end: 0x5a };
const PARTITION_TABLE = { start: 0x1b8, end: 0x1fe };

/**
 * Does grub-bios-setup's work on a disk image in a file: `firstSector` keeps its partition table and gets GRUB's code,
 * which loads `core` from `coreSector` (LBA) on.
 */
export function placeBiosGrub(
  firstSector: Uint8Array,
  images: BiosGrub,
  coreSector: number,
): { readonly firstSector: Uint8Array; readonly core: Uint8Array } {
  assert(firstSector.length === SECTOR_BYTES && images.boot.length === SECTOR_BYTES, 'one sector each');
  const first = Uint8Array.from(images.boot);
  for (const { start, end } of [BIOS_PARAMETERS, PARTITION_TABLE]) {
    first.set(firstSector.subarray(start, end), start);
  }
  const firstView = new DataView(first.buffer);
  firstView.setBigUint64(KERNEL_SECTOR_AT, BigInt(coreSector), true);
  // Two NOPs: some BIOSes hand over a wrong drive number, and on a hard disk GRUB may then assume the first.
  firstView.setUint16(DRIVE_CHECK_AT, 0x9090, true);

  const sectors = Math.ceil(images.core.length / SECTOR_BYTES);
  const core = new Uint8Array(sectors * SECTOR_BYTES);
  core.set(images.core);
  const coreView = new DataView(core.buffer);
  // The one entry of the block list: where the rest lies, how many sectors, and the segment to load it to.
  coreView.setBigUint64(BLOCK_LIST_AT, BigInt(coreSector + 1), true);
  coreView.setUint16(BLOCK_LIST_AT + 8, sectors - 1, true);
  coreView.setUint16(BLOCK_LIST_AT + 10, 0x820, true);
  return { firstSector: first, core };
}
