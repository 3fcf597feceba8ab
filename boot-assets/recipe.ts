// Makes the folder of boot assets that a boot host serves: the base, with the agent and the trust root in front.
import { createHash } from 'node:crypto';
import { linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { agentFiles } from '../src/boot/agent-files.ts';
import { cached, ROOT, recipeDigest } from '../tools/cache.ts';
import { ensureHost } from '../tools/host.ts';
import { type Base, ensureBase, type KernelKind, NBP_NAMES } from './base.ts';
import { bundleAgent } from './bundle.ts';
import { type Architecture, frontArchive, pack } from './initramfs.ts';
import { type AssetFile, type Ingredient, type Provenance, writeProvenance } from './provenance.ts';
import { ensureShim, type Shim, writeCompanions } from './shim.ts';
import { unifiedKernelImage } from './uki.ts';

export interface BootAssetsWish {
  /** TUF root metadata (`root.json`) that the agent pins: bytes, or a path. Without it the agent refuses to image. */
  readonly root?: Uint8Array | string | undefined;
  readonly kernel?: KernelKind;
  /** Processors that there shall be an agent for; x64 alone when not said. */
  readonly architectures?: readonly Architecture[];
  /** NBPs of one's own, also in place of Debian's: name at the boot host → path. */
  readonly nbps?: Readonly<Record<string, string>>;
  /** Debian's shim too, for machines with Secure Boot that shall know our key as a machine-owner key. */
  readonly shim?: boolean;
  /** A folder with firmware for NICs, laid into the initramfs as /lib/firmware: Debian's main archive has none. */
  readonly firmware?: string | undefined;
  readonly progress?: (line: string) => void;
}

export interface BootAssets {
  /** Holds the NBPs, kernels, initramfs and `provenance.json`; its name is the digest of the recipe. */
  readonly folder: string;
  readonly provenance: Provenance;
}

/** Builds what is not in the cache yet; with everything there it takes about a second. */
export async function ensureBootAssets(wish: BootAssetsWish = {}): Promise<BootAssets> {
  const progress = wish.progress ?? (() => {});
  await ensureHost('assets', progress);
  const kernel = wish.kernel ?? 'generic';
  const root = typeof wish.root === 'string' ? readFileSync(wish.root) : wish.root;
  const agent = await bundleAgent();
  const parts: Part[] = [];
  for (const architecture of wish.architectures ?? (['x64'] as const)) {
    const base = await ensureBase({ architecture, kernel, progress });
    const modifiedSeconds = base.facts.builtSeconds;
    const front = pack(frontArchive({ agent, root, firmware: wish.firmware, modifiedSeconds }));
    const shim = wish.shim === true ? await ensureShim(architecture, progress) : undefined;
    parts.push({ architecture, base, front, shim });
  }
  const own = Object.entries(wish.nbps ?? {}).map(([name, path]) => ({ name, bytes: readFileSync(path) }));
  const digest = recipeDigest([
    parts.map(({ architecture, base, front, shim }) => [
      architecture,
      base.digest,
      sha256(front),
      shim?.file.version,
    ]),
    own.map(({ name, bytes }) => [name, sha256(bytes)]),
    RECIPE.map((name) => readFileSync(new URL(name, import.meta.url), 'utf8')),
  ]);
  const folder = await cached('assets', digest, async (into) => {
    for (const { name, bytes } of own) {
      mkdirSync(dirname(join(into, name)), { recursive: true });
      writeFileSync(join(into, name), bytes);
    }
    const companions = writeCompanions(
      into,
      own.map(({ name }) => name),
    );
    const files = parts.flatMap((part) => lay(part, into, new Set(own.map(({ name }) => name))));
    const ingredients = parts.flatMap(({ base }) => base.facts.ingredients);
    writeProvenance(into, {
      files: [
        ...own.map(({ name }) => ({ name, origin: 'user-supplied', version: 'unknown' })),
        ...companions.map((name) => ({ name, origin: 'Peerboot', version: peerbootVersion() })),
        ...files,
      ],
      ingredients: [
        ...ingredients.filter((one, i) => ingredients.findIndex(({ sha256 }) => sha256 === one.sha256) === i),
        { origin: 'Peerboot agent', version: peerbootVersion(), sha256: sha256(agent) },
        ...firmwareIngredients(wish.firmware),
      ],
      trustRoot: root === undefined ? null : sha256(root),
    });
  });
  const provenance = JSON.parse(readFileSync(join(folder, 'provenance.json'), 'utf8')) as Provenance;
  return { folder, provenance };
}

/** Files whose text decides what is made of the bases. */
const RECIPE = ['recipe.ts', 'shim.ts', 'uki.ts', '../src/boot/agent-files.ts', '../src/boot/pe.ts'];

interface Part {
  readonly architecture: Architecture;
  readonly base: Base;
  readonly front: Uint8Array;
  readonly shim: Shim | undefined;
}

/** Lays one processor's files into the folder, and tells what they are. */
function lay({ architecture, base, front, shim }: Part, into: string, ours: ReadonlySet<string>): LaidFile[] {
  const { kernel, initramfs, uki, console } = agentFiles(architecture);
  const version = peerbootVersion();
  const laid: LaidFile[] = [];
  const link = (from: string, file: LaidFile) => {
    linkSync(join(base.folder, from), join(into, file.name));
    laid.push(file);
  };
  for (const name of architecture === 'x64' ? NBP_NAMES : []) {
    if (!ours.has(name)) link(name, { name, origin: 'Debian package ipxe', version: base.facts.ipxeVersion });
  }
  if (shim !== undefined) {
    mkdirSync(join(into, 'shim'), { recursive: true });
    linkSync(shim.path, join(into, shim.file.name));
    laid.push(shim.file);
  }
  const { kernelPackage, kernelVersion } = base.facts;
  link('vmlinuz', { name: kernel, origin: `Debian package ${kernelPackage}`, version: kernelVersion });
  // The kernel unpacks archives one after the other, as it does with processors' microcode.
  const whole = Buffer.concat([front, readFileSync(join(base.folder, 'system.img'))]);
  writeFileSync(join(into, initramfs), whole);
  const program = unifiedKernelImage({
    stub: readFileSync(join(base.folder, 'stub.efi')),
    kernel: readFileSync(join(base.folder, 'vmlinuz')),
    initramfs: whole,
    // It names no peer: the program is the same everywhere, so the agent looks for its peer itself.
    commandLine: `console=${console} console=tty0 quiet`,
    version,
  });
  writeFileSync(join(into, uki), program);
  const origin = 'Peerboot, of the ingredients';
  return [...laid, { name: initramfs, origin, version }, { name: uki, origin, version }];
}

type LaidFile = Pick<AssetFile, 'name' | 'origin' | 'version'>;

function firmwareIngredients(folder: string | undefined): Ingredient[] {
  if (folder === undefined) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return paths.sort().map((path) => ({
    origin: `user-supplied firmware ${relative(folder, path)}`,
    version: 'unknown',
    sha256: sha256(readFileSync(path)),
  }));
}

function peerbootVersion(): string {
  return (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
