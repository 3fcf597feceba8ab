// Asks, as a machine would, who hands out addresses here: one DISCOVER, and never a REQUEST, so no lease is taken.
import type { Mac } from '../base/addresses.ts';
import { ANY_ADDRESS, type Ipv4, LIMITED_BROADCAST } from '../base/addresses.ts';
import { fromHex, toText } from '../base/bytes.ts';
import { WireError } from '../base/errors.ts';
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT } from '../dhcp/destination.ts';
import { OPTIONS, optionEntry, readOption } from '../dhcp/options.ts';
import {
  BOOT_REPLY,
  BOOT_REQUEST,
  BROADCAST_FLAG,
  type DhcpPacket,
  decodePacket,
  encodePacket,
} from '../dhcp/packet.ts';
import { openUdp } from './udp.ts';

export interface HeardOffer {
  readonly server: Ipv4;
  readonly address: Ipv4;
  /** Option 60: a DHCP server that says `PXEClient` itself is preferred by UEFI to any proxyDHCP. */
  readonly vendorClass: string | undefined;
  /** Header field `file` or option 67: it sends machines somewhere itself. */
  readonly bootFile: string | undefined;
}

export interface ProbeOptions {
  /** Address of the interface to ask through. */
  readonly address: Ipv4;
  readonly mac: Mac;
  readonly xid: number;
  readonly timeoutMs: number;
}

/**
 * Offers of addresses heard within the time, one a server. Rejects with PB-PORT-IN-USE or PB-PORT-DENIED when port 68
 * cannot be opened. Asks without option 60, so that peers do not take it for a machine; and under the interface's
 * address with the "locally administered" bit turned over, the same each time, so that at most one address is held back.
 */
export async function probeDhcp(options: ProbeOptions): Promise<HeardOffer[]> {
  const offers = new Map<Ipv4, HeardOffer>();
  const onDatagram = (bytes: Uint8Array) => {
    const offer = readOffer(bytes, options.xid);
    if (offer !== undefined) offers.set(offer.server, offer);
  };
  const port = DHCP_CLIENT_PORT;
  const onError = () => {};
  const listener = await openUdp({ local: { address: ANY_ADDRESS, port }, onDatagram, onError });
  try {
    const sender = await openUdp({ local: { address: options.address, port }, onDatagram, onError });
    try {
      const to = { address: LIMITED_BROADCAST, port: DHCP_SERVER_PORT };
      await sender.send(encodePacket(discover(options)), to);
      await new Promise((resolve) => setTimeout(resolve, options.timeoutMs));
    } finally {
      await sender.close();
    }
  } finally {
    await listener.close();
  }
  return [...offers.values()];
}

function discover({ mac, xid }: ProbeOptions): DhcpPacket {
  const chaddr = fromHex(mac.replaceAll(':', '')) ?? new Uint8Array(6);
  chaddr[0] = (chaddr[0] ?? 0) ^ 0x02;
  return {
    op: BOOT_REQUEST,
    htype: 1,
    hops: 0,
    xid,
    secs: 0,
    flags: BROADCAST_FLAG,
    ciaddr: ANY_ADDRESS,
    yiaddr: ANY_ADDRESS,
    siaddr: ANY_ADDRESS,
    giaddr: ANY_ADDRESS,
    chaddr,
    sname: new Uint8Array(),
    file: new Uint8Array(),
    options: new Map([
      optionEntry(OPTIONS.messageType, 'DISCOVER'),
      optionEntry(OPTIONS.maximumSize, 1472),
      optionEntry(OPTIONS.parameterRequestList, [1, 3, 6, 43, 54, 60, 66, 67]),
    ]),
  };
}

function readOffer(bytes: Uint8Array, xid: number): HeardOffer | undefined {
  const packet = decodePacket(bytes);
  if (packet instanceof WireError || packet.op !== BOOT_REPLY || packet.xid !== xid) return undefined;
  const server = readOption(packet.options, OPTIONS.serverIdentifier) ?? packet.siaddr;
  // No address: a proxyDHCP's offer.
  if (packet.yiaddr === ANY_ADDRESS) return undefined;
  const file = toText(packet.file).replace(/\0.*$/s, '');
  return {
    server,
    address: packet.yiaddr,
    vendorClass: readOption(packet.options, OPTIONS.vendorClass),
    bootFile: readOption(packet.options, OPTIONS.bootFile) ?? (file === '' ? undefined : file),
  };
}
