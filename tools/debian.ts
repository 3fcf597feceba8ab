// Debian packages as ingredients: found, fetched, checked and unpacked into a folder, never installed.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PeerbootError } from '../src/base/errors.ts';
import { CACHE } from './cache.ts';
import { run } from './run.ts';

/** As Debian calls processors. */
export type DebianArchitecture = 'amd64' | 'arm64';

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Hexadecimal, as the signed package lists give it. */
  readonly sha256: string;
  readonly dependsOn: readonly string[];
}

/** The candidate versions of these packages, in the order asked for, from the host's own package lists. */
export async function describePackages(
  names: readonly string[],
  progress: (line: string) => void,
  architecture: DebianArchitecture = 'amd64',
): Promise<readonly DebianPackage[]> {
  const found = await query(names, architecture);
  const missing = names.filter((name) => !found.has(name));
  if (missing.length > 0 && process.getuid?.() === 0) {
    progress(architecture === 'amd64' ? 'apt-get update' : `apt-get update (${architecture})`);
    await run('apt-get', [...aptOptions(architecture), '-o', 'DPkg::Lock::Timeout=300', 'update', '-q']);
    for (const [name, one] of await query(missing, architecture)) found.set(name, one);
  }
  return names.map((name) => {
    const one = found.get(name);
    if (one === undefined) {
      throw new PeerbootError(
        'PB-BUILD-FAILED',
        `apt knows no package ${name}: Debian's package lists are needed (apt-get update as root)`,
      );
    }
    return one;
  });
}

/**
 * Another processor's packages have lists of their own, beside the host's: it is not made a machine of two
 * architectures (`dpkg --add-architecture`) for our sake.
 */
function aptOptions(architecture: DebianArchitecture): string[] {
  if (architecture === 'amd64') return [];
  const home = join(CACHE, `apt-${architecture}`);
  for (const folder of ['lists/partial', 'archives/partial'])
    mkdirSync(join(home, folder), { recursive: true });
  return [
    ['APT::Architecture', architecture],
    ['APT::Architectures', architecture],
    ['Dir::State::lists', join(home, 'lists')],
    ['Dir::State::status', '/dev/null'],
    ['Dir::Cache', home],
    ['APT::Sandbox::User', 'root'],
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

async function query(
  names: readonly string[],
  architecture: DebianArchitecture,
): Promise<Map<string, DebianPackage>> {
  // apt-cache ends with 100 when one of several names is unknown, yet prints the others.
  const text = await run('sh', [
    '-c',
    'apt-cache "$@" 2>/dev/null; true',
    'sh',
    ...aptOptions(architecture),
    'show',
    '--no-all-versions',
    ...names,
  ]);
  const all = text
    .split(/\n\n+/)
    .map((stanza) => new Map(Array.from(stanza.matchAll(/^([\w-]+): (.*)$/gm), (m) => [m[1], m[2] ?? ''])))
    .filter((fields) => fields.has('Package') && fields.has('SHA256'))
    .map((fields) => ({
      name: fields.get('Package') ?? '',
      version: fields.get('Version') ?? '',
      architecture: fields.get('Architecture') ?? '',
      sha256: fields.get('SHA256') ?? '',
      dependsOn: (fields.get('Depends') ?? '').split(/,\s*/).map((one) => one.replace(/[ :|(].*/, '')),
    }));
  return new Map(all.map((one) => [one.name, one]));
}

/** The path of the package's file in the cache, its digest compared with the package lists. */
export async function fetchPackage(
  debianPackage: DebianPackage,
  progress: (line: string) => void,
): Promise<string> {
  const { name, version, architecture, sha256 } = debianPackage;
  const kept = join(CACHE, 'debs', `${name}_${version.replaceAll(':', '%3a')}_${architecture}.deb`);
  if (existsSync(kept) && digestOf(kept) === sha256) return kept;
  progress(`fetching ${name} ${version}`);
  const scratch = `${kept}.${process.pid}.part`;
  mkdirSync(scratch, { recursive: true });
  try {
    // Root's apt would hand the work to a user who may not write here.
    const options = [
      ...aptOptions(architecture === 'arm64' ? 'arm64' : 'amd64'),
      '-o',
      'APT::Sandbox::User=root',
    ];
    await run('apt-get', [...options, 'download', '-q', `${name}=${version}`], { cwd: scratch });
    const [file] = readdirSync(scratch);
    if (file === undefined || digestOf(join(scratch, file)) !== sha256) {
      throw new PeerbootError('PB-BUILD-FAILED', `${name} ${version} is not what the package lists say`);
    }
    renameSync(join(scratch, file), kept);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return kept;
}

export async function unpackPackage(file: string, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await run('dpkg-deb', ['-x', file, folder]);
}

function digestOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
