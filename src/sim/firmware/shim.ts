// Shim: loads its second stage from beside itself, by TFTP from what PXE left behind, or by HTTP from its own URL.
import type { Ipv4 } from '../../base/addresses.ts';
import { toText } from '../../base/bytes.ts';
import { type Random, randomInt } from '../../base/random.ts';
import type { MonotonicMs } from '../../base/time.ts';
import type { DhcpPacket } from '../../dhcp/packet.ts';
import {
  type BootOutcome,
  type Firmware,
  type FirmwareAction,
  type FirmwareEvent,
  failed,
  type LoadedFile,
  NOTHING,
  type PxeMemory,
} from './firmware.ts';
import { hostOf, UEFI_HTTP_HEADERS } from './http-boot.ts';
import { bootServerOf } from './offers.ts';
import { TftpFetch } from './tftp-fetch.ts';

/** Shim 16 asks for these first; that they are missing does no harm. */
const OPTIONAL = ['revocations_sku.efi', 'revocations_sbat.efi', 'shim_certificate_0.efi'] as const;
const TFTP_WAITS_MS = [3_000, 3_000, 3_000, 3_000, 3_000, 3_000] as const;
const TFTP_PORT = 69;
/** It leaves waiting to the firmware, whose HTTP ends it (EDK2's PcdHttpIoTimeout). */
const HTTP_WAIT_MS = 5_000;

export interface ShimOptions {
  /** Shim itself, as the firmware loaded it, and what the firmware knows. */
  readonly self: LoadedFile;
  readonly memory: PxeMemory | undefined;
  readonly random: Random;
  readonly architecture?: 'x64' | 'aa64';
}

export class Shim implements Firmware {
  readonly #options: ShimOptions;
  readonly #names: readonly string[];
  #at = 0;
  #fetch: TftpFetch | undefined;
  #httpUntil: MonotonicMs | undefined;
  #port: number;
  #over = false;

  constructor(options: ShimOptions) {
    this.#options = options;
    this.#names = [...OPTIONAL, `grub${options.architecture ?? 'x64'}.efi`];
    this.#port = 1400 + randomInt(options.random, 1000);
  }

  step(event: FirmwareEvent, now: MonotonicMs): readonly FirmwareAction[] {
    if (this.#over) return NOTHING;
    if (event.kind === 'power-on') return this.#next(now);
    if (event.kind === 'http') {
      this.#httpUntil = undefined;
      const { status, sizeBytes, body } = event.answer;
      if (status !== 200) return this.#missing(now, `status ${status}`);
      const url = this.#url();
      const server = hostOf(url) ?? this.#options.self.server;
      return this.#got({ name: url, via: 'http', server, sizeBytes, body }, now);
    }
    if (this.#httpUntil !== undefined && now >= this.#httpUntil) return this.#missing(now, 'no answer');
    const fetch = this.#fetch;
    if (fetch === undefined) return NOTHING;
    const did =
      event.kind === 'wake' ? fetch.wake(now) : fetch.datagram(event.port, event.from, event.bytes, now);
    const { result } = fetch;
    if (result === undefined) return did;
    if (result.kind !== 'file') return [...did, ...this.#missing(now, result.kind)];
    const { sizeBytes, body } = result;
    const { file, server } = fetch.target;
    return [...did, ...this.#got({ name: file, via: 'tftp', server: server.address, sizeBytes, body }, now)];
  }

  nextWake(): MonotonicMs | undefined {
    return this.#over ? undefined : (this.#httpUntil ?? this.#fetch?.nextWake());
  }

  #next(now: MonotonicMs): readonly FirmwareAction[] {
    if (this.#options.self.via === 'http') {
      this.#httpUntil = now + HTTP_WAIT_MS;
      return [{ kind: 'http', method: 'GET', url: this.#url(), headers: UEFI_HTTP_HEADERS }];
    }
    const from = tftpOrigin(this.#options.memory);
    if (from === undefined) return this.#end(failed('SECOND-STAGE', 'no answer that names shim was kept'));
    this.#fetch = new TftpFetch(
      {
        server: { address: from.server, port: TFTP_PORT },
        file: `${from.folder}${this.#name()}`,
        port: this.#port++,
      },
      {
        options: [
          ['blksize', '512'],
          ['windowsize', '4'],
        ],
        waitsMs: TFTP_WAITS_MS,
      },
    );
    return this.#fetch.start(now);
  }

  #name(): string {
    return this.#names[this.#at] as string;
  }

  /** Its own URL's folder; before the second stage, and only there, it puts a second slash. */
  #url(): string {
    const { name } = this.#options.self;
    const isSecondStage = this.#at === this.#names.length - 1;
    return `${name.slice(0, name.lastIndexOf('/'))}${isSecondStage ? '//' : '/'}${this.#name()}`;
  }

  #missing(now: MonotonicMs, why: string): readonly FirmwareAction[] {
    if (this.#at === this.#names.length - 1) {
      return this.#end(failed('SECOND-STAGE', `${this.#name()}: ${why}`));
    }
    this.#at += 1;
    return this.#next(now);
  }

  #got(file: LoadedFile, now: MonotonicMs): readonly FirmwareAction[] {
    if (this.#at < this.#names.length - 1) {
      this.#at += 1;
      return this.#next(now);
    }
    const outcome: BootOutcome = { kind: 'loaded', file, memory: this.#options.memory };
    return this.#end({ kind: 'end', outcome });
  }

  #end(action: FirmwareAction): readonly FirmwareAction[] {
    this.#over = true;
    return [action];
  }
}

/**
 * The header of the store's own ACK when that names a file, else of the answer from port 4011, else of the proxy's offer: so a store
 * that still sends an old boot file leads shim astray.
 */
function tftpOrigin(memory: PxeMemory | undefined): { server: Ipv4; folder: string } | undefined {
  const named = [memory?.ack, memory?.pxeReply, memory?.proxyOffer].find(
    (packet): packet is DhcpPacket => packet !== undefined && packet.file.length > 0,
  );
  const server = named === undefined ? undefined : bootServerOf(named);
  if (named === undefined || server === undefined) return undefined;
  const path = toText(named.file);
  return { server, folder: path.slice(0, path.lastIndexOf('/') + 1) };
}
