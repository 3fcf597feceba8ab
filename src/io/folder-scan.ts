// Lists a folder or file as the entries of a package, in their one order; refuses what cannot travel, says what may not.
import { type BigIntStats, lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { toText } from '../base/bytes.ts';
import { PeerbootError } from '../base/errors.ts';
import { type ArchiveEntry, ROOT_PATH } from '../chunk/archive.ts';
import { foldedPath, windowsRefuses, wrongLink, wrongPath } from '../chunk/archive-names.ts';
import { sortKey } from '../chunk/archive-reader.ts';

export interface ScannedEntry {
  readonly entry: ArchiveEntry;
  /** Another one once the file's bytes, mode or times change: size, times of change, inode. */
  readonly stamp: string;
}

export interface FolderScan {
  /** Absolute; a link that the user named is followed. */
  readonly root: string;
  /** Ready for the archive. */
  readonly entries: readonly ScannedEntry[];
  /** What travels, but not everywhere: `<path>: <why>`. */
  readonly warnings: readonly string[];
}

/** Warnings are for eyes. */
const MOST_WARNINGS = 20;

/** One file is called as its own name says, unless another is given. Throws PB-PACKAGE-UNREADABLE, PB-PACKAGE-ENTRY. */
export function scanFolder(path: string, fileName?: string): FolderScan {
  const root = reading(path, () => realpathSync(path));
  const stats = reading(root, () => lstatSync(root, { bigint: true }));
  if (stats.isFile()) {
    const entry = fileEntry(fileName ?? basename(root), stats);
    requireName(entry.path, basename(root));
    return { root, entries: [{ entry, stamp: stampOf(stats) }], warnings: warningsOf([entry.path]) };
  }
  if (!stats.isDirectory()) throw refused(path, 'is neither a file nor a folder');
  const entries: ScannedEntry[] = [];
  scanInto(entries, root, '');
  const keyed = entries.map((one) => ({ one, key: sortKey(one.entry.kind, one.entry.path) }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : 1));
  const first: ScannedEntry = { entry: { kind: 'folder', path: ROOT_PATH }, stamp: '' };
  const warnings = warningsOf(keyed.map(({ one }) => one.entry.path));
  return { root, entries: [first, ...keyed.map(({ one }) => one)], warnings };
}

/** Where the entry lies on the disk. */
export function entryPath(root: string, { path }: ArchiveEntry, isFolder: boolean): string {
  return isFolder ? join(root, path) : root;
}

function scanInto(entries: ScannedEntry[], root: string, folder: string): void {
  const at = join(root, folder);
  // As bytes: a name that is no UTF-8 would come as another one.
  for (const raw of reading(at, () => readdirSync(at, { encoding: 'buffer' }))) {
    const name = toText(raw);
    const path = folder === '' ? name : `${folder}/${name}`;
    const full = join(root, path);
    if (!raw.equals(Buffer.from(name))) throw refused(full, 'has a name that is not UTF-8');
    requireName(path, full);
    const stats = reading(full, () => lstatSync(full, { bigint: true }));
    entries.push(scanEntry(full, path, stats));
    if (stats.isDirectory()) scanInto(entries, root, path);
  }
}

function scanEntry(full: string, path: string, stats: BigIntStats): ScannedEntry {
  if (stats.isDirectory()) return { entry: { kind: 'folder', path }, stamp: '' };
  if (stats.isFile()) return { entry: fileEntry(path, stats), stamp: stampOf(stats) };
  if (!stats.isSymbolicLink()) throw refused(full, `is ${kindOf(stats)}`);
  const raw = reading(full, () => readlinkSync(full, { encoding: 'buffer' }));
  // Windows writes its separators into links.
  const to = process.platform === 'win32' ? toText(raw).replaceAll('\\', '/') : toText(raw);
  const wrong = raw.equals(Buffer.from(toText(raw)))
    ? wrongLink(path, to)
    : 'a link to a name that is not UTF-8';
  if (wrong !== undefined) throw refused(full, `is ${wrong}`);
  return { entry: { kind: 'link', path, to }, stamp: to };
}

function fileEntry(path: string, stats: BigIntStats): ArchiveEntry {
  return { kind: 'file', path, size: Number(stats.size), executable: (stats.mode & 0o100n) !== 0n };
}

function stampOf({ size, mtimeNs, ctimeNs, ino }: BigIntStats): string {
  return `${size} ${mtimeNs} ${ctimeNs} ${ino}`;
}

function kindOf(stats: BigIntStats): string {
  if (stats.isSocket()) return 'a socket';
  if (stats.isFIFO()) return 'a pipe';
  return 'a device';
}

function requireName(path: string, full: string): void {
  const wrong = wrongPath(path);
  if (wrong !== undefined) throw refused(full, `has ${wrong}`);
}

function warningsOf(paths: readonly string[]): string[] {
  const warnings: string[] = [];
  const seen = new Map<string, string>();
  for (const path of paths) {
    const why = windowsRefuses(path);
    if (why !== undefined) warnings.push(`${path}: ${why}`);
    const folded = foldedPath(path);
    const other = seen.get(folded);
    if (other !== undefined) {
      warnings.push(
        `${path}: differs from ${other} only by capitals or accents, one name on Windows and macOS`,
      );
    }
    seen.set(folded, path);
    if (warnings.length > MOST_WARNINGS) return [...warnings.slice(0, MOST_WARNINGS), 'and more'];
  }
  return warnings;
}

function refused(path: string, what: string): PeerbootError {
  return new PeerbootError('PB-PACKAGE-ENTRY', `${JSON.stringify(path)} ${what}`);
}

function reading<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw new PeerbootError('PB-PACKAGE-UNREADABLE', `${path}: ${(cause as Error).message}`, { cause });
  }
}
