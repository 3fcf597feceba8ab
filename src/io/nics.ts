// The wired network cards of this machine, as the kernel shows them.
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { basename, join } from 'node:path';
import type { NicFacts } from '../api/identity.ts';
import { parseMac } from '../base/addresses.ts';

/** ARPHRD_ETHER (linux/if_arp.h). */
const ETHERNET = '1';

/** Cards with a device behind them: no loopback, bridges, tunnels (unless `virtual`). Sorted by name. */
export function readNics(folder = '/sys/class/net', options: { virtual?: boolean } = {}): NicFacts[] {
  const addresses = networkInterfaces();
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const home = join(folder, name);
      const mac = parseMac(read(home, 'address') ?? '');
      const isReal = options.virtual === true || existsSync(join(home, 'device'));
      const isCard = isReal && read(home, 'type') === ETHERNET;
      if (!isCard || mac === undefined || existsSync(join(home, 'wireless'))) return [];
      const ipv4 = addresses[name]?.find((one) => one.family === 'IPv4')?.cidr ?? undefined;
      const speed = Number(read(home, 'speed'));
      const driver = driverOf(home);
      return [
        {
          name,
          mac,
          carrier: read(home, 'carrier') === '1',
          ...(driver === undefined ? {} : { driver }),
          // -1 while there is no link, and of virtual cards.
          ...(speed > 0 ? { speedMbps: speed } : {}),
          ...(ipv4 === undefined ? {} : { ipv4 }),
        },
      ];
    });
}

/** Of the fastest card in use, what its link carries at most; 0 when none tells it. */
export function linkBytesPerSecond(nics: readonly NicFacts[]): number {
  const used = nics.filter(({ carrier, ipv4 }) => carrier && ipv4 !== undefined);
  return Math.max(0, ...used.map(({ speedMbps }) => (speedMbps ?? 0) * 125_000));
}

/** Reading `carrier` of a card that is down fails with EINVAL. */
function read(home: string, name: string): string | undefined {
  try {
    return readFileSync(join(home, name), 'utf8').trim();
  } catch {
    return undefined;
  }
}

function driverOf(home: string): string | undefined {
  try {
    return basename(readlinkSync(join(home, 'device/driver')));
  } catch {
    return undefined;
  }
}
