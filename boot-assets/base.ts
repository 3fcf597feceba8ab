// The part of the boot assets that is the same for everybody: NBPs, kernel, and the initramfs but for agent and root.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PeerbootError } from '../src/base/errors.ts';
import { cached, recipeDigest, remove } from '../tools/cache.ts';
import { type DebianPackage, describePackages, fetchPackage, unpackPackage } from '../tools/debian.ts';
import { run } from '../tools/run.ts';
import { type Architecture, DEBIAN_NAMES, pack, systemArchive } from './initramfs.ts';
import { kernelVersion } from './modules.ts';
import { type NodeProgram, nodeProgram } from './node.ts';
import type { Ingredient } from './provenance.ts';

/** `generic` has drivers for real hardware; `cloud` starts twice as fast and is for virtual machines only. */
export const KERNELS = { generic: 'linux-image', cloud: 'linux-image-cloud' } as const;
export type KernelKind = keyof typeof KERNELS;

/** systemd's stub for unified kernel images. */
const STUBS: Readonly<Record<Architecture, string>> = {
  x64: 'linuxx64.efi.stub',
  arm64: 'linuxaa64.efi.stub',
};

/** Name at the boot host → path in Debian's package ipxe, which has them for x86 only. */
const NBPS = {
  'undionly.kpxe': 'usr/lib/ipxe/undionly.kpxe',
  'snponly.efi': 'usr/lib/ipxe/snponly.efi',
  'ipxe.efi': 'usr/lib/ipxe/ipxe.efi',
} as const;
export const NBP_NAMES = Object.keys(NBPS) as readonly (keyof typeof NBPS)[];

const LIBRARY_PACKAGES = ['libc6', 'libgcc-s1', 'libstdc++6'] as const;
/** Files whose text decides what is built: whoever changes one gets a new build. */
const RECIPE = ['base.ts', 'cpio.ts', 'init.sh', 'initramfs.ts', 'modules.ts', 'node.ts'];

export interface Base {
  /** Holds `vmlinuz`, `stub.efi`, `system.img` (the big archive of the initramfs) and, for x64, the NBPs. */
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

export interface BaseWish {
  readonly architecture?: Architecture;
  readonly kernel: KernelKind;
  readonly progress: (line: string) => void;
  /** Builds it anew, beside a build that is there already: for comparing the two. */
  readonly again?: string;
}

export async function ensureBase(wish: BaseWish): Promise<Base> {
  const { architecture = 'x64', progress } = wish;
  const debian = DEBIAN_NAMES[architecture];
  const metaName = `${KERNELS[wish.kernel]}-${debian}`;
  const [meta] = await describePackages([metaName], progress, debian);
  const kernelPackage = meta?.dependsOn.find((name) => name.startsWith('linux-image-'));
  if (kernelPackage === undefined) {
    throw new PeerbootError('PB-BUILD-FAILED', `${metaName} names no kernel package`);
  }
  const names = [kernelPackage, 'busybox-static', 'systemd-boot-efi', ...LIBRARY_PACKAGES];
  const packages = await describePackages(
    architecture === 'x64' ? [...names, 'ipxe'] : names,
    progress,
    debian,
  );
  const node = await nodeProgram(architecture, progress);
  const digest = recipeDigest({
    packages: packages.map(({ name, version, sha256 }) => [name, version, sha256]),
    node: [node.name, node.version],
    strip: (await run('strip', ['--version'])).split('\n')[0],
    recipe: RECIPE.map((name) => readFileSync(new URL(name, import.meta.url), 'utf8')),
    again: wish.again ?? '',
  });
  const folder = await cached('boot-assets', digest, (into) =>
    build({ architecture, kernelPackage, packages, node, into, progress }),
  );
  const facts = JSON.parse(readFileSync(join(folder, 'facts.json'), 'utf8')) as BaseFacts;
  return { folder, digest, facts };
}

interface Job {
  readonly architecture: Architecture;
  readonly kernelPackage: string;
  readonly packages: readonly DebianPackage[];
  readonly node: NodeProgram;
  readonly into: string;
  readonly progress: (line: string) => void;
}

async function build(job: Job): Promise<void> {
  const { architecture, kernelPackage, packages, node, into, progress } = job;
  const scratch = join(into, 'scratch');
  const unpacked = (name: string) => join(scratch, name);
  for (const one of packages) {
    const file = await fetchPackage(one, progress);
    progress(`unpacking ${one.name} ${one.version}`);
    await unpackPackage(file, unpacked(one.name));
  }
  const kernel = join(unpacked(kernelPackage), `boot/vmlinuz-${kernelVersion(unpacked(kernelPackage))}`);
  copyFileSync(kernel, join(into, 'vmlinuz'));
  const stub = `usr/lib/systemd/boot/efi/${STUBS[architecture]}`;
  copyFileSync(join(unpacked('systemd-boot-efi'), stub), join(into, 'stub.efi'));
  if (architecture === 'x64') {
    for (const [name, path] of Object.entries(NBPS)) {
      copyFileSync(join(unpacked('ipxe'), path), join(into, name));
    }
  }
  progress('putting the initramfs together');
  const work = join(scratch, 'work');
  mkdirSync(work);
  const archive = await systemArchive({
    architecture,
    kernel: unpacked(kernelPackage),
    busybox: unpacked('busybox-static'),
    hostBusybox: await hostBusybox(architecture, unpacked, progress),
    libraries: LIBRARY_PACKAGES.map(unpacked),
    node: await withoutSymbols(architecture, node.path, join(work, 'node')),
    scratch: work,
  });
  progress(`compressing ${Math.round(archive.length / 1e6)} MB`);
  writeFileSync(join(into, 'system.img'), pack(archive));
  const versionOf = (name: string) => packages.find((one) => one.name === name)?.version ?? '';
  const facts: BaseFacts = {
    kernelPackage,
    kernelVersion: versionOf(kernelPackage),
    ipxeVersion: versionOf('ipxe'),
    ingredients: [
      ...packages.map(({ name, version, sha256 }) => ({ origin: `Debian package ${name}`, version, sha256 })),
      {
        origin: `npm package ${node.name}`,
        version: node.version,
        sha256: createHash('sha256').update(readFileSync(node.path)).digest('hex'),
      },
    ],
    builtSeconds: Math.floor(statSync(kernel).mtimeMs / 1000),
  };
  writeFileSync(join(into, 'facts.json'), JSON.stringify(facts));
  remove(scratch);
}

/** The target's busybox cannot be run here when it is of another processor; its applets are those of the host's. */
async function hostBusybox(
  architecture: Architecture,
  unpacked: (name: string) => string,
  progress: (line: string) => void,
): Promise<string> {
  if (architecture === 'x64') return unpacked('busybox-static');
  const folder = unpacked('host-busybox');
  for (const one of await describePackages(['busybox-static'], progress)) {
    await unpackPackage(await fetchPackage(one, progress), folder);
  }
  return folder;
}

/** The host's `strip` knows programs of x64 alone; arm64's Node keeps its symbols, a few megabytes. */
async function withoutSymbols(architecture: Architecture, program: string, into: string): Promise<string> {
  if (architecture !== 'x64') return program;
  await run('strip', ['--strip-all', '--enable-deterministic-archives', '-o', into, program]);
  return into;
}
