// One file by TFTP as firmware fetches it: a request, options as offered, an acknowledgement per window (RFC 1350, 2347–2349, 7440).
import { concatBytes } from '../../base/bytes.ts';
import { WireError } from '../../base/errors.ts';
import type { MonotonicMs } from '../../base/time.ts';
import type { Endpoint } from '../../dhcp/destination.ts';
import { decodeTftp, encodeTftp, TFTP_ERROR, type TftpOption } from '../../tftp/packet.ts';
import { type FirmwareAction, KEPT_BYTES } from './firmware.ts';

export interface TftpManners {
  readonly options: readonly TftpOption[];
  /** Ends the transfer once the server has said the size: EDK2's and Intel's first request for every file. */
  readonly sizeOnly?: { readonly code: number; readonly message: string };
  /** Waits before each repetition, in order; after the last one the firmware gives up. */
  readonly waitsMs: readonly number[];
}

export type TftpResult =
  | { readonly kind: 'file'; readonly sizeBytes: number; readonly body: Uint8Array }
  | { readonly kind: 'size'; readonly sizeBytes: number | undefined }
  | { readonly kind: 'error'; readonly code: number; readonly message: string }
  | { readonly kind: 'timeout' };

export interface TftpTarget {
  readonly server: Endpoint;
  readonly file: string;
  /** Ours, another for each request. */
  readonly port: number;
}

export class TftpFetch {
  readonly target: TftpTarget;
  readonly #manners: TftpManners;
  /** Where the server's answers come from, once it has answered: its transfer id. */
  #server: Endpoint | undefined;
  #blksize = 512;
  #windowsize = 1;
  /** Blocks received in order, and since our last acknowledgement. */
  #blocks = 0;
  #sinceAck = 0;
  #tries = 0;
  #saidAt: MonotonicMs = 0;
  #sizeBytes = 0;
  #keptBytes = 0;
  readonly #kept: Uint8Array[] = [];
  #result: TftpResult | undefined;

  constructor(target: TftpTarget, manners: TftpManners) {
    this.target = target;
    this.#manners = manners;
  }

  /** Undefined while it lasts. */
  get result(): TftpResult | undefined {
    return this.#result;
  }

  start(now: MonotonicMs): readonly FirmwareAction[] {
    return [this.#say(now)];
  }

  datagram(port: number, from: Endpoint, bytes: Uint8Array, now: MonotonicMs): readonly FirmwareAction[] {
    if (this.#result !== undefined || port !== this.target.port) return [];
    if (from.address !== this.target.server.address) return [];
    // Two answers to a request sent twice: the first one's transfer goes on (RFC 1350 §4).
    if (this.#server !== undefined && from.port !== this.#server.port) return [];
    const packet = decodeTftp(bytes);
    if (packet instanceof WireError) return [];
    switch (packet.kind) {
      case 'error':
        this.#result = { kind: 'error', code: packet.code, message: packet.message };
        return [];
      case 'oack':
        return this.#oack(from, packet.options, now);
      case 'data':
        return this.#data(from, packet.block, packet.data, now);
      default:
        return [];
    }
  }

  wake(now: MonotonicMs): readonly FirmwareAction[] {
    if (now < (this.nextWake() ?? Number.POSITIVE_INFINITY)) return [];
    if (this.#tries > this.#manners.waitsMs.length - 1) {
      this.#result = { kind: 'timeout' };
      return [];
    }
    this.#tries += 1;
    return [this.#say(now)];
  }

  nextWake(): MonotonicMs | undefined {
    if (this.#result !== undefined) return undefined;
    return this.#saidAt + (this.#manners.waitsMs[this.#tries] ?? 0);
  }

  #oack(from: Endpoint, options: readonly TftpOption[], now: MonotonicMs): readonly FirmwareAction[] {
    const value = (name: string) => {
      const found = options.find(([key]) => key.toLowerCase() === name);
      return found === undefined ? undefined : Number(found[1]);
    };
    if (this.#manners.sizeOnly !== undefined) {
      this.#result = { kind: 'size', sizeBytes: value('tsize') };
      return [this.#send(from, encodeTftp({ kind: 'error', ...this.#manners.sizeOnly }))];
    }
    if (this.#blocks > 0) return [];
    this.#server = from;
    this.#blksize = value('blksize') ?? 512;
    this.#windowsize = value('windowsize') ?? 1;
    return [this.#say(now)];
  }

  #data(from: Endpoint, block: number, data: Uint8Array, now: MonotonicMs): readonly FirmwareAction[] {
    if (this.#manners.sizeOnly !== undefined) {
      // A server that knows no options begins to send: the size stays unknown.
      this.#result = { kind: 'size', sizeBytes: undefined };
      return [
        this.#send(
          from,
          encodeTftp({ kind: 'error', code: TFTP_ERROR.undefined, message: 'no size, no file' }),
        ),
      ];
    }
    this.#server = from;
    if (block !== ((this.#blocks + 1) & 0xffff)) {
      // RFC 7440 §4: a gap is answered with the last block received in order, once per window.
      return this.#sinceAck > 0 || block === (this.#blocks & 0xffff) ? [this.#say(now)] : [];
    }
    this.#blocks += 1;
    this.#tries = 0;
    this.#sinceAck += 1;
    this.#keep(data);
    const isLast = data.length < this.#blksize;
    if (isLast) this.#result = { kind: 'file', sizeBytes: this.#sizeBytes, body: concatBytes(this.#kept) };
    if (isLast || this.#sinceAck === this.#windowsize) return [this.#say(now)];
    this.#saidAt = now;
    return [];
  }

  #keep(data: Uint8Array): void {
    this.#sizeBytes += data.length;
    const room = KEPT_BYTES - this.#keptBytes;
    if (room <= 0) return;
    this.#kept.push(data.slice(0, room));
    this.#keptBytes += Math.min(room, data.length);
  }

  /** The request until the server has answered, then the last block received in order. */
  #say(now: MonotonicMs): FirmwareAction {
    this.#saidAt = now;
    this.#sinceAck = 0;
    if (this.#server !== undefined) {
      return this.#send(this.#server, encodeTftp({ kind: 'ack', block: this.#blocks & 0xffff }));
    }
    const { file, server } = this.target;
    const { options } = this.#manners;
    return this.#send(server, encodeTftp({ kind: 'read', file, mode: 'octet', options }));
  }

  #send(to: Endpoint, bytes: Uint8Array): FirmwareAction {
    return { kind: 'send', port: this.target.port, to, bytes };
  }
}
