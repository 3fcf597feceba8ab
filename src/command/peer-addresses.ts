// Builds the part of a peer that gives addresses on a staging network (`--dhcp full`), when it was told to.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type Ipv4, parseIpv4 } from '../base/addresses.ts';
import { PeerbootError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import { addressOf, MOST_ADDRESSES, numberOf, type PoolRange } from '../dhcp/lease-pool.ts';
import { isAddressTaken } from '../io/address-taken.ts';
import { systemClock, systemTimers } from '../io/clock.ts';
import type { Config } from '../io/config-keys.ts';
import type { HostInterface } from '../io/interfaces.ts';
import { openLeaseStore } from '../io/lease-store.ts';
import { openUdp } from '../io/udp.ts';
import { type AddressService, createAddressService } from '../service/address-service.ts';
import { probeServers } from '../service/dhcp-probe.ts';

/** A server that pings an address before it offers it takes three seconds. */
const LISTEN_MS = 3_500;

export interface PeerAddressesOptions {
  readonly config: Config;
  readonly interfaces: readonly HostInterface[];
  readonly isPeer: (server: Ipv4) => boolean;
  readonly log: Log;
}

/** Undefined unless the configuration says `dhcp: full`. Throws PB-DHCP-FULL, PB-LEASES-DAMAGED. */
export function openAddresses(options: PeerAddressesOptions): AddressService | undefined {
  const { config, interfaces, log } = options;
  if (config.dhcp !== 'full') return undefined;
  const [served, another] = interfaces;
  if (served === undefined || another !== undefined || config.interfaces.length !== 1) {
    throw new PeerbootError('PB-DHCP-FULL', 'name the one interface of the staging network');
  }
  const { address, netmask, mac } = served;
  const range = rangeOf(config.dhcpRange, served);
  if (mac === undefined) throw new PeerbootError('PB-DHCP-FULL', `${served.name} has no MAC address`);
  return createAddressService({
    network: {
      server: address,
      netmask,
      router: config.dhcpRouter === null ? undefined : mustParse(config.dhcpRouter),
      nameServers: config.dhcpNameServers.map(mustParse),
      leaseSeconds: Math.round(config.leaseMinutes * 60),
    },
    range,
    store: openLeaseStore(join(config.stateDir, 'leases.json')),
    isTaken: (one) => isAddressTaken(one, address),
    async otherServers() {
      const found = await probeServers({
        ...{ openUdp, address, mac, timers: systemTimers, listenMs: LISTEN_MS },
        random: seededRandom(randomBytes(4).readUInt32LE()),
      });
      return found.filter((one) => one.givesAddress && one.address !== address).map((one) => one.address);
    },
    isPeer: options.isPeer,
    clock: systemClock,
    timers: systemTimers,
    log,
  });
}

/** Without a range: the upper half of the subnet, but for its broadcast address. */
export function rangeOf(
  text: string | null,
  served: Pick<HostInterface, 'name' | 'address' | 'netmask'>,
): PoolRange {
  const mask = numberOf(served.netmask);
  const network = (numberOf(served.address) & mask) >>> 0;
  const broadcast = (network | ~mask) >>> 0;
  const [first, last] =
    text === null
      ? [network + Math.max(Math.ceil((broadcast - network) / 2), 1), broadcast - 1].map(addressOf)
      : text.split('-').map((one) => mustParse(one.trim()));
  if (first === undefined || last === undefined)
    throw new PeerbootError('PB-DHCP-FULL', `${text} is no range`);
  const [from, to] = [numberOf(first), numberOf(last)];
  if (from > to || from <= network || to >= broadcast) {
    const where = `${addressOf(network + 1)}-${addressOf(broadcast - 1)}`;
    throw new PeerbootError(
      'PB-DHCP-FULL',
      `${first}-${last} does not lie within ${where} of ${served.name}`,
    );
  }
  const most = Math.min(to, from + MOST_ADDRESSES - 1);
  return { first, last: addressOf(most) };
}

function mustParse(text: string): Ipv4 {
  const address = parseIpv4(text);
  if (address === undefined) throw new PeerbootError('PB-DHCP-FULL', `${text} is no IPv4 address`);
  return address;
}
