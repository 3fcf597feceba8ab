// Writes the signed catalogue of a published tree: whoever reads during a crash finds the old set whole, or the new one.
import { join } from 'node:path';
import { Metadata, MetadataKind, TargetFile } from '@tufjs/models';
import type { CatalogueBootEntry, CatalogueImage, CataloguePackage } from '../api/catalogue.ts';
import { equalBytes, fromText, toText } from '../base/bytes.ts';
import { type Descriptor, type Digest, digestHex } from '../base/digest.ts';
import { isPeerbootError, PeerbootError } from '../base/errors.ts';
import type { TargetWords } from '../chunk/publish-ports.ts';
import { digestOf } from './hash.ts';
import { type DurableSteps, ensureFolder, readIfThere, writeDurably } from './state-folder.ts';
import { openKeys, ROLES, type Role, rootPath, type SigningKeys } from './trust-keys.ts';
import { LIFETIME_DAYS, signRoot, signSnapshot, signTargets, signTimestamp } from './trust-sign.ts';
import { assembleSet, DAY_MS, type MetadataFiles, type VerifiedSet } from './trust-verify.ts';

/** How long stores may go on with a catalogue past its date, unless the publisher says otherwise. */
export const DEFAULT_GRACE_DAYS = 90;

export interface NewTarget {
  readonly path: string;
  /** Digest and length of the manifest's bytes. */
  readonly manifest: Descriptor;
  /** See `ImageTarget`. */
  readonly custom: TargetWords;
}

export interface Committed {
  /** False when the catalogue already said all this and was fresh enough. */
  readonly changed: boolean;
  readonly versions: VerifiedSet['versions'];
  /** Wall-clock ms at which stores must have met a newer one. */
  readonly expiresMs: number;
}

export interface CommitOptions {
  /** Signs the timestamp anew even when nothing changed. */
  readonly renew?: boolean;
  /** Days for which stores may use a held catalogue after its expiry; undefined leaves it as it is. */
  readonly graceDays?: number | undefined;
}

export interface TrustWriter {
  /** SHA-256 of the first root: what people compare before they pin it. */
  readonly rootFingerprint: Digest;
  /** The file to pin: `<tree>/catalogue/1.root.json`. */
  readonly rootFile: string;
  readonly keysAreFresh: boolean;
  images(): readonly CatalogueImage[];
  packages(): readonly CataloguePackage[];
  bootEntries(): readonly CatalogueBootEntry[];
  /** Takes the place of a target with the same path. */
  addTarget(target: NewTarget): void;
  removeTarget(path: string): void;
  commit(options?: CommitOptions): Promise<Committed>;
}

export interface TrustWriterOptions {
  readonly tree: string;
  readonly keysFolder: string;
  readonly wallMs: () => number;
  readonly steps?: DurableSteps;
}

type Versions = Record<Role, number>;

/** Rejects with PB-KEYS-MISPLACED, PB-KEYS-UNUSABLE. */
export async function openTrustWriter(options: TrustWriterOptions): Promise<TrustWriter> {
  const folder = join(options.tree, 'catalogue');
  const keys = openKeys(options.keysFolder, options.tree);
  const write = (path: string, bytes: Uint8Array, mode: number) =>
    writeDurably(path, bytes, { mode, ...(options.steps === undefined ? {} : { steps: options.steps }) });
  /** Only what a crash left half done, or nothing, is written over: a file that is named by others never changes. */
  const keep = (path: string, bytes: Uint8Array, mode: number) => {
    const there = readIfThere(path);
    if (there === undefined || !equalBytes(there, bytes)) write(path, bytes, mode);
  };
  if (keys.fresh)
    write(rootPath(keys.folder, 1), signRoot(keys, { version: 1, wallMs: options.wallMs() }), 0o600);
  const roots = readRoots(keys);
  let current = await readTree(folder, roots);
  const targets = new Map(current === undefined ? [] : Object.entries(targetsOf(current)));

  async function commit({ renew = false, graceDays }: CommitOptions = {}): Promise<Committed> {
    const wallMs = options.wallMs();
    const files = nextFiles({ keys, roots, current, targets, wallMs, renew, graceDays });
    if (files === undefined && current !== undefined) return summary(current, false);
    if (files === undefined) throw new Error('assertion failed: a first catalogue always has files to write');
    // Signed, then read as a store will read it, and only then written.
    const verified = await assembleSet({
      pinnedRoot: roots[0] as Uint8Array,
      held: current?.files,
      fetchFile: async (name) => files.get(name),
      source: 'the new catalogue',
    });
    ensureFolder(folder);
    for (const [name, bytes] of verified.files) {
      if (name.endsWith('.root.json')) keep(join(keys.folder, name), bytes, 0o600);
      if (name !== 'timestamp.json') keep(join(folder, name), bytes, 0o644);
    }
    // Remembered before anybody can see it: even a tree that is lost and made anew goes on above these versions.
    write(memoryPath(keys), fromText(`${JSON.stringify(verified.versions)}\n`), 0o600);
    write(join(folder, 'timestamp.json'), verified.files.get('timestamp.json') as Uint8Array, 0o644);
    current = verified;
    roots.splice(0, roots.length, ...readRoots(keys));
    return summary(verified, true);
  }

  return {
    rootFingerprint: digestOf(roots[0] as Uint8Array),
    rootFile: join(folder, '1.root.json'),
    keysAreFresh: keys.fresh,
    images: () => current?.images ?? [],
    packages: () => current?.packages ?? [],
    bootEntries: () => current?.bootEntries ?? [],
    addTarget: ({ path, manifest, custom }) => {
      const hashes = { sha256: digestHex(manifest.digest) };
      targets.set(path, TargetFile.fromJSON(path, { length: manifest.size, hashes, custom }));
    },
    removeTarget: (path) => {
      targets.delete(path);
    },
    commit,
  };
}

interface NextInput {
  readonly keys: SigningKeys;
  readonly roots: readonly Uint8Array[];
  readonly current: VerifiedSet | undefined;
  readonly targets: ReadonlyMap<string, TargetFile>;
  readonly wallMs: number;
  readonly renew: boolean;
  readonly graceDays: number | undefined;
}

/** The files of the next set, or undefined when the current one says the same and has half of its life before it. */
function nextFiles(input: NextInput): MetadataFiles | undefined {
  const { keys, current, wallMs } = input;
  const graceDays =
    input.graceDays ?? (current === undefined ? DEFAULT_GRACE_DAYS : current.graceMs / DAY_MS);
  const changed = current === undefined || !sameTargets(targetsOf(current), input.targets);
  const regraced = current !== undefined && current.graceMs !== graceDays * DAY_MS;
  const rekeyed = !namesKeys(input.roots[input.roots.length - 1] as Uint8Array, keys);
  const due = (role: Role) => current === undefined || rekeyed || halfSpent(current, role, wallMs);
  const anyDue = ROLES.some(due);
  if (!changed && !regraced && !anyDue && !input.renew) return undefined;

  const memory = readMemory(keys);
  const next = (role: Role) => Math.max(memory?.[role] ?? 0, current?.versions[role] ?? 0) + 1;
  const files = new Map<string, Uint8Array>();
  input.roots.forEach((bytes, i) => {
    files.set(`${i + 1}.root.json`, bytes);
  });
  if (rekeyed || (current !== undefined && due('root'))) {
    const version = input.roots.length + 1;
    files.set(`${version}.root.json`, signRoot(keys, { version, wallMs }));
  }
  const renewTargets = changed || due('targets');
  const targetsVersion = renewTargets || current === undefined ? next('targets') : current.versions.targets;
  const targetsName = `${targetsVersion}.targets.json`;
  const targetsBytes = renewTargets
    ? signTargets(keys, { version: targetsVersion, wallMs }, Object.fromEntries(input.targets))
    : (current?.files.get(targetsName) as Uint8Array);
  files.set(targetsName, targetsBytes);
  const snapshotVersion = next('snapshot');
  const snapshotBytes = signSnapshot(
    keys,
    { version: snapshotVersion, wallMs },
    { version: targetsVersion, bytes: targetsBytes },
  );
  files.set(`${snapshotVersion}.snapshot.json`, snapshotBytes);
  const stamp = { version: next('timestamp'), wallMs };
  files.set(
    'timestamp.json',
    signTimestamp(keys, stamp, { version: snapshotVersion, bytes: snapshotBytes }, graceDays),
  );
  return files;
}

function summary(set: VerifiedSet, changed: boolean): Committed {
  return { changed, versions: set.versions, expiresMs: set.expires.wallMs };
}

/** The current catalogue of the tree, undefined when it has none. Expired or not: it is about to be renewed. */
async function readTree(folder: string, roots: readonly Uint8Array[]): Promise<VerifiedSet | undefined> {
  if (readIfThere(join(folder, 'timestamp.json')) === undefined) return undefined;
  try {
    return await assembleSet({
      pinnedRoot: roots[0] as Uint8Array,
      fetchFile: async (name) => readIfThere(join(folder, name)),
      source: folder,
    });
  } catch (cause) {
    if (!isPeerbootError(cause)) throw cause;
    throw new PeerbootError(
      'PB-KEYS-UNUSABLE',
      `the catalogue in ${folder} does not belong to these keys, or is damaged (${cause.message})`,
      { cause },
    );
  }
}

/** Whether this root names exactly the keys in the folder; it does not after they were replaced. */
function namesKeys(root: Uint8Array, keys: SigningKeys): boolean {
  const { signed } = Metadata.fromJSON(MetadataKind.Root, JSON.parse(toText(root)));
  return ROLES.every((role) => {
    const ids = signed.roles[role]?.keyIDs ?? [];
    return ids.length === 1 && ids[0] === keys.byRole[role].public.keyID;
  });
}

function readRoots(keys: SigningKeys): Uint8Array[] {
  const roots: Uint8Array[] = [];
  for (;;) {
    const bytes = readIfThere(rootPath(keys.folder, roots.length + 1));
    if (bytes === undefined) return roots;
    roots.push(bytes);
  }
}

function memoryPath(keys: SigningKeys): string {
  return join(keys.folder, 'versions.json');
}

function readMemory(keys: SigningKeys): Versions | undefined {
  const bytes = readIfThere(memoryPath(keys));
  return bytes === undefined ? undefined : (JSON.parse(toText(bytes)) as Versions);
}

function metadataOf(set: VerifiedSet, role: Role): Uint8Array {
  const name = role === 'timestamp' ? 'timestamp.json' : `${set.versions[role]}.${role}.json`;
  return set.files.get(name) as Uint8Array;
}

function targetsOf(set: VerifiedSet): Readonly<Record<string, TargetFile>> {
  const json = JSON.parse(toText(metadataOf(set, 'targets')));
  return Metadata.fromJSON(MetadataKind.Targets, json).signed.targets;
}

function sameTargets(a: Readonly<Record<string, TargetFile>>, b: ReadonlyMap<string, TargetFile>): boolean {
  const paths = Object.keys(a);
  return (
    paths.length === b.size && paths.every((path) => b.get(path)?.equals(a[path] as TargetFile) === true)
  );
}

function halfSpent(set: VerifiedSet, role: Role, wallMs: number): boolean {
  const { signed } = JSON.parse(toText(metadataOf(set, role))) as { signed: { expires: string } };
  return Date.parse(signed.expires) - wallMs < (LIFETIME_DAYS[role] * DAY_MS) / 2;
}
