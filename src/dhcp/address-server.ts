// What a DHCP server answers (RFC 2131 §4.3), as pure decisions: addresses only. What a machine boots, the proxy beside it says.
import { ANY_ADDRESS, type Ipv4 } from '../base/addresses.ts';
import { toHex } from '../base/bytes.ts';
import { type Destination, DHCP_SERVER_PORT, type Endpoint, replyDestination } from './destination.ts';
import { type LeaseClient, numberOf } from './lease-pool.ts';
import { type MessageType, OPTIONS, optionEntry, readOption } from './options.ts';
import { BOOT_REPLY, BOOT_REQUEST, type DhcpPacket } from './packet.ts';

/** The network that addresses are given on. */
export interface ServedNetwork {
  readonly server: Ipv4;
  readonly netmask: Ipv4;
  readonly router: Ipv4 | undefined;
  readonly nameServers: readonly Ipv4[];
  readonly leaseSeconds: number;
}

/** What a client wants. */
export type AddressRequest =
  | { readonly kind: 'discover'; readonly client: LeaseClient; readonly asked: Ipv4 | undefined }
  /** It takes our offer, or asks for the address that it had before its restart (`certain`: our offer). */
  | {
      readonly kind: 'request';
      readonly client: LeaseClient;
      readonly address: Ipv4;
      readonly state: 'selecting' | 'init-reboot' | 'renewing';
    }
  /** It takes the offer of another server, which so is there. */
  | { readonly kind: 'chose-another'; readonly client: LeaseClient; readonly server: Ipv4 }
  | { readonly kind: 'decline'; readonly client: LeaseClient; readonly address: Ipv4 }
  | { readonly kind: 'release'; readonly client: LeaseClient }
  | { readonly kind: 'inform' };

/** Undefined: nothing for an address server, or nonsense. */
export function readRequest(packet: DhcpPacket, server: Ipv4): AddressRequest | undefined {
  if (packet.op !== BOOT_REQUEST || packet.giaddr !== ANY_ADDRESS) return undefined;
  const client = clientOf(packet);
  const asked = readOption(packet.options, OPTIONS.requestedAddress);
  const chosen = readOption(packet.options, OPTIONS.serverIdentifier);
  switch (readOption(packet.options, OPTIONS.messageType)) {
    case 'DISCOVER':
      return { kind: 'discover', client, asked };
    case 'REQUEST': {
      if (chosen !== undefined && chosen !== server) return { kind: 'chose-another', client, server: chosen };
      const address = packet.ciaddr === ANY_ADDRESS ? asked : packet.ciaddr;
      if (address === undefined) return undefined;
      const state =
        chosen !== undefined ? 'selecting' : packet.ciaddr === ANY_ADDRESS ? 'init-reboot' : 'renewing';
      return { kind: 'request', client, address, state };
    }
    case 'DECLINE':
      return chosen === server && asked !== undefined
        ? { kind: 'decline', client, address: asked }
        : undefined;
    case 'RELEASE':
      return chosen === server ? { kind: 'release', client } : undefined;
    case 'INFORM':
      return { kind: 'inform' };
    default:
      return undefined;
  }
}

function clientOf({ options, chaddr }: DhcpPacket): LeaseClient {
  const id = readOption(options, OPTIONS.clientIdentifier);
  // The firmware, iPXE and the system of one machine name themselves differently: its MAC is what they share.
  return chaddr.length === 6 || id === undefined ? `mac:${toHex(chaddr)}` : `id:${toHex(id)}`;
}

export function isInNetwork(address: Ipv4, { server, netmask }: ServedNetwork): boolean {
  const mask = numberOf(netmask);
  return (numberOf(address) & mask) === (numberOf(server) & mask);
}

/** `address`: `undefined` for a NAK and for the answer to an INFORM. */
export function addressReply(
  request: DhcpPacket,
  type: Extract<MessageType, 'OFFER' | 'ACK' | 'NAK'>,
  address: Ipv4 | undefined,
  network: ServedNetwork,
): DhcpPacket {
  const lease = address === undefined ? [] : leaseOptions(network.leaseSeconds);
  const facts = type === 'NAK' ? [] : networkOptions(network);
  return {
    op: BOOT_REPLY,
    htype: request.htype,
    hops: 0,
    xid: request.xid,
    secs: 0,
    flags: request.flags,
    ciaddr: type === 'NAK' ? ANY_ADDRESS : request.ciaddr,
    yiaddr: address ?? ANY_ADDRESS,
    // Signed GRUB hears no proxyDHCP: from here it learns whom to ask for its files.
    siaddr: type === 'NAK' ? ANY_ADDRESS : network.server,
    giaddr: request.giaddr,
    chaddr: request.chaddr,
    sname: new Uint8Array(0),
    file: new Uint8Array(0),
    options: new Map([
      optionEntry(OPTIONS.messageType, type),
      optionEntry(OPTIONS.serverIdentifier, network.server),
      ...lease,
      ...facts,
    ]),
  };
}

/** T1 and T2 as RFC 2131 §4.4.5 has them. */
function leaseOptions(seconds: number) {
  return [
    optionEntry(OPTIONS.leaseTime, seconds),
    optionEntry(OPTIONS.renewalTime, Math.floor(seconds / 2)),
    optionEntry(OPTIONS.rebindingTime, Math.floor((seconds * 7) / 8)),
  ];
}

function networkOptions({ netmask, router, nameServers }: ServedNetwork) {
  return [
    optionEntry(OPTIONS.subnetMask, netmask),
    ...(router === undefined ? [] : [optionEntry(OPTIONS.router, [router])]),
    ...(nameServers.length === 0 ? [] : [optionEntry(OPTIONS.domainServer, nameServers)]),
  ];
}

/** A NAK is broadcast, as the client's address may be wrong (RFC 2131 §4.1); the rest as every reply. */
export function addressDestination(
  type: MessageType,
  request: DhcpPacket,
  source: Endpoint,
): Destination | undefined {
  const asked = type === 'NAK' ? { ...request, ciaddr: ANY_ADDRESS } : request;
  return replyDestination(asked, source, DHCP_SERVER_PORT);
}
