// TFTP transfers as a capture shows them, told as facts.
import type { Ipv4 } from '../base/addresses.ts';
import { WireError } from '../base/errors.ts';
import type { CapturedPacket } from '../capture/packets.ts';
import { DATA_HEAD_BYTES, decodeTftp, TFTP_ERROR } from '../tftp/packet.ts';
import type { Observed } from './observed.ts';

interface Seen {
  readonly client: { readonly address: Ipv4; readonly port: number };
  readonly server: Ipv4;
  blksize: number;
  answered: boolean;
  /** Counted on beyond 16 bits. */
  block: number;
  lastBlock: number | undefined;
  acked: boolean;
  toldBytes: number;
}

const TFTP = 69;
const MOST_SEEN = 1024;
const TELL_EVERY_BYTES = 1024 * 1024;

export class CaptureTftp {
  /** By the client's address and port. */
  readonly #seen = new Map<string, Seen>();

  read(packet: CapturedPacket & { kind: 'udp' }): readonly Observed[] {
    const { source, target, payload } = packet;
    if (target.port === TFTP) {
      const request = decodeTftp(payload);
      if (request instanceof WireError || request.kind !== 'read') return [];
      const before = this.#seen.get(key(source));
      // The last block may have been acknowledged by nothing but the next request.
      const ended = before?.lastBlock === undefined ? [] : [end(before, 'completed')];
      this.#begin(source, target.address);
      return [...ended, { kind: 'tftp-request', client: source, server: target.address, file: request.file }];
    }
    const asClient = this.#seen.get(key(source));
    if (asClient?.server === target.address) return this.#fromClient(asClient, payload);
    const asServer = this.#seen.get(key(target));
    if (asServer?.server === source.address) return this.#fromServer(asServer, payload, packet.payloadBytes);
    return [];
  }

  #begin(client: Seen['client'], server: Ipv4): void {
    this.#seen.delete(key(client));
    this.#seen.set(key(client), {
      client,
      server,
      blksize: 512,
      answered: false,
      block: 0,
      lastBlock: undefined,
      acked: false,
      toldBytes: 0,
    });
    const oldest = this.#seen.keys().next().value;
    if (this.#seen.size > MOST_SEEN && oldest !== undefined) this.#seen.delete(oldest);
  }

  #fromClient(seen: Seen, payload: Uint8Array): readonly Observed[] {
    const packet = decodeTftp(payload);
    if (packet instanceof WireError) return [];
    if (packet.kind === 'ack') {
      if (packet.block > 0) seen.acked = true;
      if (seen.lastBlock === undefined || packet.block !== (seen.lastBlock & 0xffff)) return [];
      return this.#end(seen, 'completed');
    }
    if (packet.kind !== 'error') return [];
    const probe = packet.code === TFTP_ERROR.optionRefused || packet.code === TFTP_ERROR.undefined;
    return probe && !seen.acked ? this.#end(seen, 'probed') : this.#end(seen, 'aborted', packet.message);
  }

  #fromServer(seen: Seen, payload: Uint8Array, payloadBytes: number): readonly Observed[] {
    const packet = decodeTftp(payload);
    if (packet instanceof WireError) return [];
    if (packet.kind === 'error') {
      return this.#end(seen, seen.block === 0 ? 'denied' : 'timed-out', packet.message);
    }
    if (packet.kind === 'oack') {
      const option = (name: string) => packet.options.find(([one]) => one.toLowerCase() === name)?.[1];
      seen.blksize = Number(option('blksize') ?? seen.blksize);
      const tsize = option('tsize');
      return this.#answer(seen, tsize === undefined ? undefined : Number(tsize));
    }
    if (packet.kind !== 'data') return [];
    const facts = [...this.#answer(seen, undefined)];
    // The nearest count to the last one whose lower 16 bits these are.
    const step = ((packet.block - seen.block + 0x18000) & 0xffff) - 0x8000;
    seen.block = Math.max(seen.block, seen.block + step);
    const dataBytes = payloadBytes - DATA_HEAD_BYTES;
    if (dataBytes < seen.blksize) seen.lastBlock = seen.block;
    const sentBytes = (seen.block - 1) * seen.blksize + dataBytes;
    if (seen.acked && sentBytes - seen.toldBytes >= TELL_EVERY_BYTES) {
      seen.toldBytes = sentBytes;
      facts.push({ kind: 'tftp-progress', client: seen.client, server: seen.server, sentBytes });
    }
    return facts;
  }

  #answer(seen: Seen, sizeBytes: number | undefined): readonly Observed[] {
    if (seen.answered) return [];
    seen.answered = true;
    return [{ kind: 'tftp-answer', client: seen.client, server: seen.server, sizeBytes }];
  }

  #end(seen: Seen, outcome: (Observed & { kind: 'tftp-end' })['outcome'], why?: string): readonly Observed[] {
    this.#seen.delete(key(seen.client));
    return [end(seen, outcome, why)];
  }
}

function end(seen: Seen, outcome: (Observed & { kind: 'tftp-end' })['outcome'], why?: string): Observed {
  return { kind: 'tftp-end', client: seen.client, server: seen.server, outcome, ...(why ? { why } : {}) };
}

function key({ address, port }: Seen['client']): string {
  return `${address}:${port}`;
}
