// Makes the signed bytes of each TUF role from what it shall say.
import { canonicalize } from '@tufjs/canonical-json';
import {
  Metadata,
  MetaFile,
  Root,
  Signature,
  Snapshot,
  type TargetFile,
  Targets,
  Timestamp,
} from '@tufjs/models';
import { fromText } from '../base/bytes.ts';
import { digestHex } from '../base/digest.ts';
import { digestOf } from './hash.ts';
import { ROLES, type Role, type SigningKeys } from './trust-keys.ts';
import { DAY_MS, GRACE_FIELD } from './trust-verify.ts';

/** How long each role's signature is good for. A store must meet a fresh timestamp that often, or live on the grace. */
export const LIFETIME_DAYS: Readonly<Record<Role, number>> = {
  root: 730,
  targets: 365,
  snapshot: 365,
  timestamp: 30,
};

/** Version of one file of metadata, and when it is signed. */
export interface Stamp {
  readonly version: number;
  readonly wallMs: number;
}

interface NamedFile {
  readonly version: number;
  readonly bytes: Uint8Array;
}

export function signRoot(keys: SigningKeys, stamp: Stamp): Uint8Array {
  const root = new Root({ ...dated('root', stamp), consistentSnapshot: true });
  for (const role of ROLES) root.addKey(keys.byRole[role].public, role);
  return signed(keys, 'root', new Metadata(root));
}

export function signTargets(
  keys: SigningKeys,
  stamp: Stamp,
  targets: Readonly<Record<string, TargetFile>>,
): Uint8Array {
  return signed(keys, 'targets', new Metadata(new Targets({ ...dated('targets', stamp), targets })));
}

export function signSnapshot(keys: SigningKeys, stamp: Stamp, targets: NamedFile): Uint8Array {
  const meta = { 'targets.json': metaFile(targets) };
  return signed(keys, 'snapshot', new Metadata(new Snapshot({ ...dated('snapshot', stamp), meta })));
}

export function signTimestamp(
  keys: SigningKeys,
  stamp: Stamp,
  snapshot: NamedFile,
  graceDays: number,
): Uint8Array {
  const timestamp = new Timestamp({
    ...dated('timestamp', stamp),
    snapshotMeta: metaFile(snapshot),
    unrecognizedFields: { [GRACE_FIELD]: graceDays },
  });
  return signed(keys, 'timestamp', new Metadata(timestamp));
}

const SPEC_VERSION = '1.0.31';

function dated(role: Role, { version, wallMs }: Stamp) {
  // TUF wants whole seconds (specification §4.2.1: ISO 8601 without fractions).
  const expires = new Date(wallMs + LIFETIME_DAYS[role] * DAY_MS).toISOString().replace(/\.\d+Z$/, 'Z');
  return { specVersion: SPEC_VERSION, version, expires };
}

function metaFile({ version, bytes }: NamedFile): MetaFile {
  return new MetaFile({ version, length: bytes.length, hashes: { sha256: digestHex(digestOf(bytes)) } });
}

function signed(
  keys: SigningKeys,
  role: Role,
  metadata: Metadata<Root> | Metadata<Targets> | Metadata<Snapshot> | Metadata<Timestamp>,
): Uint8Array {
  const key = keys.byRole[role];
  metadata.sign(
    (data) => new Signature({ keyID: key.public.keyID, sig: Buffer.from(key.sign(data)).toString('hex') }),
    false,
  );
  return fromText(canonicalize(metadata.toJSON()));
}
