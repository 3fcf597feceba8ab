// iPXE's DHCP (dhcp.c): DISCOVER doubling from 1 s, two seconds for a proxy's offer, priorities by option 175.1, port 4011 at need.
import { ANY_ADDRESS, type Ipv4 } from '../../base/addresses.ts';
import { toText } from '../../base/bytes.ts';
import { WireError } from '../../base/errors.ts';
import { type Random, randomInt } from '../../base/random.ts';
import type { MonotonicMs } from '../../base/time.ts';
import { DHCP_SERVER_PORT, type Endpoint } from '../../dhcp/destination.ts';
import { OPTIONS, readOption } from '../../dhcp/options.ts';
import { BOOT_REPLY, type DhcpPacket, decodePacket } from '../../dhcp/packet.ts';
import { decodeSuboptions, IPXE_PRIORITY } from '../../dhcp/pxe.ts';
import { BROADCAST_TO_SERVERS, type Dialect, dhcpRequest } from './dialects.ts';
import { type FirmwareAction, type FirmwareHardware, NOTHING } from './firmware.ts';
import { saysPxe } from './offers.ts';
import { PxeRequest } from './pxe-request.ts';

const CLIENT_PORT = 68;
/** DHCP_DISC_START_TIMEOUT_SEC to DHCP_DISC_END_TIMEOUT_SEC. */
const WAITS_MS = [1_000, 2_000, 4_000, 8_000] as const;
/** DHCP_DISC_PROXY_TIMEOUT_SEC */
const PROXY_WAIT_MS = 2_000;
const PROXY_REQUEST_WAITS_MS = [2_000, 4_000, 8_000] as const;

export interface IpxeBootFile {
  readonly name: string;
  readonly server: Ipv4;
}

export type IpxeDhcpResult =
  | { readonly kind: 'bound'; readonly address: Ipv4; readonly file: IpxeBootFile | undefined }
  | { readonly kind: 'no-configuration' };

type State = 'discover' | 'request' | 'proxy' | 'over';

interface Kept {
  readonly packet: DhcpPacket;
  readonly server: Ipv4;
  readonly priority: number;
}

export class IpxeDhcp {
  readonly #dialect: Dialect;
  readonly #hardware: FirmwareHardware;
  readonly #random: Random;
  readonly #xid: number;
  #state: State = 'discover';
  #offer: Kept | undefined;
  #proxy: Kept | undefined;
  #ack: DhcpPacket | undefined;
  #ask: PxeRequest | undefined;
  #tries = 0;
  #sent = 0;
  #startedAt: MonotonicMs = 0;
  #saidAt: MonotonicMs = 0;
  #result: IpxeDhcpResult | undefined;

  constructor(dialect: Dialect, hardware: FirmwareHardware, random: Random) {
    this.#dialect = dialect;
    this.#hardware = hardware;
    this.#random = random;
    this.#xid = randomInt(random, 2 ** 32);
  }

  get result(): IpxeDhcpResult | undefined {
    return this.#result;
  }

  start(now: MonotonicMs): readonly FirmwareAction[] {
    this.#startedAt = now;
    return [this.#say(now)];
  }

  datagram(port: number, from: Endpoint, bytes: Uint8Array, now: MonotonicMs): readonly FirmwareAction[] {
    if (this.#state === 'proxy') {
      const did = this.#ask?.datagram(port, bytes) ?? NOTHING;
      this.#afterAsk();
      return did;
    }
    if (port !== CLIENT_PORT || this.#state === 'over') return NOTHING;
    const packet = decodePacket(bytes);
    if (packet instanceof WireError || packet.op !== BOOT_REPLY || packet.xid !== this.#xid) return NOTHING;
    const type = readOption(packet.options, OPTIONS.messageType);
    if (this.#state === 'discover' && type === 'OFFER') return this.#offered(packet, from, now);
    if (this.#state !== 'request') return NOTHING;
    if (type === 'NAK') {
      this.#enter('discover');
      this.#offer = undefined;
      return [this.#say(now)];
    }
    if (type !== 'ACK' || packet.yiaddr !== this.#offer?.packet.yiaddr) return NOTHING;
    this.#ack = packet;
    return [
      { kind: 'configure', address: packet.yiaddr },
      { kind: 'reached', stage: 'address', what: packet.yiaddr },
      ...this.#askProxyOrEnd(now),
    ];
  }

  wake(now: MonotonicMs): readonly FirmwareAction[] {
    if (this.#state === 'proxy') {
      const did = this.#ask?.wake(now) ?? NOTHING;
      this.#afterAsk();
      return did;
    }
    if (now < (this.nextWake() ?? Number.POSITIVE_INFINITY)) return NOTHING;
    if (this.#state === 'discover' && this.#offer !== undefined && this.#waitedForProxies(now)) {
      this.#enter('request');
      return [this.#say(now)];
    }
    if (this.#tries === WAITS_MS.length - 1) {
      this.#state = 'over';
      this.#result = { kind: 'no-configuration' };
      return NOTHING;
    }
    this.#tries += 1;
    return [this.#say(now)];
  }

  nextWake(): MonotonicMs | undefined {
    if (this.#state === 'over') return undefined;
    if (this.#state === 'proxy') return this.#ask?.nextWake();
    return this.#saidAt + (WAITS_MS[this.#tries] ?? 0);
  }

  /** dhcp_discovery_rx: of several the one with the higher priority, the later one of equals. */
  #offered(packet: DhcpPacket, from: Endpoint, now: MonotonicMs): readonly FirmwareAction[] {
    const server = readOption(packet.options, OPTIONS.serverIdentifier);
    const kept = { packet, server: server ?? from.address, priority: priorityOf(packet) };
    const isFromDhcpPort = from.port === DHCP_SERVER_PORT;
    if (packet.yiaddr !== ANY_ADDRESS && isFromDhcpPort && kept.priority >= (this.#offer?.priority ?? 0)) {
      this.#offer = kept;
    }
    if (server !== undefined && saysPxe(packet) && kept.priority >= (this.#proxy?.priority ?? 0)) {
      this.#proxy = kept;
    }
    if (this.#offer === undefined) return NOTHING;
    if (this.#proxy === undefined && !this.#waitedForProxies(now)) return NOTHING;
    this.#enter('request');
    return [this.#say(now)];
  }

  #waitedForProxies(now: MonotonicMs): boolean {
    return now - this.#startedAt > PROXY_WAIT_MS;
  }

  #enter(state: State): void {
    this.#state = state;
    this.#tries = 0;
  }

  /** dhcp_has_pxeopts: an offer with next-server and file is enough; else the proxy is asked on its own port. */
  #askProxyOrEnd(now: MonotonicMs): readonly FirmwareAction[] {
    const proxy = this.#proxy;
    if (proxy === undefined || namedIn(proxy.packet) !== undefined || this.#ack === undefined) {
      this.#finish(proxy?.packet);
      return NOTHING;
    }
    this.#state = 'proxy';
    this.#ask = new PxeRequest({
      dialect: this.#dialect,
      hardware: this.#hardware,
      random: this.#random,
      server: proxy.server,
      address: this.#ack.yiaddr,
      port: CLIENT_PORT,
      waitsMs: PROXY_REQUEST_WAITS_MS,
    });
    return this.#ask.start(now);
  }

  #afterAsk(): void {
    const answer = this.#ask?.result;
    if (answer !== undefined) this.#finish(answer === 'silence' ? undefined : answer);
  }

  /** The settings of DHCP and of the proxy lie side by side: the higher priority first, DHCP's first of equals. */
  #finish(proxy: DhcpPacket | undefined): void {
    const ack = this.#ack;
    if (ack === undefined) return;
    const blocks = [ack, ...(proxy === undefined ? [] : [proxy])];
    const ranked = blocks.sort((a, b) => priorityOf(b) - priorityOf(a));
    const file = ranked.map(namedIn).find((named) => named !== undefined);
    this.#state = 'over';
    this.#result = { kind: 'bound', address: ack.yiaddr, file };
  }

  #say(now: MonotonicMs): FirmwareAction {
    this.#saidAt = now;
    this.#sent += 1;
    const offer = this.#offer;
    // dhcp.c hides in `secs` how often it has sent, and whether it has an offer and a proxy's.
    const secs = (this.#sent << 2) | (offer === undefined ? 0 : 2) | (this.#proxy === undefined ? 0 : 1);
    const isRequest = this.#state === 'request' && offer !== undefined;
    const bytes = dhcpRequest(
      this.#dialect,
      this.#hardware,
      isRequest
        ? { type: 'REQUEST', xid: this.#xid, secs, requested: offer.packet.yiaddr, server: offer.server }
        : { type: 'DISCOVER', xid: this.#xid, secs },
    );
    return { kind: 'send', port: CLIENT_PORT, to: BROADCAST_TO_SERVERS, bytes };
  }
}

/** A signed byte; 0 where it is not told. */
function priorityOf(packet: DhcpPacket): number {
  const inside = decodeSuboptions(packet.options.get(OPTIONS.ipxe.code) ?? new Uint8Array(0));
  const byte = inside instanceof WireError ? undefined : inside.get(IPXE_PRIORITY)?.at(0);
  return byte === undefined ? 0 : (byte << 24) >> 24;
}

/** The header's field or option 67, with the next-server of the same packet. */
function namedIn(packet: DhcpPacket): IpxeBootFile | undefined {
  const name = packet.file.length > 0 ? toText(packet.file) : readOption(packet.options, OPTIONS.bootFile);
  if (packet.siaddr === ANY_ADDRESS || name === undefined || name === '') return undefined;
  return { name, server: packet.siaddr };
}
