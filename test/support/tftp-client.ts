// A TFTP client as a careful firmware would be (RFC 1350, 2347–2349, 7440), for a network in memory or a real one.
import { concatBytes } from '../../src/base/bytes.ts';
import { WireError } from '../../src/base/errors.ts';
import type { Timers } from '../../src/base/time.ts';
import { decodeTftp, encodeTftp, type TftpOption } from '../../src/tftp/packet.ts';
import type { Endpoint } from '../../src/tftp/ports.ts';

/** What the client needs of a network. */
export interface ClientNetwork {
  readonly timers: Timers;
  open(local: Endpoint, deliver: (from: Endpoint, bytes: Uint8Array) => void): void;
  shut(local: Endpoint): void;
  send(from: Endpoint, to: Endpoint, bytes: Uint8Array): void;
}

export interface Fetch {
  /** DATA packets that arrived, repetitions too. */
  dataPackets: number;
  result: Uint8Array | string | undefined;
  options: readonly TftpOption[] | undefined;
}

const CLIENT_RETRY_MS = 1000;
const CLIENT_TRIES = 30;

export function fetchByTftp(
  network: ClientNetwork,
  wanted: {
    readonly local: Endpoint;
    readonly server: Endpoint;
    readonly file: string;
    readonly options: readonly TftpOption[];
    onEnd?(): void;
  },
): Fetch {
  const { local } = wanted;
  const fetch: Fetch = { dataPackets: 0, result: undefined, options: undefined };
  let server: Endpoint | undefined;
  let blksize = 512;
  let windowsize = 1;
  const parts: Uint8Array[] = [];
  let sinceAck = 0;
  let cancel = () => {};
  let tries = 0;

  const finish = (result: Uint8Array | string) => {
    fetch.result = result;
    cancel();
    network.shut(local);
    wanted.onEnd?.();
  };
  const say = () => {
    if (server === undefined)
      network.send(
        local,
        wanted.server,
        encodeTftp({ kind: 'read', file: wanted.file, mode: 'octet', options: wanted.options }),
      );
    else network.send(local, server, encodeTftp({ kind: 'ack', block: parts.length & 0xffff }));
    sinceAck = 0;
    cancel();
    cancel = network.timers.after(CLIENT_RETRY_MS, () => {
      if (++tries > CLIENT_TRIES) finish('client timed out');
      else say();
    });
  };

  network.open(local, (from, bytes) => {
    const packet = decodeTftp(bytes);
    if (packet instanceof WireError) throw packet;
    if (server !== undefined && (from.port !== server.port || from.address !== server.address)) return;
    if (packet.kind === 'error') {
      finish(`error ${packet.code} ${packet.message}`);
    } else if (packet.kind === 'oack') {
      server = from;
      fetch.options = packet.options;
      for (const [name, value] of packet.options) {
        if (name === 'blksize') blksize = Number(value);
        if (name === 'windowsize') windowsize = Number(value);
      }
      if (parts.length === 0) say();
    } else if (packet.kind === 'data') {
      server = from;
      fetch.dataPackets++;
      if (packet.block !== ((parts.length + 1) & 0xffff)) {
        // RFC 7440 §4: a gap is answered with the last block received in order, once per window. That block again
        // means that our acknowledgement was lost.
        if (sinceAck > 0 || packet.block === (parts.length & 0xffff)) say();
        return;
      }
      tries = 0;
      parts.push(packet.data.slice());
      sinceAck++;
      const last = packet.data.length < blksize;
      if (last || sinceAck === windowsize) say();
      if (last) finish(concatBytes(parts));
    }
  });
  say();
  return fetch;
}
