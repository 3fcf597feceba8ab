// Port: the datagrams of beacons, by interface. The adapter is in `io/`.
import type { Ipv4 } from '../base/addresses.ts';
import { formatIpv4, ipv4Bytes } from '../base/addresses.ts';
import type { Log } from '../base/log.ts';
import type { BeaconEndpoint } from './beacon-table.ts';

export interface BeaconInterface {
  readonly name: string;
  readonly address: Ipv4;
  readonly netmask: Ipv4;
}

export interface BeaconNet {
  /** Those that are there now. */
  interfaces(): readonly BeaconInterface[];
  /** The one by which this address is best reached; undefined when there is none at all. */
  towards(address: Ipv4): BeaconInterface | undefined;
  /** Out of this interface, from its own address, to all of the group. What cannot be sent is lost, as anything may be. */
  multicast(by: BeaconInterface, bytes: Uint8Array): void;
  unicast(by: BeaconInterface, to: BeaconEndpoint, bytes: Uint8Array): void;
  close(): Promise<void>;
}

export interface BeaconNetOptions {
  /** Of the group: the same for the whole site. */
  readonly groupPort: number;
  /** Where unicast beacons are heard, if it is free; else any port, which others learn from our datagrams. */
  readonly port: number;
  onDatagram(bytes: Uint8Array, from: BeaconEndpoint, multicast: boolean): void;
  /** Interfaces came or went. */
  onInterfaces(): void;
  readonly log: Log;
}

/** Rejects with PB-PORT-IN-USE or PB-PORT-DENIED when the group cannot be heard. */
export type OpenBeaconNet = (options: BeaconNetOptions) => Promise<BeaconNet>;

/** `10.77.0.0/24`. */
export function subnetOf({ address, netmask }: Pick<BeaconInterface, 'address' | 'netmask'>): string {
  const mask = ipv4Bytes(netmask);
  const network = ipv4Bytes(address).map((byte, i) => byte & (mask[i] as number));
  const bits = mask.reduce((total, byte) => total + byte.toString(2).replaceAll('0', '').length, 0);
  return `${formatIpv4(network)}/${bits}`;
}

export function isInSubnet(address: Ipv4, of: Pick<BeaconInterface, 'address' | 'netmask'>): boolean {
  return subnetOf({ address, netmask: of.netmask }) === subnetOf(of);
}
