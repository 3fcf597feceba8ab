// UEFI HTTP Boot (EDK2's HttpBootDxe): DHCP as HTTPClient, the choice among offers, HEAD for the size, then GET.
import { ANY_ADDRESS, type Ipv4, parseIpv4 } from '../../base/addresses.ts';
import type { Random } from '../../base/random.ts';
import type { MonotonicMs } from '../../base/time.ts';
import { OPTIONS, readOption } from '../../dhcp/options.ts';
import type { DhcpPacket } from '../../dhcp/packet.ts';
import { edk2Http } from './dialects.ts';
import {
  type Firmware,
  type FirmwareAction,
  type FirmwareEvent,
  type FirmwareHardware,
  failed,
  type HttpAnswer,
  NOTHING,
} from './firmware.ts';
import { bootFileOf } from './offers.ts';
import { givesAddress, RomDhcp } from './rom-dhcp.ts';

export const UEFI_HTTP_HEADERS = [
  ['Accept', '*/*'],
  ['User-Agent', 'UefiHttpBoot/1.0'],
] as const;
/** HTTP_BOOT_RESPONSE_TIMEOUT */
const ANSWER_MS = 5_000;

interface Choice {
  readonly offer: DhcpPacket;
  readonly proxy: DhcpPacket | undefined;
  readonly url: string;
}

type Phase =
  | { readonly kind: 'off' }
  | { readonly kind: 'dhcp'; readonly dhcp: RomDhcp<Choice> }
  | { readonly kind: 'http'; readonly method: 'HEAD' | 'GET'; readonly untilMs: MonotonicMs }
  | { readonly kind: 'over' };

export class HttpBoot implements Firmware {
  readonly #hardware: FirmwareHardware;
  readonly #random: Random;
  readonly #architecture: 16 | 19;
  readonly #offers: DhcpPacket[] = [];
  #phase: Phase = { kind: 'off' };
  #choice: Choice | undefined;
  #ack: DhcpPacket | undefined;

  constructor(hardware: FirmwareHardware, random: Random, architecture: 16 | 19 = 16) {
    this.#hardware = hardware;
    this.#random = random;
    this.#architecture = architecture;
  }

  step(event: FirmwareEvent, now: MonotonicMs): readonly FirmwareAction[] {
    if (event.kind === 'power-on') return this.#powerOn(now);
    const phase = this.#phase;
    if (phase.kind === 'dhcp' && event.kind !== 'http') {
      const did =
        event.kind === 'wake' ? phase.dhcp.wake(now) : phase.dhcp.datagram(event.port, event.bytes, now);
      return [...did, ...this.#afterDhcp(phase.dhcp, now)];
    }
    if (phase.kind !== 'http') return NOTHING;
    if (event.kind === 'http') return this.#answered(phase.method, event.answer, now);
    if (event.kind === 'wake' && now >= phase.untilMs) {
      return this.#end(failed('HTTP-FAILED', `${this.#choice?.url}: no answer`));
    }
    return NOTHING;
  }

  nextWake(): MonotonicMs | undefined {
    const phase = this.#phase;
    if (phase.kind === 'dhcp') return phase.dhcp.nextWake();
    return phase.kind === 'http' ? phase.untilMs : undefined;
  }

  #powerOn(now: MonotonicMs): readonly FirmwareAction[] {
    const dhcp = new RomDhcp<Choice>({
      dialect: edk2Http(this.#architecture),
      hardware: this.#hardware,
      random: this.#random,
      secs: 0,
      keep: (offer) => this.#keep(offer),
      choose: () => this.#choose(),
    });
    this.#phase = { kind: 'dhcp', dhcp };
    return dhcp.start(now);
  }

  /** HttpBootCacheDhcp4Offer: an offer of a boot server counts only when it says HTTPClient. */
  #keep(offer: DhcpPacket): void {
    if (readOption(offer.options, OPTIONS.serverIdentifier) === undefined) return;
    if (givesAddress(offer) || saysHttp(offer)) this.#offers.push(offer);
  }

  /** HttpBootSelectDhcpOffer: the DHCP server's own URL, then a proxy's. Names would need a DNS server: literal addresses only. */
  #choose(): Choice | undefined {
    const addresses = this.#offers.filter(givesAddress);
    const own = addresses.find((offer) => saysHttp(offer) && urlOf(offer) !== undefined);
    if (own !== undefined) return { offer: own, proxy: undefined, url: urlOf(own) ?? '' };
    const proxy = this.#offers.find((offer) => !givesAddress(offer) && urlOf(offer) !== undefined);
    const offer = addresses[0];
    if (proxy === undefined || offer === undefined) return undefined;
    return { offer, proxy, url: urlOf(proxy) ?? '' };
  }

  #afterDhcp(dhcp: RomDhcp<Choice>, now: MonotonicMs): readonly FirmwareAction[] {
    const { result } = dhcp;
    if (result === undefined) return NOTHING;
    if (result.kind !== 'bound') return this.#end(failed('HTTP-NO-OFFER', 'no usable offer'));
    this.#choice = result.choice;
    this.#ack = result.ack;
    return [
      { kind: 'reached', stage: 'address', what: result.ack.yiaddr },
      ...this.#request('HEAD', result.choice.url, now),
    ];
  }

  #request(method: 'HEAD' | 'GET', url: string, now: MonotonicMs): readonly FirmwareAction[] {
    this.#phase = { kind: 'http', method, untilMs: now + ANSWER_MS };
    return [{ kind: 'http', method, url, headers: UEFI_HTTP_HEADERS }];
  }

  #answered(method: 'HEAD' | 'GET', answer: HttpAnswer, now: MonotonicMs): readonly FirmwareAction[] {
    const url = this.#choice?.url ?? '';
    if (answer.status !== 200) {
      return this.#end(failed('HTTP-FAILED', `${method} ${url}: status ${answer.status}`));
    }
    if (method === 'HEAD') return this.#request('GET', url, now);
    const { sizeBytes, body } = answer;
    const server = hostOf(url) ?? ANY_ADDRESS;
    const memory =
      this.#ack === undefined
        ? undefined
        : { address: this.#ack.yiaddr, ack: this.#ack, proxyOffer: this.#choice?.proxy, pxeReply: undefined };
    return [
      { kind: 'reached', stage: 'nbp', what: url },
      ...this.#end({
        kind: 'end',
        outcome: { kind: 'loaded', file: { name: url, via: 'http', server, sizeBytes, body }, memory },
      }),
    ];
  }

  #end(action: FirmwareAction): readonly FirmwareAction[] {
    this.#phase = { kind: 'over' };
    return [action];
  }
}

function saysHttp(offer: DhcpPacket): boolean {
  return readOption(offer.options, OPTIONS.vendorClass)?.startsWith('HTTPClient') === true;
}

function urlOf(offer: DhcpPacket): string | undefined {
  const file = bootFileOf(offer);
  return file !== undefined && hostOf(file) !== undefined ? file : undefined;
}

/** The literal address in an http URL. */
export function hostOf(url: string): Ipv4 | undefined {
  const host = /^http:\/\/([\d.]+)(?::\d+)?\//.exec(url)?.[1];
  return host === undefined ? undefined : parseIpv4(host);
}
