// Debian's shim, which firmware believes by Microsoft's signature, and the texts beside other people's loaders.
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { agentFiles } from '../src/boot/agent-files.ts';
import { cached, recipeDigest, remove } from '../tools/cache.ts';
import { describePackages, fetchPackage, unpackPackage } from '../tools/debian.ts';
import { type Architecture, DEBIAN_NAMES } from './initramfs.ts';
import type { AssetFile } from './provenance.ts';

const NAMES: Readonly<Record<Architecture, string>> = { x64: 'shimx64.efi', arm64: 'shimaa64.efi' };

/** Its own folder, for it looks for its second stage (`grubx64.efi`, our signed agent) beside itself. */
export interface Shim {
  readonly path: string;
  readonly file: Pick<AssetFile, 'name' | 'origin' | 'version'>;
}

export async function ensureShim(
  architecture: Architecture,
  progress: (line: string) => void,
): Promise<Shim> {
  const debian = DEBIAN_NAMES[architecture];
  const [one] = await describePackages(['shim-signed'], progress, debian);
  if (one === undefined) throw new Error('shim-signed was not described');
  const name = NAMES[architecture];
  const folder = await cached('shim', recipeDigest([one.name, one.version, one.sha256]), async (into) => {
    const scratch = join(into, 'scratch');
    await unpackPackage(await fetchPackage(one, progress), scratch);
    copyFileSync(join(scratch, 'usr/lib/shim', `${name}.signed`), join(into, name));
    remove(scratch);
  });
  const file = { name: `shim/${name}`, origin: 'Debian package shim-signed', version: one.version };
  return { path: join(folder, name), file };
}

/** A signed iPXE of 2.0 runs it: it asks by DHCP as iPXE does, and so gets our script, whose address is nowhere here. */
const AUTOEXEC = '#!ipxe\nautoboot || shell\n';

const [X64, ARM64] = [agentFiles('x64'), agentFiles('arm64')];

/** Debian's signed GRUB reads it from `/grub`, by TFTP alone, from the DHCP server's next-server. */
const GRUB_CONFIG = `set timeout=0
set kernel=/${X64.kernel}
set initramfs=/${X64.initramfs}
set console=${X64.console}
if [ "$grub_cpu" = arm64 ]; then
  set kernel=/${ARM64.kernel}
  set initramfs=/${ARM64.initramfs}
  set console=${ARM64.console}
fi
menuentry "Peerboot" {
  linux $kernel console=$console console=tty0 quiet
  initrd $initramfs
}
`;

/** The text that belongs beside a loader which a user brought into this folder. */
const COMPANIONS: Readonly<Record<string, { readonly name: string; readonly text: string }>> = {
  'signed-ipxe': { name: 'signed-ipxe/autoexec.ipxe', text: AUTOEXEC },
  grub: { name: 'grub/grub.cfg', text: GRUB_CONFIG },
};

/** Writes what belongs beside these files, unless it is among them; tells the names. */
export function writeCompanions(into: string, names: readonly string[]): readonly string[] {
  const folders = new Set(names.filter((name) => name.includes('/')).map((name) => name.replace(/\/.*/, '')));
  return [...folders].flatMap((folder) => {
    const companion = COMPANIONS[folder];
    if (companion === undefined || names.includes(companion.name)) return [];
    mkdirSync(join(into, folder), { recursive: true });
    writeFileSync(join(into, companion.name), companion.text);
    return [companion.name];
  });
}
