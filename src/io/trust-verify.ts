// Checks a set of TUF metadata against a pinned root and against the set held before (TUF specification 1.0, §5).
// tuf-js's own Updater is not used: it writes its state bare, takes the clock from the system and swallows errors of
// the timestamp it holds. Its rules (TrustedMetadataStore) are: they work on bytes, which fits agents without a disk.
import { Metadata, MetadataKind, type TargetFile } from '@tufjs/models';
import { TrustedMetadataStore } from 'tuf-js/dist/store.js';
import {
  type CatalogueBootEntry,
  type CatalogueImage,
  type CataloguePackage,
  compareVersions,
  ImageTarget,
} from '../api/catalogue.ts';
import { toText } from '../base/bytes.ts';
import { isDigest } from '../base/digest.ts';
import { PeerbootError } from '../base/errors.ts';
import { parseTargetPath } from '../chunk/names.ts';
import {
  asTrustError,
  belongsElsewhere,
  isEqualVersion,
  isUnsigned,
  isWrongVersion,
} from './trust-errors.ts';

/** Files of metadata by their names in `catalogue/`: `2.root.json`, `timestamp.json`, `7.snapshot.json`, `7.targets.json`. */
export type MetadataFiles = ReadonlyMap<string, Uint8Array>;

/** Undefined when the file is not there; rejects when it could not be fetched. */
export type FetchMetadata = (name: string, maxBytes: number) => Promise<Uint8Array | undefined>;

export interface VerifiedSet {
  readonly files: MetadataFiles;
  readonly images: readonly CatalogueImage[];
  /** In the same order as images: by name, the newest first. */
  readonly packages: readonly CataloguePackage[];
  readonly bootEntries: readonly CatalogueBootEntry[];
  /** Targets that this version of Peerboot does not understand. */
  readonly unreadable: readonly string[];
  readonly versions: Readonly<Record<'root' | 'timestamp' | 'snapshot' | 'targets', number>>;
  /** The earliest expiry among the four roles, and whose it is. */
  readonly expires: { readonly role: string; readonly wallMs: number };
  /** How long after that the publisher lets a set that is already held be used. */
  readonly graceMs: number;
}

export interface AssembleInput {
  /** Bytes of the trusted `N.root.json`. */
  readonly pinnedRoot: Uint8Array;
  /** What was accepted before, for protection against rollback. */
  readonly held?: MetadataFiles | undefined;
  readonly fetchFile: FetchMetadata;
  /** Named in errors. */
  readonly source: string;
  /** Called for each newer root as soon as it is verified: it must be kept even when the rest is refused (§5.3.8). */
  readonly onRoot?: (name: string, bytes: Uint8Array) => void;
}

const MAX_ROOT_BYTES = 512_000;
const MAX_TIMESTAMP_BYTES = 16_384;
const MAX_SNAPSHOT_BYTES = 2_000_000;
const MAX_TARGETS_BYTES = 16_000_000;
const MAX_ROTATIONS = 256;
/** Signed in the timestamp beside TUF's own fields, which TUF allows (§4.2.1: unrecognized fields are kept). */
export const GRACE_FIELD = 'x-peerboot-grace-days';
export const DAY_MS = 86_400_000;

/**
 * A consistent set, wholly signed: from what is held where that still stands, else fetched. Says nothing about
 * dates: see `requireFresh` and `judgeHeld`. Rejects with PB-TRUST-FORGED, PB-TRUST-ROLLBACK, PB-TRUST-MIXED,
 * PB-CATALOGUE-MISSING, or what `fetchFile` rejected with.
 */
export async function assembleSet(input: AssembleInput): Promise<VerifiedSet> {
  const trust = openRoot(input.pinnedRoot);
  const files = new Map<string, Uint8Array>([[`${trust.root.signed.version}.root.json`, input.pinnedRoot]]);
  await followRoots(trust, files, input);
  files.set('timestamp.json', await loadTimestamp(trust, input));
  const snapshot = trust.timestamp?.signed.snapshotMeta;
  if (snapshot === undefined) throw new Error('assertion failed: a timestamp was just loaded');
  const snapshotName = `${snapshot.version}.snapshot.json`;
  files.set(snapshotName, await loadSnapshot(trust, snapshotName, input));
  const targets = trust.snapshot?.signed.meta['targets.json'];
  if (targets === undefined)
    throw new PeerbootError('PB-TRUST-FORGED', `${input.source}: ${snapshotName} names no targets`);
  const targetsName = `${targets.version}.targets.json`;
  files.set(targetsName, await loadTargets(trust, targetsName, targets.length, input));
  return summarise(trust, files);
}

/** The pinned root itself, which must be signed by its own keys. Throws PB-TRUST-FORGED when it is no root. */
function openRoot(bytes: Uint8Array): TrustedMetadataStore {
  try {
    const trust = new TrustedMetadataStore(Buffer.from(bytes));
    // Dates are judged by us, on a clock that is handed in: to the store nothing is ever expired.
    Object.assign(trust, { referenceTime: new Date(0) });
    return trust;
  } catch (cause) {
    throw asTrustError(cause, 'the pinned root', 'root.json');
  }
}

async function followRoots(
  trust: TrustedMetadataStore,
  files: Map<string, Uint8Array>,
  { held, fetchFile, source, onRoot }: AssembleInput,
): Promise<void> {
  for (let rotation = 0; rotation < MAX_ROTATIONS; rotation++) {
    const name = `${trust.root.signed.version + 1}.root.json`;
    const kept = held?.get(name);
    if (kept !== undefined && followsRoot(trust, kept)) {
      files.set(name, kept);
      continue;
    }
    const bytes = await fetchFile(name, MAX_ROOT_BYTES);
    if (bytes === undefined) return;
    step(source, name, () => trust.updateRoot(Buffer.from(bytes)));
    files.set(name, bytes);
    onRoot?.(name, bytes);
  }
}

/** A kept root that the pinned one does not lead to belongs to a publisher trusted before: it is left behind. */
function followsRoot(trust: TrustedMetadataStore, bytes: Uint8Array): boolean {
  try {
    trust.updateRoot(Buffer.from(bytes));
    return true;
  } catch (error) {
    if (isUnsigned(error)) return false;
    throw error;
  }
}

async function loadTimestamp(trust: TrustedMetadataStore, input: AssembleInput): Promise<Uint8Array> {
  const kept = input.held?.get('timestamp.json');
  if (kept !== undefined) {
    try {
      trust.updateTimestamp(Buffer.from(kept));
    } catch (error) {
      // Signed by a key that a newer root took away: what it remembered goes with it (§5.3.11, fast-forward attacks).
      if (!isUnsigned(error)) throw error;
    }
  }
  const bytes = await input.fetchFile('timestamp.json', MAX_TIMESTAMP_BYTES);
  if (bytes === undefined) {
    throw new PeerbootError('PB-CATALOGUE-MISSING', `${input.source} has no catalogue/timestamp.json`);
  }
  try {
    trust.updateTimestamp(Buffer.from(bytes));
    return bytes;
  } catch (error) {
    if (isEqualVersion(error) && kept !== undefined) return kept;
    throw asTrustError(error, input.source, 'timestamp.json');
  }
}

async function loadSnapshot(
  trust: TrustedMetadataStore,
  name: string,
  input: AssembleInput,
): Promise<Uint8Array> {
  const meta = trust.timestamp?.signed.snapshotMeta;
  for (const [heldName, kept] of input.held ?? []) {
    if (!heldName.endsWith('.snapshot.json')) continue;
    try {
      trust.updateSnapshot(Buffer.from(kept), true);
      meta?.verify(Buffer.from(kept));
      return kept;
    } catch (error) {
      // An older one now stands in the store as the memory that the new one must not fall behind.
      if (!isUnsigned(error) && !isWrongVersion(error) && !belongsElsewhere(error)) throw error;
    }
  }
  const bytes = await required(input, name, meta?.length ?? MAX_SNAPSHOT_BYTES);
  step(
    input.source,
    name,
    () => trust.updateSnapshot(Buffer.from(bytes)),
    signedBy(trust, 'snapshot', bytes),
  );
  return bytes;
}

async function loadTargets(
  trust: TrustedMetadataStore,
  name: string,
  length: number | undefined,
  input: AssembleInput,
): Promise<Uint8Array> {
  const kept = input.held?.get(name);
  const meta = trust.snapshot?.signed.meta['targets.json'];
  const fits = (candidate: Uint8Array) => {
    try {
      meta?.verify(Buffer.from(candidate));
      return true;
    } catch (error) {
      if (belongsElsewhere(error)) return false;
      throw error;
    }
  };
  const bytes =
    kept !== undefined && fits(kept) ? kept : await required(input, name, length ?? MAX_TARGETS_BYTES);
  step(
    input.source,
    name,
    () => trust.updateDelegatedTargets(Buffer.from(bytes), 'targets', 'root'),
    signedBy(trust, 'targets', bytes),
  );
  return bytes;
}

async function required(input: AssembleInput, name: string, maxBytes: number): Promise<Uint8Array> {
  const bytes = await input.fetchFile(name, maxBytes);
  if (bytes !== undefined) return bytes;
  throw new PeerbootError('PB-TRUST-MIXED', `${input.source} has no ${name}, which its newer files name`);
}

function step(source: string, name: string, check: () => void, genuine?: () => boolean): void {
  try {
    check();
  } catch (error) {
    throw asTrustError(error, source, name, genuine);
  }
}

/** Whether the bytes are metadata of this role with good signatures, whatever their version. */
function signedBy(
  trust: TrustedMetadataStore,
  role: 'snapshot' | 'targets',
  bytes: Uint8Array,
): () => boolean {
  return () => {
    try {
      const data = JSON.parse(toText(bytes));
      const metadata =
        role === 'snapshot'
          ? Metadata.fromJSON(MetadataKind.Snapshot, data)
          : Metadata.fromJSON(MetadataKind.Targets, data);
      trust.root.verifyDelegate(role, metadata);
      return true;
    } catch {
      // Whatever is wrong with it, it is not genuine; the caller reports the refusal itself.
      return false;
    }
  };
}

function summarise(trust: TrustedMetadataStore, files: MetadataFiles): VerifiedSet {
  const { root, timestamp, snapshot, targets } = trust;
  if (timestamp === undefined || snapshot === undefined || targets === undefined) {
    throw new Error('assertion failed: a set is summarised only when it is whole');
  }
  const roles = { root, timestamp, snapshot, targets };
  const expiries = Object.entries(roles).map(([role, { signed }]) => ({
    role,
    wallMs: Date.parse(signed.expires),
  }));
  const graceDays = timestamp.signed.unrecognizedFields?.[GRACE_FIELD];
  const images: CatalogueImage[] = [];
  const packages: CataloguePackage[] = [];
  const bootEntries: CatalogueBootEntry[] = [];
  const unreadable: string[] = [];
  for (const [path, target] of Object.entries(targets.signed.targets)) {
    const content = readContent(path, target);
    if (content === undefined) unreadable.push(path);
    else if ('boot' in content.entry) bootEntries.push(content.entry);
    else (content.kind === 'image' ? images : packages).push(content.entry);
  }
  for (const list of [images, packages, bootEntries]) list.sort(byNameNewestFirst);
  return {
    files,
    images,
    packages,
    bootEntries,
    unreadable,
    versions: {
      root: root.signed.version,
      timestamp: timestamp.signed.version,
      snapshot: snapshot.signed.version,
      targets: targets.signed.version,
    },
    expires: expiries.reduce((first, next) => (next.wallMs < first.wallMs ? next : first)),
    graceMs: typeof graceDays === 'number' && graceDays >= 0 ? graceDays * DAY_MS : 0,
  };
}

function byNameNewestFirst(a: CatalogueImage, b: CatalogueImage): number {
  return a.name === b.name ? compareVersions(b.version, a.version) : a.name < b.name ? -1 : 1;
}

function readContent(
  path: string,
  target: TargetFile,
): { readonly kind: ImageTarget['kind']; readonly entry: CatalogueImage | CatalogueBootEntry } | undefined {
  const custom = ImageTarget.safeParse(target.custom);
  if (!custom.success) return undefined;
  const { kind, boot, ...entry } = custom.data;
  const named = parseTargetPath(kind, path);
  const digest = `sha256:${target.hashes.sha256 ?? ''}`;
  if (named === undefined || !isDigest(digest)) return undefined;
  if (entry.name !== named.name || entry.version !== named.version) return undefined;
  const described = { ...entry, manifest: { digest, size: target.length } };
  if (kind !== 'boot-entry') return boot === undefined ? { kind, entry: described } : undefined;
  return boot === undefined ? undefined : { kind, entry: { ...described, boot } };
}

/** Throws PB-TRUST-EXPIRED: what an origin offers must be in date, since holding back is how it would attack. */
export function requireFresh(set: VerifiedSet, wallMs: number, source: string): void {
  if (wallMs < set.expires.wallMs) return;
  throw new PeerbootError('PB-TRUST-EXPIRED', `${source}: ${expiryText(set, wallMs)}`, {
    details: { expiredMs: set.expires.wallMs, wallMs },
  });
}

/**
 * A set that is already held: `fresh`, `stale` (past its date, within the grace that its publisher signed), or
 * PB-TRUST-EXPIRED is thrown.
 */
export function judgeHeld(set: VerifiedSet, wallMs: number, source: string): 'fresh' | 'stale' {
  if (wallMs < set.expires.wallMs) return 'fresh';
  if (wallMs < set.expires.wallMs + set.graceMs) return 'stale';
  throw new PeerbootError(
    'PB-TRUST-EXPIRED',
    `${source}: ${expiryText(set, wallMs)}; its grace of ${set.graceMs / DAY_MS} days is over`,
    { details: { expiredMs: set.expires.wallMs, wallMs } },
  );
}

function expiryText({ expires }: VerifiedSet, wallMs: number): string {
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
  return `${expires.role} expired at ${day(expires.wallMs)} UTC; this clock says ${day(wallMs)}`;
}
