// Loaders that an administrator would bring into the boot assets: Debian's signed GRUB, and an iPXE that the firmware believes.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBootAssets } from '../../boot-assets/build.ts';
import { describePackages, fetchPackage, unpackPackage } from '../../tools/debian.ts';
import { run } from './process.ts';
import type { LabKey } from './signed-assets.ts';

type Nbps = Readonly<Record<string, string>>;

/** Debian's shim and its GRUB for booting from the network, for `grub/`. */
export async function signedGrub(scratch: string): Promise<Nbps> {
  const into = join(scratch, 'signed-grub');
  mkdirSync(into, { recursive: true });
  for (const one of await describePackages(['shim-signed', 'grub-efi-amd64-signed'], () => {})) {
    await unpackPackage(await fetchPackage(one, () => {}), into);
  }
  return {
    'grub/shimx64.efi': join(into, 'usr/lib/shim/shimx64.efi.signed'),
    'grub/grubx64.efi': join(into, 'usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed'),
  };
}

/** In the place of an iPXE that Microsoft signed, which this lab has not: Debian's, signed by the lab's own key. */
export async function signedIpxe({ key, certificate }: LabKey, scratch: string): Promise<Nbps> {
  const { folder } = await ensureBootAssets();
  const signed = join(scratch, 'signed-snponly.efi');
  const words = ['--key', key, '--cert', certificate, '--output', signed, join(folder, 'snponly.efi')];
  await run('sbsign', words);
  return { 'signed-ipxe/snponly.efi': signed };
}
