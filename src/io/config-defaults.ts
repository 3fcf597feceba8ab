// Defaults that depend on this machine: its folders, the room on its disk.
import { existsSync, statfsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from './config-keys.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The folder that holds package.json and src. */
export const PROGRAM_FOLDER = fileURLToPath(new URL('../../', import.meta.url));
export const INSTALLED_TRUST_ROOT = '/etc/peerboot/root.json';

type MachineDefaults = Pick<Config, 'assetsDir' | 'quotaBytes' | 'stateDir' | 'trustRoot'>;

/** `stateDir`: the one that was given, since the quota is measured where it lies. */
export function machineDefaults(
  environment: Environment,
  givenStateDir: string | undefined,
): MachineDefaults {
  const stateDir = givenStateDir ?? defaultStateDir(environment);
  return {
    assetsDir: defaultAssetsDir(),
    quotaBytes: Math.max(2 ** 30, Math.floor(diskBytes(stateDir) / 2)),
    stateDir,
    trustRoot: existsSync(INSTALLED_TRUST_ROOT) ? INSTALLED_TRUST_ROOT : null,
  };
}

function defaultStateDir(environment: Environment): string {
  // systemd.exec(5): StateDirectory= is handed over as STATE_DIRECTORY, several separated by colons.
  const given = environment.STATE_DIRECTORY?.split(':')[0];
  if (given !== undefined && given !== '') return given;
  if (process.getuid?.() === 0) return '/var/lib/peerboot';
  const home = environment.XDG_STATE_HOME;
  return join(home === undefined || home === '' ? join(homedir(), '.local', 'state') : home, 'peerboot');
}

function defaultAssetsDir(): string {
  const checkout = join(PROGRAM_FOLDER, '.cache', 'assets', 'current');
  const isCheckout = existsSync(join(PROGRAM_FOLDER, 'boot-assets'));
  return isCheckout ? checkout : '/usr/share/peerboot/assets';
}

/** Size of the disk that holds the path or, while it does not exist, its nearest ancestor. */
function diskBytes(path: string): number {
  let at = path;
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  const disk = statfsSync(existsSync(at) ? at : '.');
  return disk.blocks * disk.bsize;
}
