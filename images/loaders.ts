// The way from UEFI to the kernel: Debian's signed shim and GRUB, which firmware with Secure Boot believes.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DebianArchitecture, describePackages, fetchPackage, unpackPackage } from '../tools/debian.ts';

/** A file on the EFI system partition, and where it comes from. */
export interface LoaderFile {
  /** With slashes, from the partition's root on. */
  readonly path: string;
  readonly from: string;
}

/** As UEFI abbreviates processors in the names of programs (UEFI 2.10, 3.5.1.1), and as GRUB calls its platforms. */
const NAMES: Readonly<Record<DebianArchitecture, { efi: string; platform: string }>> = {
  amd64: { efi: 'x64', platform: 'x86_64-efi' },
  arm64: { efi: 'aa64', platform: 'arm64-efi' },
};

/** Finds the system by the UUID of its root file system, wherever firmware has put the disk, and reads the rest there. */
export function startConfig(rootFileSystem: string): string {
  return `search.fs_uuid ${rootFileSystem} root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n`;
}

/**
 * What lies on the EFI system partition. Firmware starts the fallback path, which is shim, proved by Microsoft's
 * signature; shim starts `grubx64.efi` beside it, proved by Debian's; that GRUB reads `grub.cfg` from the one folder
 * that Debian has signed into it, and starts kernels that Debian signed. The MOK manager is there for who wants to
 * enrol a key. `fbx64.efi` is left out: it would make boot entries of its own, beside the agent's.
 */
export async function signedLoaders(
  scratch: string,
  architecture: DebianArchitecture,
  rootFileSystem: string,
  progress: (line: string) => void,
): Promise<readonly LoaderFile[]> {
  const { efi, platform } = NAMES[architecture];
  const names = ['shim-signed', `shim-helpers-${architecture}-signed`, `grub-efi-${architecture}-signed`];
  const unpacked = join(scratch, `loaders-${architecture}`);
  for (const one of await describePackages(names, progress, architecture)) {
    await unpackPackage(await fetchPackage(one, progress), unpacked);
  }
  const config = join(unpacked, 'grub.cfg');
  writeFileSync(config, startConfig(rootFileSystem));
  const shim = (name: string) => join(unpacked, `usr/lib/shim/${name}${efi}.efi.signed`);
  return [
    { path: `EFI/BOOT/BOOT${efi.toUpperCase()}.EFI`, from: shim('shim') },
    { path: `EFI/BOOT/mm${efi}.efi`, from: shim('mm') },
    {
      path: `EFI/BOOT/grub${efi}.efi`,
      from: join(unpacked, `usr/lib/grub/${platform}-signed/grub${efi}.efi.signed`),
    },
    { path: 'EFI/debian/grub.cfg', from: config },
  ];
}
