// Asking a boot server for a file once there is an address: port 4011, four tries in ten seconds (PXE 2.1 §2.2.5; EDK2's PxeBc).
import type { Ipv4 } from '../../base/addresses.ts';
import { WireError } from '../../base/errors.ts';
import { type Random, randomInt } from '../../base/random.ts';
import type { MonotonicMs } from '../../base/time.ts';
import { PXE_PORT } from '../../dhcp/destination.ts';
import { OPTIONS, readOption } from '../../dhcp/options.ts';
import { BOOT_REPLY, type DhcpPacket, decodePacket } from '../../dhcp/packet.ts';
import { type Dialect, dhcpRequest } from './dialects.ts';
import { type FirmwareAction, type FirmwareHardware, NOTHING } from './firmware.ts';
import { bootFileOf } from './offers.ts';

const WAITS_MS = [1_000, 2_000, 3_000, 4_000] as const;

export interface PxeRequestOptions {
  readonly dialect: Dialect;
  readonly hardware: FirmwareHardware;
  readonly random: Random;
  readonly server: Ipv4;
  readonly address: Ipv4;
  /** Ours: EDK2 asks from 4011, iPXE and ROMs from 68. */
  readonly port: number;
  readonly waitsMs?: readonly number[];
  readonly more?: readonly (readonly [number, Uint8Array])[];
}

export class PxeRequest {
  readonly #options: PxeRequestOptions;
  readonly #xid: number;
  readonly #waitsMs: readonly number[];
  #tries = 0;
  #saidAt: MonotonicMs = 0;
  #result: DhcpPacket | 'silence' | undefined;

  constructor(options: PxeRequestOptions) {
    this.#options = options;
    this.#waitsMs = options.waitsMs ?? WAITS_MS;
    this.#xid = randomInt(options.random, 2 ** 32);
  }

  /** The answer; one that names no file counts as none. */
  get result(): DhcpPacket | 'silence' | undefined {
    return this.#result;
  }

  start(now: MonotonicMs): readonly FirmwareAction[] {
    return [this.#say(now)];
  }

  datagram(port: number, bytes: Uint8Array): readonly FirmwareAction[] {
    if (port !== this.#options.port || this.#result !== undefined) return NOTHING;
    const packet = decodePacket(bytes);
    if (packet instanceof WireError || packet.op !== BOOT_REPLY || packet.xid !== this.#xid) return NOTHING;
    const type = readOption(packet.options, OPTIONS.messageType);
    if (type === 'ACK' && bootFileOf(packet) !== undefined) this.#result = packet;
    return NOTHING;
  }

  wake(now: MonotonicMs): readonly FirmwareAction[] {
    if (now < (this.nextWake() ?? Number.POSITIVE_INFINITY)) return NOTHING;
    if (this.#tries === this.#waitsMs.length - 1) {
      this.#result = 'silence';
      return NOTHING;
    }
    this.#tries += 1;
    return [this.#say(now)];
  }

  nextWake(): MonotonicMs | undefined {
    return this.#result === undefined ? this.#saidAt + (this.#waitsMs[this.#tries] ?? 0) : undefined;
  }

  #say(now: MonotonicMs): FirmwareAction {
    this.#saidAt = now;
    const { dialect, hardware, server, address, port, more } = this.#options;
    const bytes = dhcpRequest(
      // Only a REQUEST to a DHCP server has the odd maximum size.
      { ...dialect, maximumBytes: { DISCOVER: dialect.maximumBytes.DISCOVER } },
      hardware,
      { type: 'REQUEST', xid: this.#xid, ciaddr: address, ...(more === undefined ? {} : { more }) },
    );
    return { kind: 'send', port, to: { address: server, port: PXE_PORT }, bytes };
  }
}
