// Makes the folder of boot assets that a boot host serves: the base, with the agent and the trust root in front.
import { createHash } from 'node:crypto';
import { linkSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { cached, ROOT, recipeDigest } from '../tools/cache.ts';
import { ensureHost } from '../tools/host.ts';
import { ensureBase, type KernelKind, NBP_NAMES, type NbpName } from './base.ts';
import { bundleAgent } from './bundle.ts';
import { frontArchive, pack } from './initramfs.ts';
import { type Ingredient, type Provenance, writeProvenance } from './provenance.ts';

export interface BootAssetsWish {
  /** TUF root metadata (`root.json`) that the agent pins: bytes, or a path. Without it the agent refuses to image. */
  readonly root?: Uint8Array | string | undefined;
  readonly kernel?: KernelKind;
  /** NBPs of one's own in place of Debian's: name → path. */
  readonly nbps?: Readonly<Partial<Record<NbpName, string>>>;
  /** A folder with firmware for NICs, laid into the initramfs as /lib/firmware: Debian's main archive has none. */
  readonly firmware?: string | undefined;
  readonly progress?: (line: string) => void;
}

export interface BootAssets {
  /** Holds the NBPs, `vmlinuz`, `initramfs.img` and `provenance.json`; its name is the digest of the recipe. */
  readonly folder: string;
  readonly provenance: Provenance;
}

/** Builds what is not in the cache yet; with everything there it takes about a second. */
export async function ensureBootAssets(wish: BootAssetsWish = {}): Promise<BootAssets> {
  const progress = wish.progress ?? (() => {});
  await ensureHost('assets', progress);
  const base = await ensureBase(wish.kernel ?? 'generic', progress);
  const root = typeof wish.root === 'string' ? readFileSync(wish.root) : wish.root;
  const agent = await bundleAgent();
  const modifiedSeconds = base.facts.builtSeconds;
  const front = pack(frontArchive({ agent, root, firmware: wish.firmware, modifiedSeconds }));
  const own = Object.entries(wish.nbps ?? {}).map(([name, path]) => ({ name, bytes: readFileSync(path) }));
  const digest = recipeDigest([
    base.digest,
    sha256(front),
    own.map(({ name, bytes }) => [name, sha256(bytes)]),
    readFileSync(new URL(import.meta.url), 'utf8'),
  ]);
  const folder = await cached('assets', digest, async (into) => {
    const ours = new Set(own.map(({ name }) => name));
    for (const name of ['vmlinuz', ...NBP_NAMES.filter((name) => !ours.has(name))]) {
      linkSync(join(base.folder, name), join(into, name));
    }
    for (const { name, bytes } of own) writeFileSync(join(into, name), bytes);
    // The kernel unpacks archives one after the other, as it does with processors' microcode.
    const system = readFileSync(join(base.folder, 'system.img'));
    writeFileSync(join(into, 'initramfs.img'), Buffer.concat([front, system]));
    const { facts } = base;
    writeProvenance(into, {
      files: [
        ...NBP_NAMES.map((name) =>
          ours.has(name)
            ? { name, origin: 'user-supplied', version: 'unknown' }
            : { name, origin: 'Debian package ipxe', version: facts.ipxeVersion },
        ),
        { name: 'vmlinuz', origin: `Debian package ${facts.kernelPackage}`, version: facts.kernelVersion },
        { name: 'initramfs.img', origin: 'Peerboot, of the ingredients', version: peerbootVersion() },
      ],
      ingredients: [
        ...facts.ingredients,
        { origin: 'Peerboot agent', version: peerbootVersion(), sha256: sha256(agent) },
        ...firmwareIngredients(wish.firmware),
      ],
      trustRoot: root === undefined ? null : sha256(root),
    });
  });
  const provenance = JSON.parse(readFileSync(join(folder, 'provenance.json'), 'utf8')) as Provenance;
  return { folder, provenance };
}

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
