// A BIOS network card's ROM by PXE 2.1: it wants options 60 and 43 together, else it asks port 4011 and may end in PXE-E55.
import type { Ipv4 } from '../../base/addresses.ts';
import { type Random, randomInt } from '../../base/random.ts';
import type { MonotonicMs } from '../../base/time.ts';
import type { Dialect } from '../../boot/quirks.ts';
import { OPTIONS, readOption } from '../../dhcp/options.ts';
import type { DhcpPacket } from '../../dhcp/packet.ts';
import { bootItem, followMenu } from './boot-menu.ts';
import { BIOS_ROM, vendorsOwn } from './dialects.ts';
import {
  type Firmware,
  type FirmwareAction,
  type FirmwareEvent,
  type FirmwareHardware,
  failed,
  NOTHING,
} from './firmware.ts';
import { bootFileOf, bootServerOf, refuses, saysPxe, vendorOptions } from './offers.ts';
import { PxeRequest } from './pxe-request.ts';
import { givesAddress, RomDhcp } from './rom-dhcp.ts';
import { TftpFetch } from './tftp-fetch.ts';

const TFTP_PORT = 69;
const CLIENT_PORT = 68;
/** Intel's Boot Agent puts this into `secs`. */
const SECS = 4;
const BLKSIZE = '1456';
const TFTP_WAITS_MS = [1_000, 2_000, 4_000, 8_000] as const;

interface Choice {
  readonly offer: DhcpPacket;
  /** The first offer that says PXEClient; the store's own, when it says so. */
  readonly pxe: DhcpPacket | undefined;
}

type Phase =
  | { readonly kind: 'off' }
  | { readonly kind: 'dhcp'; readonly dhcp: RomDhcp<Choice> }
  | {
      readonly kind: 'menu';
      readonly untilMs: MonotonicMs;
      readonly server: Ipv4 | undefined;
      readonly type: number;
    }
  | { readonly kind: 'ask'; readonly ask: PxeRequest }
  | { readonly kind: 'fetch'; readonly fetch: TftpFetch; readonly server: Ipv4; readonly probing: boolean }
  | { readonly kind: 'over' };

export class BiosRom implements Firmware {
  readonly #hardware: FirmwareHardware;
  readonly #random: Random;
  readonly #takesOnly: Dialect | undefined;
  readonly #offers: DhcpPacket[] = [];
  #phase: Phase = { kind: 'off' };
  #ack: DhcpPacket | undefined;
  #pxe: DhcpPacket | undefined;
  #pxeReply: DhcpPacket | undefined;
  #nextPort: number;

  /** `takesOnly`: a vendor's ROM, which throws away proxy offers in the other dialect and goes on asking. */
  constructor(hardware: FirmwareHardware, random: Random, takesOnly?: Dialect) {
    this.#takesOnly = takesOnly;
    this.#hardware = hardware;
    this.#random = random;
    this.#nextPort = 2070 + randomInt(random, 8);
  }

  step(event: FirmwareEvent, now: MonotonicMs): readonly FirmwareAction[] {
    if (event.kind === 'power-on') return this.#powerOn(now);
    if (event.kind === 'http') return NOTHING;
    const phase = this.#phase;
    const isWake = event.kind === 'wake';
    switch (phase.kind) {
      case 'dhcp': {
        const did = isWake ? phase.dhcp.wake(now) : phase.dhcp.datagram(event.port, event.bytes, now);
        return [...did, ...this.#afterDhcp(phase.dhcp, now)];
      }
      case 'menu':
        return isWake && now >= phase.untilMs
          ? this.#ask(phase.server, now, [bootItem(phase.type)])
          : NOTHING;
      case 'ask': {
        const did = isWake ? phase.ask.wake(now) : phase.ask.datagram(event.port, event.bytes);
        return [...did, ...this.#afterAsk(phase.ask, now)];
      }
      case 'fetch': {
        const did = isWake
          ? phase.fetch.wake(now)
          : phase.fetch.datagram(event.port, event.from, event.bytes, now);
        return [...did, ...this.#afterFetch(phase, now)];
      }
      default:
        return NOTHING;
    }
  }

  nextWake(): MonotonicMs | undefined {
    const phase = this.#phase;
    switch (phase.kind) {
      case 'dhcp':
        return phase.dhcp.nextWake();
      case 'ask':
        return phase.ask.nextWake();
      case 'fetch':
        return phase.fetch.nextWake();
      case 'menu':
        return phase.untilMs;
      default:
        return undefined;
    }
  }

  #powerOn(now: MonotonicMs): readonly FirmwareAction[] {
    const dhcp = new RomDhcp<Choice>({
      dialect: vendorsOwn(BIOS_ROM, this.#takesOnly),
      hardware: this.#hardware,
      random: this.#random,
      secs: SECS,
      keep: (offer) => {
        if (!refuses(this.#takesOnly, offer)) this.#offers.push(offer);
      },
      choose: () => this.#choose(),
    });
    this.#phase = { kind: 'dhcp', dhcp };
    return dhcp.start(now);
  }

  /** PXE 2.1 §2.2.3: a server that gives the address and says PXEClient too comes before the proxies, they before a plain file. */
  #choose(): Choice | undefined {
    const addresses = this.#offers.filter(givesAddress);
    const own = addresses.find(saysPxe);
    if (own !== undefined) return { offer: own, pxe: own };
    const proxy = this.#offers.find((offer) => !givesAddress(offer) && saysPxe(offer));
    if (proxy === undefined && this.#takesOnly !== undefined) return undefined;
    const offer =
      (proxy === undefined ? addresses.find((one) => one.file.length > 0) : undefined) ?? addresses[0];
    return offer === undefined ? undefined : { offer, pxe: proxy };
  }

  #afterDhcp(dhcp: RomDhcp<Choice>, now: MonotonicMs): readonly FirmwareAction[] {
    const { result } = dhcp;
    if (result === undefined) return NOTHING;
    if (result.kind !== 'bound')
      return this.#end(failed('PXE-E51', 'no DHCP or proxyDHCP offers were received'));
    this.#ack = result.ack;
    this.#pxe = result.choice.pxe;
    const reached: FirmwareAction = { kind: 'reached', stage: 'address', what: result.ack.yiaddr };
    return [reached, ...this.#learnFile(result.choice, now)];
  }

  #learnFile({ offer, pxe }: Choice, now: MonotonicMs): readonly FirmwareAction[] {
    if (pxe === undefined) return this.#fetchFrom(offer, now);
    const options = vendorOptions(pxe);
    // Without option 43 it knows no more than that somebody speaks PXE: it asks that one.
    if (options.size === 0) return this.#ask(bootServerOf(pxe), now);
    const decision = followMenu(options, bootFileOf(pxe) !== undefined);
    switch (decision.kind) {
      case 'offered-file':
        return this.#fetchFrom(pxe, now);
      case 'local-disk':
        return this.#end({ kind: 'end', outcome: { kind: 'local-disk' } });
      case 'ask':
        this.#phase = {
          kind: 'menu',
          untilMs: now + decision.afterMs,
          server: decision.servers[0] ?? bootServerOf(pxe),
          type: decision.type,
        };
        return NOTHING;
      case 'waits-for-a-key':
        this.#phase = { kind: 'over' };
        return NOTHING;
    }
  }

  #ask(
    server: Ipv4 | undefined,
    now: MonotonicMs,
    more: readonly (readonly [number, Uint8Array])[] = [],
  ): readonly FirmwareAction[] {
    if (server === undefined || this.#ack === undefined) {
      return this.#end(failed('PXE-E55', 'no boot server to ask on port 4011'));
    }
    const ask = new PxeRequest({
      dialect: BIOS_ROM,
      hardware: this.#hardware,
      random: this.#random,
      server,
      address: this.#ack.yiaddr,
      port: CLIENT_PORT,
      more,
    });
    this.#phase = { kind: 'ask', ask };
    return ask.start(now);
  }

  #afterAsk(ask: PxeRequest, now: MonotonicMs): readonly FirmwareAction[] {
    if (ask.result === undefined) return NOTHING;
    if (ask.result === 'silence') {
      return this.#end(failed('PXE-E55', 'proxyDHCP service did not reply to request on port 4011'));
    }
    this.#pxeReply = ask.result;
    return this.#fetchFrom(ask.result, now);
  }

  /** The header's field alone: ROMs of that age do not read option 67. */
  #fetchFrom(answer: DhcpPacket, now: MonotonicMs): readonly FirmwareAction[] {
    const server = bootServerOf(answer);
    const file = answer.file.length === 0 ? undefined : bootFileOf({ ...answer, options: new Map() });
    if (server === undefined || file === undefined) {
      return this.#end(failed('PXE-E53', 'no boot filename received'));
    }
    return this.#fetch(server, file, readOption(answer.options, OPTIONS.bootFileSize) === undefined, now);
  }

  #fetch(server: Ipv4, file: string, probing: boolean, now: MonotonicMs): readonly FirmwareAction[] {
    const fetch = new TftpFetch(
      { server: { address: server, port: TFTP_PORT }, file, port: this.#nextPort++ },
      {
        options: [probing ? ['tsize', '0'] : ['blksize', BLKSIZE]],
        waitsMs: TFTP_WAITS_MS,
        ...(probing ? { sizeOnly: { code: 0, message: 'TFTP Aborted' } } : {}),
      },
    );
    this.#phase = { kind: 'fetch', fetch, server, probing };
    return fetch.start(now);
  }

  #afterFetch(
    { fetch, server, probing }: Phase & { kind: 'fetch' },
    now: MonotonicMs,
  ): readonly FirmwareAction[] {
    const { result } = fetch;
    const { file } = fetch.target;
    if (result === undefined) return NOTHING;
    if (result.kind === 'size') return probing ? this.#fetch(server, file, false, now) : NOTHING;
    if (result.kind === 'error') return this.#end(failed('PXE-E3B', `${file}: ${result.message}`));
    if (result.kind === 'timeout') return this.#end(failed('PXE-E32', `${file}: no answer from ${server}`));
    const { sizeBytes, body } = result;
    const ack = this.#ack;
    const memory =
      ack === undefined
        ? undefined
        : { address: ack.yiaddr, ack, proxyOffer: this.#pxe, pxeReply: this.#pxeReply };
    return [
      { kind: 'reached', stage: 'nbp', what: file },
      ...this.#end({
        kind: 'end',
        outcome: { kind: 'loaded', file: { name: file, via: 'tftp', server, sizeBytes, body }, memory },
      }),
    ];
  }

  #end(action: FirmwareAction): readonly FirmwareAction[] {
    this.#phase = { kind: 'over' };
    return [action];
  }
}
