// How EDK2's PxeBc sorts DHCP offers and which it takes (PxeBcDhcp4.c: PxeBcCacheDhcp4Offer, PxeBcSelectDhcp4Offer).
import { ANY_ADDRESS, type Ipv4 } from '../../base/addresses.ts';
import { toText } from '../../base/bytes.ts';
import { WireError } from '../../base/errors.ts';
import type { Dialect } from '../../boot/quirks.ts';
import { OPTIONS, readOption } from '../../dhcp/options.ts';
import type { DhcpPacket } from '../../dhcp/packet.ts';
import { decodeSuboptions, type SuboptionMap } from '../../dhcp/pxe.ts';

/** EDK2 of before April 2017, and since. */
export type Edk2Generation = '2016' | 'today';

export type OfferType = 'dhcp-only' | 'dhcp-pxe10' | 'dhcp-binl' | 'proxy-pxe10' | 'proxy-binl';

/** PXEBC_OFFER_MAX_NUM */
const MOST_OFFERS = 16;

/** Suboptions of option 43 any of which makes an offer a PXE 1.0 one: discovery control, addresses, servers, menu, prompt. */
const DISCOVERY = [6, 7, 8, 9, 10];

/** Undefined: the firmware throws it away. */
export function offerType(offer: DhcpPacket, generation: Edk2Generation): OfferType | undefined {
  // Dhcp4Dxe drops an offer without server identifier before PxeBc sees it.
  if (readOption(offer.options, OPTIONS.serverIdentifier) === undefined) return undefined;
  const isProxy = offer.yiaddr === ANY_ADDRESS;
  const isPxe = saysPxe(offer);
  if (!isPxe) return isProxy ? undefined : 'dhcp-only';
  const discovers = DISCOVERY.some((code) => vendorOptions(offer).has(code));
  // Its check of discovery fields in proxy offers was the wrong way round until April 2017.
  if (isProxy && discovers && generation === '2016') return undefined;
  return `${isProxy ? 'proxy' : 'dhcp'}-${discovers ? 'pxe10' : 'binl'}`;
}

/** The boot server's file in an offer or answer: option 67, else the header's field. */
export function bootFileOf(packet: DhcpPacket): string | undefined {
  const option = readOption(packet.options, OPTIONS.bootFile);
  if (option !== undefined && option !== '') return option;
  return packet.file.length === 0 ? undefined : toText(packet.file);
}

/** Next-server, else whoever sent it. */
export function bootServerOf(packet: DhcpPacket): Ipv4 | undefined {
  return packet.siaddr === ANY_ADDRESS ? readOption(packet.options, OPTIONS.serverIdentifier) : packet.siaddr;
}

/** Of a vendor whose firmware takes proxy offers in one dialect only. */
export function refuses(takesOnly: Dialect | undefined, offer: DhcpPacket): boolean {
  if (takesOnly === undefined || offer.yiaddr !== ANY_ADDRESS) return false;
  const discovers = DISCOVERY.some((code) => vendorOptions(offer).has(code));
  return discovers !== (takesOnly === 'offered-file');
}

export function saysPxe(packet: DhcpPacket): boolean {
  return readOption(packet.options, OPTIONS.vendorClass)?.startsWith('PXEClient') === true;
}

export function vendorOptions(packet: DhcpPacket): SuboptionMap {
  const inside = decodeSuboptions(packet.options.get(OPTIONS.vendorOptions.code) ?? new Uint8Array(0));
  return inside instanceof WireError ? new Map() : inside;
}

export interface PxeChoice {
  /** The one whose address is taken. */
  readonly offer: DhcpPacket;
  /** Where the file is to be learnt from, in the order in which it is tried. */
  readonly boot:
    | { readonly kind: 'pxe10'; readonly from: DhcpPacket }
    | { readonly kind: 'binl'; readonly from: readonly DhcpPacket[] }
    | { readonly kind: 'file'; readonly from: DhcpPacket };
}

export class OfferCache {
  readonly #generation: Edk2Generation;
  readonly #takesOnly: Dialect | undefined;
  readonly #offers: { readonly type: OfferType; readonly packet: DhcpPacket }[] = [];

  constructor(generation: Edk2Generation, takesOnly?: Dialect) {
    this.#generation = generation;
    this.#takesOnly = takesOnly;
  }

  keep(packet: DhcpPacket): void {
    const type = offerType(packet, this.#generation);
    if (type === undefined || this.#offers.length >= MOST_OFFERS) return;
    if (refuses(this.#takesOnly, packet)) return;
    // Of PXE 1.0 offers only the first; of all others every one, but a repetition is none.
    if (type.endsWith('pxe10') && this.#first(type) !== undefined) return;
    const server = readOption(packet.options, OPTIONS.serverIdentifier);
    const isKnown = this.#offers.some(
      (one) => one.type === type && readOption(one.packet.options, OPTIONS.serverIdentifier) === server,
    );
    if (!isKnown) this.#offers.push({ type, packet });
  }

  /** EDK2's order: its own server's PXE offers before any proxy's, and a plain file of its own server last. */
  choose(): PxeChoice | undefined {
    const own = this.#first('dhcp-pxe10');
    if (own !== undefined) return { offer: own, boot: { kind: 'pxe10', from: own } };
    const plain = this.#first('dhcp-only');
    const proxy = this.#first('proxy-pxe10');
    if (plain !== undefined && proxy !== undefined) {
      return { offer: plain, boot: { kind: 'pxe10', from: proxy } };
    }
    const binl = this.#first('dhcp-binl');
    if (binl !== undefined) return { offer: binl, boot: { kind: 'binl', from: [binl] } };
    const proxies = this.#all('proxy-binl');
    if (plain !== undefined && proxies.length > 0) {
      return { offer: plain, boot: { kind: 'binl', from: proxies } };
    }
    const withFile = this.#all('dhcp-only').find((offer) => bootFileOf(offer) !== undefined);
    return withFile === undefined ? undefined : { offer: withFile, boot: { kind: 'file', from: withFile } };
  }

  #all(type: OfferType): DhcpPacket[] {
    return this.#offers.filter((one) => one.type === type).map((one) => one.packet);
  }

  #first(type: OfferType): DhcpPacket | undefined {
    return this.#offers.find((one) => one.type === type)?.packet;
  }
}
