// `peerboot boot-assets list|verify|sign`: what machines are given before any image, and who signed it.
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { fromText } from '../base/bytes.ts';
import { PeerbootError } from '../base/errors.ts';
import { signedUki } from '../boot/chain.ts';
import { isSigned, readSections } from '../boot/pe.ts';
import { PROVENANCE_FILE } from '../io/named-files.ts';
import { readSigner, type Signer, signProgram } from '../io/program-signer.ts';
import { writeDurably } from '../io/state-folder.ts';
import { configOf } from './flags.ts';
import { colours, formatBytes, formatTable, printJson } from './terminal.ts';

export interface BootAssetsOptions {
  readonly config?: string;
  readonly assets?: string;
  readonly json?: boolean;
}

interface Row {
  name: string;
  origin: string;
  version: string;
  sizeBytes: number;
  sha256: string;
}

interface Provenance {
  files: Row[];
  [more: string]: unknown;
}

export interface AssetView extends Row {
  /** Only of UEFI programs: does it bear a signature? Whose, only a firmware with that key can judge. */
  readonly signed?: boolean;
  /** Is the file what provenance.json says? Only of `verify`. */
  readonly ok?: boolean;
}

export function listBootAssets(options: BootAssetsOptions): void {
  const folder = folderOf(options);
  show(
    folder,
    readProvenance(folder).files.map((row) => viewOf(folder, row)),
    options,
  );
}

/** Compares every file with provenance.json; returns the command's status. */
export function verifyBootAssets(options: BootAssetsOptions): number {
  const folder = folderOf(options);
  const views = readProvenance(folder).files.map((row) => ({
    ...viewOf(folder, row),
    ok: existsSync(join(folder, row.name)) && sha256(readFileSync(join(folder, row.name))) === row.sha256,
  }));
  show(folder, views, options);
  return views.every(({ ok }) => ok) ? 0 : 1;
}

export interface SignOptions extends BootAssetsOptions {
  readonly key: string;
  readonly cert: string;
  readonly out?: string;
}

/** Signs every agent in the folder, beside the unsigned one, and gives shim its second stage where there is a shim. */
export async function signBootAssets(options: SignOptions): Promise<void> {
  const from = folderOf(options);
  const signer = readSigner(options.key, options.cert);
  const folder = options.out === undefined ? from : copyOf(from, resolve(options.out));
  if (resolve(options.key).startsWith(folder + sep)) {
    throw new PeerbootError(
      'PB-SIGN-FAILED',
      `${options.key} lies in ${folder}, which every machine may read`,
    );
  }
  const provenance = readProvenance(folder);
  const names = provenance.files
    .map(({ name }) => name)
    .filter((name) => /^peerboot-(x64|arm64)\.efi$/.test(name));
  if (names.length === 0) throw new PeerbootError('PB-ASSETS-MISSING', `no agent to sign in ${folder}`);
  for (const name of names) await signOne(folder, provenance, signer, name);
  writeDurably(join(folder, PROVENANCE_FILE), fromText(`${JSON.stringify(provenance, null, 2)}\n`));
  if (options.json === true)
    printJson({ folder, signer: signer.subject, fingerprint: signer.fingerprint, signed: names });
  else {
    for (const name of names) console.log(`${colours.green('✓')} ${name} signed by ${signer.subject}`);
    console.log(
      `${folder}\ncertificate ${signer.fingerprint}: enrol it on the machines (docs/secure-boot.md)`,
    );
  }
}

const EFI_NAMES: Readonly<Record<string, string>> = { x64: 'x64', arm64: 'aa64' };

async function signOne(folder: string, provenance: Provenance, signer: Signer, name: string): Promise<void> {
  const architecture = /-(\w+)\./.exec(name)?.[1] ?? '';
  const signed = signedUki(architecture);
  const scratch = join(folder, `.${signed}.${process.pid}`);
  try {
    await signProgram(signer, join(folder, name), scratch);
    const second = `shim/grub${EFI_NAMES[architecture]}.efi`;
    const first = `shim/shim${EFI_NAMES[architecture]}.efi`;
    const targets = existsSync(join(folder, first)) ? [signed, second] : [signed];
    const bytes = readFileSync(scratch);
    const version = provenance.files.find((row) => row.name === name)?.version ?? 'unknown';
    for (const target of targets) {
      rmSync(join(folder, target), { force: true });
      linkSync(scratch, join(folder, target));
      const origin = `Peerboot, signed by ${signer.subject} (${signer.fingerprint})`;
      const row = { name: target, origin, version, sizeBytes: bytes.length, sha256: sha256(bytes) };
      provenance.files = [...provenance.files.filter((one) => one.name !== target), row];
    }
  } finally {
    rmSync(scratch, { force: true });
  }
}

function copyOf(from: string, to: string): string {
  const foreign = () => readdirSync(to).length > 0 && !existsSync(join(to, PROVENANCE_FILE));
  try {
    mkdirSync(to, { recursive: true });
    if (from === to || !foreign()) {
      if (from !== to) cpSync(from, to, { recursive: true, force: true, dereference: true });
      return to;
    }
  } catch (cause) {
    throw new PeerbootError('PB-SIGN-FAILED', `${to} cannot be written: ${(cause as Error).message}`, {
      cause,
    });
  }
  throw new PeerbootError('PB-SIGN-FAILED', `${to} holds something that is no folder of boot assets`);
}

function folderOf({ config, assets }: BootAssetsOptions): string {
  const given = { ...(config === undefined ? {} : { config }), ...(assets === undefined ? {} : { assets }) };
  return realpathSync(configOf(given).config.assetsDir);
}

function readProvenance(folder: string): Provenance {
  try {
    return JSON.parse(readFileSync(join(folder, PROVENANCE_FILE), 'utf8')) as Provenance;
  } catch (cause) {
    throw new PeerbootError('PB-ASSETS-MISSING', `no ${PROVENANCE_FILE} in ${folder}`, { cause });
  }
}

function viewOf(folder: string, row: Row): AssetView {
  const path = join(folder, row.name);
  return /\.efi$/i.test(row.name) && existsSync(path) && statSync(path).isFile()
    ? { ...row, signed: isSignedProgram(readFileSync(path)) }
    : row;
}

/** What a user brought may be no program at all. */
function isSignedProgram(bytes: Uint8Array): boolean {
  try {
    return readSections(bytes).length > 0 && isSigned(bytes);
  } catch {
    return false;
  }
}

function show(folder: string, views: readonly AssetView[], { json }: BootAssetsOptions): void {
  if (json === true) {
    printJson({ folder, files: views });
    return;
  }
  const rows = views.map(({ name, sizeBytes, sha256, origin, version, signed, ok }) => [
    ...(ok === undefined ? [] : [ok ? colours.green('✓') : colours.red('✖')]),
    colours.bold(name),
    formatBytes(sizeBytes),
    sha256.slice(0, 16),
    signed === undefined ? '' : signed ? colours.green('signed') : colours.dim('unsigned'),
    `${origin} ${version}`,
  ]);
  console.log(`${formatTable(rows)}\n${folder}`);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
