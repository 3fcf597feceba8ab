// Where a reply goes (RFC 2131 §4.1, and PXE 2.1 for port 4011).
import { ANY_ADDRESS, type Ipv4, ipv4Bytes, LIMITED_BROADCAST } from '../base/addresses.ts';
import type { DhcpPacket } from './packet.ts';

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;
/** Boot server port of PXE 2.1: asked by unicast once the client has its address. */
export const PXE_PORT = 4011;

export type ServerPort = typeof DHCP_SERVER_PORT | typeof PXE_PORT;

export interface Endpoint {
  readonly address: Ipv4;
  readonly port: number;
}

export interface Destination extends Endpoint {
  readonly kind: 'relay' | 'unicast' | 'broadcast';
}

/**
 * A reply to `request`, which came from `source` to our `arrivedPort`. Undefined when the address that it would go to is
 * no single host's: such a packet is forged, and answering would aim our reply at others.
 */
export function replyDestination(
  request: DhcpPacket,
  source: Endpoint,
  arrivedPort: ServerPort,
): Destination | undefined {
  // EDK2 asks 4011 from port 4011, iPXE from 68: only the packet's own source is right.
  if (arrivedPort === PXE_PORT && source.address !== ANY_ADDRESS) return to('unicast', source);
  if (request.giaddr !== ANY_ADDRESS) {
    return to('relay', { address: request.giaddr, port: DHCP_SERVER_PORT });
  }
  if (request.ciaddr !== ANY_ADDRESS) {
    return to('unicast', { address: request.ciaddr, port: DHCP_CLIENT_PORT });
  }
  // Not the subnet's directed broadcast: EDK2 does not receive it before it has an address.
  return { kind: 'broadcast', address: LIMITED_BROADCAST, port: DHCP_CLIENT_PORT };
}

function to(kind: 'relay' | 'unicast', endpoint: Endpoint): Destination | undefined {
  return isHostAddress(endpoint.address) ? { kind, ...endpoint } : undefined;
}

/** Could this be one host on a LAN: not 0/8, loopback, multicast, reserved or broadcast? */
export function isHostAddress(address: Ipv4): boolean {
  const first = ipv4Bytes(address)[0] as number;
  return first !== 0 && first !== 127 && first < 224;
}
