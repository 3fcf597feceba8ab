// Reads the house as text: its files, the room and floor of each, and what each imports.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Room → floor. Imports go to the same room or to a lower floor. */
export const FLOORS: Readonly<Record<string, number>> = {
  base: 0,
  api: 1,
  dhcp: 1,
  tftp: 1,
  capture: 1,
  chunk: 1,
  boot: 2,
  swarm: 2,
  imaging: 2,
  io: 3,
  service: 4,
  agent: 4,
  sim: 4,
  command: 5,
};
/** The mains at the top of src: they build adapters and hand them in. */
export const ROOF = 6;

export interface SourceFile {
  /** From the repository's root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly room: string | undefined;
  readonly floor: number;
  readonly imports: readonly string[];
}

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? walk(path) : [path];
  });
}

const IMPORT =
  /^\s*(?:import|export)\s(?:[^'"]*?\sfrom\s)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm;

function read(path: string): SourceFile {
  const text = readFileSync(path, 'utf8');
  const name = relative(ROOT, path).replaceAll('\\', '/');
  const parts = name.split('/');
  const room = parts[0] === 'src' && parts.length > 2 ? (parts[1] as string) : undefined;
  const floor = room === undefined ? ROOF : (FLOORS[room] ?? Number.NaN);
  const imports = Array.from(text.matchAll(IMPORT), (match) => (match[1] ?? match[2]) as string);
  return { path: name, text, room, floor, imports };
}

export function sourceFiles(folder: string): SourceFile[] {
  return walk(join(ROOT, folder))
    .filter((path) => path.endsWith('.ts'))
    .map(read);
}

/** The room that a relative import leads to: a room's name, `roof` for a main, `outside` beyond src. */
export function roomOfImport(file: SourceFile, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  const target = relative(join(ROOT, 'src'), resolve(ROOT, dirname(file.path), specifier)).replaceAll(
    '\\',
    '/',
  );
  if (target.startsWith('..')) return 'outside';
  return target.includes('/') ? target.split('/')[0] : 'roof';
}
