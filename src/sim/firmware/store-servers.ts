// The other servers of a store's network: its DHCP server, with boot options of its own on request, and a stray proxyDHCP.
import { ANY_ADDRESS, formatIpv4, type Ipv4, ipv4Bytes, LIMITED_BROADCAST } from '../../base/addresses.ts';
import { fromText, toHex } from '../../base/bytes.ts';
import { WireError } from '../../base/errors.ts';
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT, PXE_PORT } from '../../dhcp/destination.ts';
import { type MessageType, OPTIONS, optionEntry, readOption } from '../../dhcp/options.ts';
import { BOOT_REPLY, BOOT_REQUEST, type DhcpPacket, decodePacket, encodePacket } from '../../dhcp/packet.ts';
import { encodeSuboptions, PXE_DISCOVERY_CONTROL, USE_OFFERED_FILE } from '../../dhcp/pxe.ts';
import type { Datagram, Lan, LanHost } from './lan.ts';

/** Boot options that somebody once put into the store's DHCP server. */
export interface OwnBootOptions {
  readonly vendorClass?: string;
  readonly file?: string;
  readonly nextServer?: Ipv4;
  readonly vendorOptions?: Uint8Array;
}

export interface StoreServerOptions {
  readonly address: Ipv4;
  /** The first address to give; the others follow. */
  readonly firstLease: Ipv4;
  readonly boot?: OwnBootOptions;
  /** Before each first offer, as a server that pings. */
  readonly offerDelayMs?: number;
}

const EMPTY = new Uint8Array(0);

/** dnsmasq-like: addresses by hardware address, the relay's option echoed, silence to what is for others. */
export function plugStoreServer(lan: Lan, segment: number, options: StoreServerOptions): LanHost {
  const leases = new Map<string, Ipv4>();
  const leaseOf = (chaddr: Uint8Array) => {
    const key = toHex(chaddr);
    const bytes = ipv4Bytes(options.firstLease);
    bytes[3] = (bytes[3] ?? 0) + leases.size;
    const lease = leases.get(key) ?? formatIpv4(bytes);
    leases.set(key, lease);
    return lease;
  };
  const host = lan.plug(segment, [options.address], {
    datagram({ to, bytes }) {
      if (to.port !== DHCP_SERVER_PORT) return;
      const request = decodePacket(bytes);
      if (request instanceof WireError || request.op !== BOOT_REQUEST) return;
      const type = readOption(request.options, OPTIONS.messageType);
      const chosen = readOption(request.options, OPTIONS.serverIdentifier);
      if (type === 'DISCOVER') {
        lan.queue.after(options.offerDelayMs ?? 0, () => answer(request, 'OFFER'));
      } else if (type === 'REQUEST' && chosen === options.address) {
        const asked = readOption(request.options, OPTIONS.requestedAddress);
        answer(request, asked === leaseOf(request.chaddr) ? 'ACK' : 'NAK');
      }
    },
  });
  const answer = (request: DhcpPacket, type: MessageType) => {
    const packet = storeReply(request, type, options, leaseOf(request.chaddr));
    reply(lan, host, options.address, request, packet);
  };
  return host;
}

function storeReply(
  request: DhcpPacket,
  type: MessageType,
  { address, boot = {} }: StoreServerOptions,
  lease: Ipv4,
): DhcpPacket {
  const isNak = type === 'NAK';
  return {
    ...emptyReply(request),
    yiaddr: isNak ? ANY_ADDRESS : lease,
    siaddr: isNak ? ANY_ADDRESS : (boot.nextServer ?? address),
    file: isNak || boot.file === undefined ? EMPTY : fromText(boot.file),
    options: new Map([
      optionEntry(OPTIONS.messageType, type),
      optionEntry(OPTIONS.serverIdentifier, address),
      ...(isNak ? [] : [optionEntry(OPTIONS.leaseTime, 3600)]),
      ...(isNak ? [] : [optionEntry(OPTIONS.subnetMask, '255.255.255.0' as Ipv4)]),
      ...(boot.vendorClass === undefined ? [] : [optionEntry(OPTIONS.vendorClass, boot.vendorClass)]),
      ...(boot.vendorOptions === undefined ? [] : [optionEntry(OPTIONS.vendorOptions, boot.vendorOptions)]),
      ...(boot.file === undefined ? [] : [optionEntry(OPTIONS.bootFile, boot.file)]),
      ...relayEcho(request),
    ]),
  };
}

export interface StrayProxyOptions {
  readonly address: Ipv4;
  /** `binl` leads to its port 4011; `file` names the file in the offer by option 43. */
  readonly form: 'binl' | 'file';
  /** Does it answer on 4011? */
  readonly answers: boolean;
  readonly file: string;
}

/** A deployment server somebody forgot: it offers its own file to every PXE client, and serves none. */
export function plugStrayProxy(lan: Lan, segment: number, options: StrayProxyOptions): LanHost {
  const { address, form, answers, file } = options;
  const useThis = encodeSuboptions(
    new Map([[PXE_DISCOVERY_CONTROL, Uint8Array.of(USE_OFFERED_FILE)]]),
    'end',
  );
  const host = lan.plug(segment, [address], {
    datagram({ from, to, bytes }) {
      const request = decodePacket(bytes);
      if (request instanceof WireError || request.op !== BOOT_REQUEST) return;
      if (readOption(request.options, OPTIONS.vendorClass)?.startsWith('PXEClient') !== true) return;
      const type = readOption(request.options, OPTIONS.messageType);
      const packet = (kind: MessageType): DhcpPacket => ({
        ...emptyReply(request),
        siaddr: address,
        file: fromText(file),
        options: new Map([
          optionEntry(OPTIONS.messageType, kind),
          optionEntry(OPTIONS.serverIdentifier, address),
          optionEntry(OPTIONS.vendorClass, 'PXEClient'),
          ...(form === 'file' ? [optionEntry(OPTIONS.vendorOptions, useThis)] : []),
          ...relayEcho(request),
        ]),
      });
      if (to.port === DHCP_SERVER_PORT && type === 'DISCOVER') {
        reply(lan, host, address, request, packet('OFFER'));
      } else if (to.port === PXE_PORT && type === 'REQUEST' && answers) {
        lan.send(host, { from: { address, port: PXE_PORT }, to: from, bytes: encodePacket(packet('ACK')) });
      }
    },
  });
  return host;
}

export interface RelayOptions {
  /** Its address on the machines' segment, which it writes into giaddr. */
  readonly address: Ipv4;
  /** To whom it passes on. */
  readonly helpers: readonly Ipv4[];
}

/** A router's relay (RFC 1542 §4): broadcasts of one segment go to the helpers by unicast, and their answers back. */
export function plugRelay(lan: Lan, segment: number, { address, helpers }: RelayOptions): LanHost {
  const host = lan.plug(segment, [address], {
    datagram({ to, bytes }: Datagram) {
      const packet = decodePacket(bytes);
      if (packet instanceof WireError || to.port !== DHCP_SERVER_PORT) return;
      const from = { address, port: DHCP_SERVER_PORT };
      if (packet.op === BOOT_REPLY) {
        const options = new Map(packet.options);
        options.delete(OPTIONS.relayInformation.code);
        const to68 = { address: LIMITED_BROADCAST, port: DHCP_CLIENT_PORT };
        lan.send(host, { from, to: to68, bytes: encodePacket({ ...packet, options }) });
        return;
      }
      const options = new Map([
        ...packet.options,
        [OPTIONS.relayInformation.code, Uint8Array.of(1, 4, 112, 111, 114, 116)] as const,
      ]);
      const relayed = encodePacket({ ...packet, hops: packet.hops + 1, giaddr: address, options });
      for (const helper of helpers) {
        lan.send(host, { from, to: { address: helper, port: DHCP_SERVER_PORT }, bytes: relayed });
      }
    },
  });
  return host;
}

function emptyReply(request: DhcpPacket): Omit<DhcpPacket, 'options'> {
  return {
    ...request,
    op: BOOT_REPLY,
    hops: 0,
    secs: 0,
    ciaddr: ANY_ADDRESS,
    yiaddr: ANY_ADDRESS,
    siaddr: ANY_ADDRESS,
    sname: EMPTY,
    file: EMPTY,
  };
}

function relayEcho(request: DhcpPacket): (readonly [number, Uint8Array])[] {
  const relay = request.options.get(OPTIONS.relayInformation.code);
  return relay === undefined ? [] : [[OPTIONS.relayInformation.code, relay]];
}

/** To the relay, else to everybody: every client of a virtual LAN hears broadcasts. */
function reply(lan: Lan, host: LanHost, address: Ipv4, request: DhcpPacket, packet: DhcpPacket): void {
  const to =
    request.giaddr === ANY_ADDRESS
      ? { address: LIMITED_BROADCAST, port: DHCP_CLIENT_PORT }
      : { address: request.giaddr, port: DHCP_SERVER_PORT };
  lan.send(host, { from: { address, port: DHCP_SERVER_PORT }, to, bytes: encodePacket(packet) });
}
