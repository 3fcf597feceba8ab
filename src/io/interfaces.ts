// The network interfaces of this host that can be answered on.
import { networkInterfaces } from 'node:os';
import { type Ipv4, type Mac, parseMac } from '../base/addresses.ts';
import { PeerbootError } from '../base/errors.ts';
import type { ServedInterface } from '../dhcp/ports.ts';

export interface HostInterface extends ServedInterface {
  readonly netmask: Ipv4;
  readonly mac: Mac | undefined;
}

/** Interfaces that are up and have an IPv4 address, with the first one of each; the loopback is left out. */
export function hostInterfaces(): readonly HostInterface[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) => {
    const first = addresses?.find((one) => one.family === 'IPv4' && !one.internal);
    if (first === undefined) return [];
    return [
      { name, address: first.address as Ipv4, netmask: first.netmask as Ipv4, mac: parseMac(first.mac) },
    ];
  });
}

/**
 * The interfaces called `names`, or every one when there are no names.
 * Throws PB-INTERFACE-UNKNOWN when one is not there, or when there is none at all.
 */
export function chooseInterfaces(
  names: readonly string[],
  present: readonly HostInterface[] = hostInterfaces(),
): readonly HostInterface[] {
  const there = present.map((one) => `${one.name} (${one.address})`).join(', ') || 'none';
  if (names.length === 0) {
    if (present.length > 0) return present;
    throw new PeerbootError('PB-INTERFACE-UNKNOWN', 'no interface of this host has an IPv4 address');
  }
  return names.map((name) => {
    const found = present.find((one) => one.name === name);
    if (found !== undefined) return found;
    throw new PeerbootError(
      'PB-INTERFACE-UNKNOWN',
      `no interface ${name} with an IPv4 address; there are: ${there}`,
    );
  });
}

/** Those of `names` (or all, when there are no names) that are there at the moment: they come and go. */
export function presentInterfaces(names: readonly string[]): readonly HostInterface[] {
  return hostInterfaces().filter(({ name }) => names.length === 0 || names.includes(name));
}

/** Those of `present` that were not among `before` (`came`), and the other way round (`left`): by name, address and mask. */
export function changedInterfaces(
  before: readonly HostInterface[],
  present: readonly HostInterface[],
): { readonly came: readonly HostInterface[]; readonly left: readonly HostInterface[] } {
  const isIn = (list: readonly HostInterface[], one: HostInterface) =>
    list.some(
      ({ name, address, netmask }) => name === one.name && address === one.address && netmask === one.netmask,
    );
  return {
    came: present.filter((one) => !isIn(before, one)),
    left: before.filter((one) => !isIn(present, one)),
  };
}
