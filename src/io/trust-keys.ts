// The publisher's signing keys: one Ed25519 key a role in a folder of their own, made on first use, never in a tree.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { canonicalize } from '@tufjs/canonical-json';
import { Key } from '@tufjs/models';
import { fromText, toText } from '../base/bytes.ts';
import { digestHex } from '../base/digest.ts';
import { PeerbootError } from '../base/errors.ts';
import { PROGRAM_FOLDER } from './config-defaults.ts';
import { digestOf } from './hash.ts';
import { ensureFolder, readIfThere, writeDurably } from './state-folder.ts';

export const ROLES = ['root', 'targets', 'snapshot', 'timestamp'] as const;
export type Role = (typeof ROLES)[number];

export interface SigningKey {
  readonly public: Key;
  sign(data: Uint8Array): Uint8Array;
}

export interface SigningKeys {
  readonly folder: string;
  /** True until the first root has been signed with them. */
  readonly fresh: boolean;
  readonly byRole: Readonly<Record<Role, SigningKey>>;
}

/**
 * Opens the folder of keys, or makes it (0700) with new keys (0600). `tree` is the published tree.
 * Throws PB-KEYS-MISPLACED for a folder in the tree, in the project or open to others, PB-KEYS-UNUSABLE for a broken key.
 */
export function openKeys(folder: string, tree: string): SigningKeys {
  requireSafePlace(folder, tree);
  ensureFolder(dirname(resolve(folder)));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (process.platform !== 'win32' && (statSync(folder).mode & 0o077) !== 0) {
    throw new PeerbootError(
      'PB-KEYS-MISPLACED',
      `${folder} can be entered by other users; run \`chmod 700 ${folder}\` if that is right`,
    );
  }
  const kept = ROLES.map((role) => readIfThere(keyPath(folder, role)));
  const missing = ROLES.filter((_, i) => kept[i] === undefined);
  // Until the root is written, keys mean nothing to anybody: a first use that broke off simply goes on.
  const fresh = readIfThere(rootPath(folder, 1)) === undefined;
  if (!fresh && missing.length > 0) {
    throw new PeerbootError(
      'PB-KEYS-UNUSABLE',
      `${folder} has no ${missing.map((role) => `${role}.pem`).join(', ')}`,
    );
  }
  const byRole = Object.fromEntries(
    ROLES.map((role, i) => [role, signingKey(role, folder, kept[i] ?? newKey(folder, role))]),
  ) as Record<Role, SigningKey>;
  return { folder, fresh, byRole };
}

export function keyPath(folder: string, role: Role): string {
  return join(folder, `${role}.pem`);
}

/** Puts new keys in the place of all but the root's; the next commit makes a root that names them. */
export function replaceOnlineKeys(folder: string): void {
  for (const role of ROLES) if (role !== 'root') newKey(folder, role);
}

/** Where the folder of keys keeps each version of its root: any tree published with these keys gets the same bytes. */
export function rootPath(folder: string, version: number): string {
  return join(folder, `${version}.root.json`);
}

function newKey(folder: string, role: Role): Uint8Array {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = fromText(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
  writeDurably(keyPath(folder, role), pem, { mode: 0o600 });
  return pem;
}

function signingKey(role: Role, folder: string, pem: Uint8Array): SigningKey {
  const path = keyPath(folder, role);
  let secret: KeyObject;
  try {
    secret = createPrivateKey(toText(pem));
  } catch (cause) {
    throw new PeerbootError('PB-KEYS-UNUSABLE', `${path} is not a private key`, { cause });
  }
  if (secret.asymmetricKeyType !== 'ed25519') {
    throw new PeerbootError('PB-KEYS-UNUSABLE', `${path} is not an Ed25519 key`);
  }
  if (process.platform !== 'win32' && (lstatSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
  return { public: publicPart(secret), sign: (data) => sign(null, data, secret) };
}

/** TUF names a key by the SHA-256 of its canonical JSON (specification §4.2). */
function publicPart(secret: KeyObject): Key {
  const spki = createPublicKey(secret).export({ type: 'spki', format: 'der' });
  // The last 32 bytes of an Ed25519 SubjectPublicKeyInfo are the key itself (RFC 8410).
  const form = {
    keytype: 'ed25519',
    scheme: 'ed25519',
    keyval: { public: spki.subarray(-32).toString('hex') },
  };
  return Key.fromJSON(digestHex(digestOf(fromText(canonicalize(form)))), form);
}

/** Keys must never travel with a copy of the tree or of the project; `.cache` is where the demo's throw-away keys lie. */
function requireSafePlace(folder: string, tree: string): void {
  const keys = realPath(folder);
  if (isWithin(keys, realPath(tree))) {
    throw new PeerbootError('PB-KEYS-MISPLACED', `${folder} lies inside the published tree ${tree}`);
  }
  if (isWithin(keys, PROGRAM_FOLDER) && !isWithin(keys, join(PROGRAM_FOLDER, '.cache'))) {
    throw new PeerbootError('PB-KEYS-MISPLACED', `${folder} lies inside the project ${PROGRAM_FOLDER}`);
  }
}

/** The path with the links of its existing part followed. */
function realPath(path: string): string {
  const whole = resolve(path);
  try {
    return realpathSync(whole);
  } catch {
    // It does not exist yet: what is above it decides.
    return dirname(whole) === whole
      ? whole
      : join(realPath(dirname(whole)), whole.slice(dirname(whole).length));
  }
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(realPath(folder), path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
