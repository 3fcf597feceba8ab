// A publisher and its tree in a scratch folder, with its own clock, and hostile ways to serve that tree.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { targetPath } from '../../src/chunk/names.ts';
import type { FileSource } from '../../src/chunk/ports.ts';
import { digestOf } from '../../src/io/hash.ts';
import { readIfThere } from '../../src/io/state-folder.ts';
import { openTrustWriter, type TrustWriter } from '../../src/io/trust-writer.ts';

export const START_MS = Date.UTC(2026, 10, 1);
export const DAY_MS = 86_400_000;

/** Files of a `catalogue/` folder by name. */
export type Tree = Map<string, Uint8Array>;

export interface Publisher {
  readonly folder: string;
  readonly keys: string;
  readonly root: Uint8Array;
  clock: { wallMs: number };
  writer: TrustWriter;
  /** Publishes one more image and returns the tree as it stands then. */
  publish(name: string, version: string): Promise<Tree>;
  refresh(graceDays?: number): Promise<Tree>;
  tree(): Tree;
  /** One file of the catalogue as it stands. */
  read(name: string): Uint8Array;
}

const folders: string[] = [];

export function scratchFolder(): string {
  // Syncing costs nothing in memory; what it is for is played by power-cut.ts.
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'peerboot-trust-'));
  folders.push(folder);
  return folder;
}

export function removeScratch(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

export async function newPublisher(
  folder = scratchFolder(),
  tree = join(folder, 'tree'),
): Promise<Publisher> {
  const keys = join(folder, 'keys');
  const clock = { wallMs: START_MS };
  const writer = await openTrustWriter({ tree, keysFolder: keys, wallMs: () => clock.wallMs });
  const read = () => readTree(tree);
  return {
    folder: tree,
    keys,
    clock,
    writer,
    root: readFileSync(join(keys, '1.root.json')),
    publish: async (name, version) => {
      const manifest = { digest: digestOf(Buffer.from(`${name}@${version}`)), size: 100 };
      const custom = { kind: 'image', name, version, imageBytes: 512, storedBytes: 100 };
      writer.addTarget({ path: targetPath('image', { name, version }), manifest, custom });
      await writer.commit();
      return read();
    },
    refresh: async (graceDays) => {
      await writer.commit({ renew: true, graceDays });
      return read();
    },
    tree: read,
    read: (name) => readFileSync(join(tree, 'catalogue', name)),
  };
}

function readTree(folder: string): Tree {
  const tree: Tree = new Map();
  const take = (name: string) => {
    const bytes = readIfThere(join(folder, 'catalogue', name));
    if (bytes !== undefined) tree.set(name, bytes);
    return bytes !== undefined;
  };
  take('timestamp.json');
  for (const role of ['root', 'targets', 'snapshot']) {
    for (let version = 1; version < 40; version++) take(`${version}.${role}.json`);
  }
  return tree;
}

/** An origin that serves exactly these files; the map may be changed between requests. */
export function originOf(tree: Tree, name = 'http://origin'): FileSource & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    name,
    asked,
    fetchFile: async (path) => {
      asked.push(path);
      return tree.get(path.replace('catalogue/', ''));
    },
  };
}

/** The newest file of a role, e.g. `3.snapshot.json`. */
export function newestName(tree: Tree, role: string): string {
  const versions = [...tree.keys()]
    .filter((name) => name.endsWith(`.${role}.json`))
    .map((name) => Number.parseInt(name, 10));
  return `${Math.max(...versions)}.${role}.json`;
}

/** The same metadata with its signed part changed, and the signatures left as they were. */
export function tampered(
  bytes: Uint8Array | undefined,
  change: (signed: Record<string, unknown>) => void,
): Uint8Array {
  const json = JSON.parse(Buffer.from(bytes ?? []).toString('utf8'));
  change(json.signed);
  return Buffer.from(JSON.stringify(json));
}
