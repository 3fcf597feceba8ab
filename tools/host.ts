// Finds what the host lacks for a purpose, and fetches it with apt-get where that is ours to do.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { PeerbootError } from '../src/base/errors.ts';
import { HOST_NEEDS, type HostNeed, type Purpose } from './host-packages.ts';
import { run } from './run.ts';

/** Needs of this purpose that the host does not meet; a look at the file system only, a few milliseconds. */
export function missingOnHost(purpose: Purpose): readonly HostNeed[] {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  const isThere = (name: string) =>
    isAbsolute(name) ? existsSync(name) : folders.some((folder) => existsSync(join(folder, name)));
  return HOST_NEEDS.filter((need) => need.purposes.includes(purpose) && !isThere(need.needs));
}

/** Installs what is missing, or throws PB-HOST-INCOMPLETE with the one command that does. */
export async function ensureHost(purpose: Purpose, progress: (line: string) => void): Promise<void> {
  const missing = missingOnHost(purpose);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((need) => need.debianPackage))].sort();
  const programs = missing.map((need) => need.needs).join(', ');
  const command = `apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (!isDebianLike()) {
    throw new PeerbootError(
      'PB-HOST-INCOMPLETE',
      `missing here: ${programs}. On Debian or Ubuntu: sudo ${command}`,
    );
  }
  if (process.getuid?.() !== 0) {
    throw new PeerbootError('PB-HOST-INCOMPLETE', `missing here: ${programs}. Run: sudo ${command}`);
  }
  progress(`missing for ${purpose}: ${programs}`);
  await install(packages, missing, progress);
  const still = missingOnHost(purpose);
  if (still.length > 0) {
    const names = still.map((need) => `${need.needs} (${need.debianPackage})`).join(', ');
    throw new PeerbootError('PB-HOST-INCOMPLETE', `still missing after the installation: ${names}`);
  }
}

async function install(
  packages: readonly string[],
  missing: readonly HostNeed[],
  progress: (line: string) => void,
): Promise<void> {
  const onLine = (line: string) => {
    if (/^(Get:|Unpacking |Setting up |E:|W:)/.test(line)) progress(`  ${withoutHosts(line)}`);
  };
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', 'DPkg::Lock::Timeout=300'];
  progress('apt-get update');
  await run('apt-get', [...wait, 'update', '-q'], { env });
  progress(`apt-get install ${packages.join(' ')}`);
  const release = forbidServiceStart();
  try {
    await run('apt-get', [...wait, 'install', '-y', '-q', '--no-install-recommends', ...packages], {
      env,
      onLine,
    });
  } finally {
    release();
  }
  const services = missing.flatMap((need) => need.services ?? []);
  if (services.length > 0 && existsSync('/usr/bin/systemctl')) {
    // Not started now, and not at the next start either: a store's PC must not turn into a web server.
    progress(`leaving disabled: ${services.join(', ')}`);
    await run('systemctl', ['disable', '--quiet', ...services]).catch((error: unknown) =>
      progress(`  could not disable them: ${(error as Error).message.split('\n')[0]}`),
    );
  }
}

const POLICY = '/usr/sbin/policy-rc.d';

/** Debian's own way to keep packages from starting services: policy-rc.d answering 101. Undone by the result. */
function forbidServiceStart(): () => void {
  if (existsSync(POLICY)) return () => {};
  writeFileSync(POLICY, '#!/bin/sh\n# Put here by Peerboot while it installs packages.\nexit 101\n', {
    mode: 0o755,
  });
  const remove = () => rmSync(POLICY, { force: true });
  process.once('exit', remove);
  return () => {
    remove();
    process.removeListener('exit', remove);
  };
}

function isDebianLike(): boolean {
  try {
    return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}

/** apt names its mirrors; which one a site uses is its own affair. */
function withoutHosts(line: string): string {
  return line.replaceAll(/\b[a-z+]+:\/\/\S+\s?/g, '');
}
