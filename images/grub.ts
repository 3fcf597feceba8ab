// GRUB for both firmwares, made from Debian's packages without installing them or needing a loop device.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert } from '../src/base/errors.ts';
import { describePackages, fetchPackage, unpackPackage } from '../tools/debian.ts';
import { run } from '../tools/run.ts';

const SECTOR_BYTES = 512;
const MODULES = [
  'normal',
  'configfile',
  'part_gpt',
  'ext2',
  'linux',
  'search',
  'search_fs_uuid',
  'test',
  'echo',
];
const BIOS_MODULES = [...MODULES, 'biosdisk'];
const EFI_MODULES = [...MODULES, 'fat', 'efi_gop', 'all_video'];

export interface GrubImages {
  /** First sector of the disk, without its partition table. */
  readonly boot: Uint8Array;
  /** What the first sector loads: written to the BIOS boot partition. */
  readonly core: Uint8Array;
  /** Path of the UEFI program. */
  readonly efi: string;
}

/** `scratch` is an empty folder; the images look for grub.cfg on the file system with this UUID. */
export async function makeGrub(
  scratch: string,
  rootFileSystem: string,
  progress: (line: string) => void,
): Promise<GrubImages> {
  const names = ['grub-common', 'grub-pc-bin', 'grub-efi-amd64-bin', 'libdevmapper1.02.1'];
  for (const one of await describePackages(names, progress)) {
    await unpackPackage(await fetchPackage(one, progress), join(scratch, 'grub'));
  }
  const start = join(scratch, 'start.cfg');
  writeFileSync(
    start,
    `search.fs_uuid ${rootFileSystem} root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n`,
  );
  const platforms = join(scratch, 'grub/usr/lib/grub');
  const mkimage = (platform: string, output: string, modules: readonly string[]) =>
    run(
      join(scratch, 'grub/usr/bin/grub-mkimage'),
      [
        '-O',
        platform,
        '-d',
        join(platforms, platform),
        '-p',
        '/boot/grub',
        '-c',
        start,
        '-o',
        output,
        ...modules,
      ],
      // The tool links the device mapper, which a host need not have.
      { env: { LD_LIBRARY_PATH: join(scratch, 'grub/lib/x86_64-linux-gnu') } },
    );
  const core = join(scratch, 'core.img');
  const efi = join(scratch, 'bootx64.efi');
  await mkimage('i386-pc', core, BIOS_MODULES);
  await mkimage('x86_64-efi', efi, EFI_MODULES);
  return { boot: readFileSync(join(platforms, 'i386-pc/boot.img')), core: readFileSync(core), efi };
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
  images: Pick<GrubImages, 'boot' | 'core'>,
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
