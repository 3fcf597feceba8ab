// Asks, as a booting machine would, which DHCP servers and boot servers answer on an interface: for the doctor.
import { ANY_ADDRESS, type Ipv4, LIMITED_BROADCAST, type Mac } from '../base/addresses.ts';
import { fromHex, fromText, toText } from '../base/bytes.ts';
import { WireError } from '../base/errors.ts';
import { type Random, randomInt } from '../base/random.ts';
import type { Timers } from '../base/time.ts';
import { DOCTORS_USER_CLASS } from '../boot/probe.ts';
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
import type { OpenUdp, UdpSocket } from '../dhcp/ports.ts';

export interface ProbeOptions {
  readonly openUdp: OpenUdp;
  /** The interface asked on: our address there, and its MAC, for which the site's server keeps an address already. */
  readonly address: Ipv4;
  readonly mac: Mac;
  readonly timers: Timers;
  readonly random: Random;
  /** As what it asks: firmware is offered an NBP, iPXE the address of the script, so of the peer. */
  readonly as?: 'firmware' | 'ipxe';
  /** How long to listen; a server that pings first takes three seconds. */
  readonly listenMs: number;
}

export interface AnsweringServer {
  readonly address: Ipv4;
  readonly givesAddress: boolean;
  /** Its option 60: a server that gives addresses and says PXEClient outranks every proxyDHCP in EDK2. */
  readonly vendorClass: string | undefined;
  /** A boot file or script that it names itself. */
  readonly file: string | undefined;
}

/**
 * Broadcasts one DISCOVER of a PXE machine with our own MAC, so that no further address is set aside, and collects the
 * offers. Listens on port 68 only meanwhile, and shares it: a DHCP client of the host keeps hearing. Never sends a REQUEST.
 */
export async function probeServers(options: ProbeOptions): Promise<readonly AnsweringServer[]> {
  const xid = randomInt(options.random, 2 ** 32);
  /** By server and kind of answer: a boot host that gives addresses, too, sends one offer of each. */
  const found = new Map<string, AnsweringServer>();
  const sockets: UdpSocket[] = [];
  const listen = async (address: Ipv4) => {
    const socket = await options.openUdp({
      local: { address, port: DHCP_CLIENT_PORT },
      onError: () => {},
      onDatagram: (bytes, source) => {
        const offer = decodePacket(bytes);
        if (offer instanceof WireError || offer.op !== BOOT_REPLY || offer.xid !== xid) return;
        const server = readOption(offer.options, OPTIONS.serverIdentifier) ?? source.address;
        const answer = answering(server, offer);
        found.set(`${server} ${answer.givesAddress}`, answer);
      },
    });
    sockets.push(socket);
    return socket;
  };
  try {
    // Broadcasts are heard on 0.0.0.0, and leave by the interface whose address the socket has.
    await listen(ANY_ADDRESS);
    const sender = await listen(options.address);
    await sender.send(encodePacket(discover(options.mac, xid, options.as === 'ipxe')), {
      address: LIMITED_BROADCAST,
      port: DHCP_SERVER_PORT,
    });
    await new Promise<void>((resolve) => options.timers.after(options.listenMs, resolve));
  } finally {
    await Promise.all(sockets.map((socket) => socket.close()));
  }
  return [...found.values()];
}

function answering(address: Ipv4, offer: DhcpPacket): AnsweringServer {
  const named = offer.file.length > 0 ? toText(offer.file) : readOption(offer.options, OPTIONS.bootFile);
  return {
    address,
    givesAddress: offer.yiaddr !== ANY_ADDRESS,
    vendorClass: readOption(offer.options, OPTIONS.vendorClass),
    file: named,
  };
}

function discover(mac: Mac, xid: number, asIpxe: boolean): DhcpPacket {
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
    chaddr: fromHex(mac.replaceAll(':', '')) ?? new Uint8Array(6),
    sname: new Uint8Array(0),
    file: new Uint8Array(0),
    options: new Map([
      optionEntry(OPTIONS.messageType, 'DISCOVER'),
      optionEntry(OPTIONS.parameterRequestList, [1, 3, 43, 54, 60, 66, 67]),
      optionEntry(OPTIONS.maximumSize, 1472),
      optionEntry(OPTIONS.vendorClass, 'PXEClient:Arch:00007:UNDI:003000'),
      optionEntry(OPTIONS.clientArchitecture, [7]),
      optionEntry(OPTIONS.clientInterface, Uint8Array.of(1, 3, 0)),
      // No machine boots here, as boot hosts of ours are told: also our own, which hears this.
      optionEntry(OPTIONS.userClass, asIpxe ? fromText('iPXE') : DOCTORS_USER_CLASS),
    ]),
  };
}
