// What the kernel and NetworkManager say of this machine's condition: power, load, metered line.
import { readdir, readFile } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';

export interface NetworkManagerFolders {
  readonly devices: string;
  readonly profiles: readonly string[];
}

const NETWORK_MANAGER: NetworkManagerFolders = {
  devices: '/run/NetworkManager/devices',
  profiles: ['/etc/NetworkManager/system-connections', '/run/NetworkManager/system-connections'],
};

export interface ConditionOptions {
  /** What the configuration says; undefined: ask NetworkManager. */
  readonly metered?: boolean;
  readonly powerFolder?: string;
  readonly networkManager?: NetworkManagerFolders;
  readonly load?: () => number;
  readonly processors?: () => number;
}

export interface Condition {
  readonly onBattery: boolean | undefined;
  readonly metered: boolean | undefined;
  readonly loadPerProcessor: number | undefined;
}

/** Reads a few small files. Nothing is an error: what the system does not say is undefined. */
export async function readMachineCondition(options: ConditionOptions = {}): Promise<Condition> {
  const load = options.load?.() ?? loadavg()[0] ?? 0;
  return {
    onBattery: await onBattery(options.powerFolder ?? '/sys/class/power_supply'),
    metered: options.metered ?? (await metered(options.networkManager ?? NETWORK_MANAGER)),
    loadPerProcessor: load / Math.max(1, options.processors?.() ?? availableParallelism()),
  };
}

/**
 * A battery that is being drained, and no mains on line (Documentation/ABI/testing/sysfs-class-power). `scope` Device is
 * the battery of a mouse or keyboard, not ours.
 */
async function onBattery(folder: string): Promise<boolean | undefined> {
  const supplies = await Promise.all(
    (await names(folder)).map(async (name) => {
      const say = (file: string) => text(join(folder, name, file));
      return {
        type: await say('type'),
        scope: await say('scope'),
        online: await say('online'),
        status: await say('status'),
      };
    }),
  );
  const own = supplies.filter(({ scope }) => scope !== 'Device');
  if (!own.some(({ type }) => type === 'Battery')) return own.length === 0 ? undefined : false;
  if (own.some(({ type, online }) => type !== 'Battery' && online === '1')) return false;
  return own.some(({ type, status }) => type === 'Battery' && status === 'Discharging');
}

/**
 * Whether a profile that NetworkManager has up now says `metered=1` (NM_METERED_YES): the run-time file of each device
 * names its profile by UUID. What it only guesses (a telephone's hotspot) is not in files.
 */
async function metered(folders: NetworkManagerFolders): Promise<boolean | undefined> {
  const devices = await texts(folders.devices);
  const active = devices.flatMap((device) => /^connection-uuid=(.+)$/m.exec(device)?.[1] ?? []);
  if (active.length === 0) return undefined;
  const profiles = (await Promise.all(folders.profiles.map(texts))).flat();
  return profiles.some(
    (profile) =>
      /^metered=1$/m.test(profile) && active.includes(/^uuid=(.+)$/m.exec(profile)?.[1] ?? 'of no profile'),
  );
}

async function texts(folder: string): Promise<readonly string[]> {
  const all = await Promise.all((await names(folder)).map((name) => text(join(folder, name))));
  return all.filter((one) => one !== undefined);
}

async function names(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}

async function text(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').then(
    (content) => content.trim(),
    () => undefined,
  );
}
