// Ports: the UDP sockets that a DHCP responder needs. The adapter is in `io/`.
import type { Ipv4 } from '../base/addresses.ts';
import type { Endpoint } from './destination.ts';

/** A network interface of this host, by one IPv4 address of its own. */
export interface ServedInterface {
  readonly name: string;
  readonly address: Ipv4;
}

export interface UdpSocket {
  /** Rejects when the system refuses the datagram (no route, interface down, firewall). */
  send(bytes: Uint8Array, to: Endpoint): Promise<void>;
  close(): Promise<void>;
  /** Other programs that hold this port too, as `name (pid)`; they hear the same broadcasts. */
  readonly sharedWith: readonly string[];
}

export interface UdpOptions {
  /** Where to listen: an address of this host, or 0.0.0.0, which alone hears broadcasts. */
  readonly local: Endpoint;
  onDatagram(bytes: Uint8Array, source: Endpoint): void;
  /** The socket failed by itself; it stays open. */
  onError(error: Error): void;
}

/** Opens a socket that may broadcast; rejects with PB-PORT-IN-USE or PB-PORT-DENIED. */
export type OpenUdp = (options: UdpOptions) => Promise<UdpSocket>;
