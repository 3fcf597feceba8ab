// UEFI's own PXE (EDK2's UefiPxeBcDxe): DHCP, the choice among offers, port 4011 or the menu, and the file by TFTP.
import { ANY_ADDRESS, type Ipv4 } from '../../base/addresses.ts';
import { type Random, randomInt } from '../../base/random.ts';
import type { MonotonicMs } from '../../base/time.ts';
import type { Dialect as OfferDialect } from '../../boot/quirks.ts';
import { PXE_PORT } from '../../dhcp/destination.ts';
import { OPTIONS, readOption } from '../../dhcp/options.ts';
import type { DhcpPacket } from '../../dhcp/packet.ts';
import { TFTP_ERROR } from '../../tftp/packet.ts';
import { bootItem, followMenu } from './boot-menu.ts';
import { edk2Pxe, vendorsOwn } from './dialects.ts';
import {
  type Firmware,
  type FirmwareAction,
  type FirmwareEvent,
  type FirmwareHardware,
  failed,
  type LoadedFile,
  NOTHING,
} from './firmware.ts';
import {
  bootFileOf,
  bootServerOf,
  type Edk2Generation,
  OfferCache,
  type PxeChoice,
  vendorOptions,
} from './offers.ts';
import { PxeRequest } from './pxe-request.ts';
import { RomDhcp } from './rom-dhcp.ts';
import { TftpFetch, type TftpManners } from './tftp-fetch.ts';

const TFTP_PORT = 69;
const FIRST_TFTP_PORT = 1024;
/** MTFTP4's retries. */
const TFTP_WAITS_MS = [3_000, 3_000, 3_000, 3_000, 3_000, 3_000] as const;
/** Between an answer from port 4011 and the first request for the file: the read of that port ends with its timer. */
const AFTER_4011_MS = 990;

/** What is waited for; each has its own sub-machine or time. */
type Phase =
  | { readonly kind: 'off' }
  | { readonly kind: 'dhcp'; readonly dhcp: RomDhcp<PxeChoice> }
  | {
      readonly kind: 'menu';
      readonly untilMs: MonotonicMs;
      go(now: MonotonicMs): readonly FirmwareAction[];
    }
  | { readonly kind: 'ask'; readonly ask: PxeRequest; readonly others: readonly Ipv4[]; readonly item: Item }
  | { readonly kind: 'pause'; readonly untilMs: MonotonicMs; readonly answer: DhcpPacket }
  | { readonly kind: 'fetch'; readonly fetch: TftpFetch; readonly server: Ipv4; readonly probing: boolean }
  | { readonly kind: 'waits-for-a-key' }
  | { readonly kind: 'over' };

/** Option 43 of a request for a menu's item; none in the BINL form. */
type Item = readonly (readonly [number, Uint8Array])[];

export class Edk2Pxe implements Firmware {
  readonly #hardware: FirmwareHardware;
  readonly #random: Random;
  readonly #generation: Edk2Generation;
  readonly #architecture: 7 | 11;
  readonly #takesOnly: OfferDialect | undefined;
  #phase: Phase = { kind: 'off' };
  #choice: PxeChoice | undefined;
  #ack: DhcpPacket | undefined;
  #pxeReply: DhcpPacket | undefined;
  #nextPort: number;

  constructor(
    hardware: FirmwareHardware,
    random: Random,
    generation: Edk2Generation,
    architecture: 7 | 11 = 7,
    /** A vendor's build, which throws away offers in the other dialect. */
    takesOnly?: OfferDialect,
  ) {
    this.#takesOnly = takesOnly;
    this.#hardware = hardware;
    this.#random = random;
    this.#generation = generation;
    this.#architecture = architecture;
    this.#nextPort = FIRST_TFTP_PORT + randomInt(random, 1000);
  }

  step(event: FirmwareEvent, now: MonotonicMs): readonly FirmwareAction[] {
    if (event.kind === 'power-on') return this.#powerOn(now);
    if (event.kind === 'http') return NOTHING;
    const phase = this.#phase;
    switch (phase.kind) {
      case 'dhcp': {
        const did =
          event.kind === 'wake' ? phase.dhcp.wake(now) : phase.dhcp.datagram(event.port, event.bytes, now);
        return [...did, ...this.#afterDhcp(phase.dhcp, now)];
      }
      case 'ask': {
        const did = event.kind === 'wake' ? phase.ask.wake(now) : phase.ask.datagram(event.port, event.bytes);
        return [...did, ...this.#afterAsk(phase, now)];
      }
      case 'menu':
        return event.kind === 'wake' && now >= phase.untilMs ? phase.go(now) : NOTHING;
      case 'pause':
        return event.kind === 'wake' && now >= phase.untilMs ? this.#fetchFrom(phase.answer, now) : NOTHING;
      case 'fetch': {
        const did =
          event.kind === 'wake'
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
      case 'pause':
        return phase.untilMs;
      default:
        return undefined;
    }
  }

  get #dialect() {
    return vendorsOwn(edk2Pxe(this.#architecture), this.#takesOnly);
  }

  #powerOn(now: MonotonicMs): readonly FirmwareAction[] {
    const cache = new OfferCache(this.#generation, this.#takesOnly);
    const dhcp = new RomDhcp<PxeChoice>({
      dialect: this.#dialect,
      hardware: this.#hardware,
      random: this.#random,
      secs: 0,
      keep: (offer) => cache.keep(offer),
      choose: () => cache.choose(),
    });
    this.#phase = { kind: 'dhcp', dhcp };
    return dhcp.start(now);
  }

  #afterDhcp(dhcp: RomDhcp<PxeChoice>, now: MonotonicMs): readonly FirmwareAction[] {
    const { result } = dhcp;
    if (result === undefined) return NOTHING;
    if (result.kind !== 'bound') {
      return this.#fail(
        'PXE-E16',
        result.kind === 'no-ack' ? 'the server gave no address' : 'no usable offer',
      );
    }
    this.#choice = result.choice;
    this.#ack = result.ack;
    const reached: FirmwareAction = { kind: 'reached', stage: 'address', what: result.ack.yiaddr };
    return [reached, ...this.#learnFile(result.choice, now)];
  }

  #learnFile({ boot }: PxeChoice, now: MonotonicMs): readonly FirmwareAction[] {
    switch (boot.kind) {
      case 'file':
        return this.#fetchFrom(boot.from, now);
      case 'binl':
        return this.#ask(
          boot.from.flatMap((offer) => readOption(offer.options, OPTIONS.serverIdentifier) ?? []),
          [],
          now,
        );
      case 'pxe10':
        return this.#menu(boot.from, now);
    }
  }

  #menu(offer: DhcpPacket, now: MonotonicMs): readonly FirmwareAction[] {
    const decision = followMenu(vendorOptions(offer), bootFileOf(offer) !== undefined);
    switch (decision.kind) {
      case 'offered-file':
        return this.#fetchFrom(offer, now);
      case 'waits-for-a-key':
        this.#phase = { kind: 'waits-for-a-key' };
        return NOTHING;
      case 'local-disk':
        this.#phase = {
          kind: 'menu',
          untilMs: now + decision.afterMs,
          go: () => this.#end({ kind: 'end', outcome: { kind: 'local-disk' } }),
        };
        return NOTHING;
      case 'ask': {
        const { servers, type } = decision;
        const own = bootServerOf(offer);
        const asked = servers.length > 0 ? servers : own === undefined ? [] : [own];
        this.#phase = {
          kind: 'menu',
          untilMs: now + decision.afterMs,
          go: (later) => this.#ask(asked, [bootItem(type)], later),
        };
        return NOTHING;
      }
    }
  }

  #ask(servers: readonly Ipv4[], item: Item, now: MonotonicMs): readonly FirmwareAction[] {
    const [server, ...others] = servers;
    if (server === undefined) return this.#fail('PXE-E18', 'no boot server answered on port 4011');
    const ask = new PxeRequest({
      dialect: this.#dialect,
      hardware: this.#hardware,
      random: this.#random,
      server,
      address: this.#ack?.yiaddr ?? ANY_ADDRESS,
      port: PXE_PORT,
      more: item,
    });
    this.#phase = { kind: 'ask', ask, others, item };
    return ask.start(now);
  }

  #afterAsk(phase: Phase & { kind: 'ask' }, now: MonotonicMs): readonly FirmwareAction[] {
    const { result } = phase.ask;
    if (result === undefined) return NOTHING;
    if (result === 'silence') return this.#ask(phase.others, phase.item, now);
    this.#pxeReply = result;
    this.#phase = { kind: 'pause', untilMs: now + AFTER_4011_MS, answer: result };
    return NOTHING;
  }

  #fetchFrom(answer: DhcpPacket, now: MonotonicMs): readonly FirmwareAction[] {
    const server = bootServerOf(answer);
    const file = bootFileOf(answer);
    if (server === undefined || file === undefined) return this.#fail('PXE-E16', 'the offer names no file');
    // With the size told (option 13) the first request is spared.
    const probing = readOption(answer.options, OPTIONS.bootFileSize) === undefined;
    return this.#fetch(server, file, probing, now);
  }

  #fetch(server: Ipv4, file: string, probing: boolean, now: MonotonicMs): readonly FirmwareAction[] {
    const target = { server: { address: server, port: TFTP_PORT }, file, port: this.#nextPort++ };
    const fetch = new TftpFetch(target, edk2Manners(this.#generation, probing));
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
    switch (result.kind) {
      case 'size':
        return probing ? this.#fetch(server, file, false, now) : NOTHING;
      case 'error':
        return this.#fail('PXE-E23', `${file}: ${result.message}`);
      case 'timeout':
        return this.#fail('PXE-E18', `${file}: no answer from ${server}`);
      case 'file': {
        const { sizeBytes, body } = result;
        const loaded = { name: file, via: 'tftp', server, sizeBytes, body } as const;
        return [{ kind: 'reached', stage: 'nbp', what: file }, ...this.#end(this.#loaded(loaded))];
      }
    }
  }

  #loaded(file: LoadedFile): FirmwareAction {
    const ack = this.#ack;
    const proxy = this.#choice?.boot.from;
    const proxyOffer = proxy === undefined ? undefined : 'op' in proxy ? proxy : proxy[0];
    const memory =
      ack === undefined ? undefined : { address: ack.yiaddr, ack, proxyOffer, pxeReply: this.#pxeReply };
    return { kind: 'end', outcome: { kind: 'loaded', file, memory } };
  }

  #fail(code: 'PXE-E16' | 'PXE-E18' | 'PXE-E23', why: string): readonly FirmwareAction[] {
    return this.#end(failed(code, why));
  }

  #end(action: FirmwareAction): readonly FirmwareAction[] {
    this.#phase = { kind: 'over' };
    return [action];
  }
}

/** windowsize came to EDK2 in 2018. */
function edk2Manners(generation: Edk2Generation, probing: boolean): TftpManners {
  const options: [string, string][] = [
    ...(probing ? [['tsize', '0'] as [string, string]] : []),
    ['blksize', '1468'],
    ...(generation === 'today' ? [['windowsize', '4'] as [string, string]] : []),
  ];
  const sizeOnly = { code: TFTP_ERROR.optionRefused, message: 'User aborted the transfer' };
  return { options, waitsMs: TFTP_WAITS_MS, ...(probing ? { sizeOnly } : {}) };
}
