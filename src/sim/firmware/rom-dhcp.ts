// Getting an address as ROMs do: collect offers for 4, 8, 16, 32 s in turn, choose, REQUEST, ACK (PXE 2.1 §2.2.2; EDK2's Dhcp4Dxe).
import { ANY_ADDRESS } from '../../base/addresses.ts';
import { WireError } from '../../base/errors.ts';
import { type Random, randomInt } from '../../base/random.ts';
import type { MonotonicMs } from '../../base/time.ts';
import { OPTIONS, readOption } from '../../dhcp/options.ts';
import { BOOT_REPLY, type DhcpPacket, decodePacket } from '../../dhcp/packet.ts';
import { BROADCAST_TO_SERVERS, type Dialect, dhcpRequest } from './dialects.ts';
import { type FirmwareAction, type FirmwareHardware, NOTHING } from './firmware.ts';

const CLIENT_PORT = 68;
/** EDK2's mPxeDhcpTimeout, and PXE 2.1's timing of the DISCOVER. */
const WAITS_MS = [4_000, 8_000, 16_000, 32_000] as const;

export interface RomDhcpOptions<Choice extends { readonly offer: DhcpPacket }> {
  readonly dialect: Dialect;
  readonly hardware: FirmwareHardware;
  readonly random: Random;
  readonly secs: number;
  /** Takes in an offer as the firmware's cache would; it may throw it away. */
  keep(offer: DhcpPacket): void;
  /** Asked whenever a time to collect is over: undefined goes on collecting, with the DISCOVER sent again. */
  choose(): Choice | undefined;
}

export type RomDhcpResult<Choice> =
  | { readonly kind: 'bound'; readonly choice: Choice; readonly ack: DhcpPacket }
  | { readonly kind: 'no-offer' }
  | { readonly kind: 'no-ack' };

export class RomDhcp<Choice extends { readonly offer: DhcpPacket }> {
  readonly #options: RomDhcpOptions<Choice>;
  readonly #xid: number;
  #choice: Choice | undefined;
  #tries = 0;
  #saidAt: MonotonicMs = 0;
  #result: RomDhcpResult<Choice> | undefined;

  constructor(options: RomDhcpOptions<Choice>) {
    this.#options = options;
    this.#xid = randomInt(options.random, 2 ** 32);
  }

  get result(): RomDhcpResult<Choice> | undefined {
    return this.#result;
  }

  start(now: MonotonicMs): readonly FirmwareAction[] {
    return [this.#say(now)];
  }

  datagram(port: number, bytes: Uint8Array, now: MonotonicMs): readonly FirmwareAction[] {
    if (port !== CLIENT_PORT || this.#result !== undefined) return NOTHING;
    const packet = decodePacket(bytes);
    if (packet instanceof WireError || packet.op !== BOOT_REPLY || packet.xid !== this.#xid) return NOTHING;
    const type = readOption(packet.options, OPTIONS.messageType);
    if (this.#choice === undefined) {
      if (type === 'OFFER') this.#options.keep(packet);
      return NOTHING;
    }
    if (type === 'ACK' && packet.yiaddr === this.#choice.offer.yiaddr) {
      this.#result = { kind: 'bound', choice: this.#choice, ack: packet };
      return [{ kind: 'configure', address: packet.yiaddr }];
    }
    if (type !== 'NAK') return NOTHING;
    // Dhcp4Dxe begins anew; offers heard before stay in the cache.
    this.#choice = undefined;
    this.#tries = 0;
    return [this.#say(now)];
  }

  wake(now: MonotonicMs): readonly FirmwareAction[] {
    if (now < (this.nextWake() ?? Number.POSITIVE_INFINITY)) return NOTHING;
    if (this.#choice === undefined) {
      this.#choice = this.#options.choose();
      if (this.#choice !== undefined) {
        this.#tries = 0;
        return [this.#say(now)];
      }
    }
    if (this.#tries === WAITS_MS.length - 1) {
      this.#result = { kind: this.#choice === undefined ? 'no-offer' : 'no-ack' };
      return NOTHING;
    }
    this.#tries += 1;
    return [this.#say(now)];
  }

  nextWake(): MonotonicMs | undefined {
    return this.#result === undefined ? this.#saidAt + (WAITS_MS[this.#tries] ?? 0) : undefined;
  }

  /** The same xid all along: EDK2 keeps it across repetitions and for the REQUEST. */
  #say(now: MonotonicMs): FirmwareAction {
    this.#saidAt = now;
    const { dialect, hardware, secs } = this.#options;
    const chosen = this.#choice?.offer;
    const server = chosen === undefined ? undefined : readOption(chosen.options, OPTIONS.serverIdentifier);
    const bytes = dhcpRequest(
      dialect,
      hardware,
      chosen === undefined
        ? { type: 'DISCOVER', xid: this.#xid, secs }
        : {
            type: 'REQUEST',
            xid: this.#xid,
            secs,
            requested: chosen.yiaddr,
            ...(server === undefined ? {} : { server }),
          },
    );
    return { kind: 'send', port: CLIENT_PORT, to: BROADCAST_TO_SERVERS, bytes };
  }
}

/** Does it give an address, rather than boot information only? */
export function givesAddress(offer: DhcpPacket): boolean {
  return offer.yiaddr !== ANY_ADDRESS;
}
