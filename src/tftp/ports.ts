// Ports of the TFTP server: the well-known socket that hears requests, and one connected socket per transfer.
import type { Ipv4 } from '../base/addresses.ts';

export interface Endpoint {
  readonly address: Ipv4;
  readonly port: number;
}

export interface TftpSockets {
  /** Rejects with PB-PORT-IN-USE or PB-PORT-DENIED. */
  listen(local: Endpoint, onRequest: (from: Endpoint, bytes: Uint8Array) => void): Promise<TftpListener>;
  /**
   * A socket on an ephemeral port of `local`, connected to the client: the kernel drops what strangers send to it,
   * and what the client's ICMP says arrives as `onUnreachable`, never before this returns. So does a socket that
   * cannot be opened: `local` may be an address that the host has just lost.
   */
  connect(
    local: Ipv4,
    client: Endpoint,
    handlers: { onPacket(bytes: Uint8Array): void; onUnreachable(): void },
  ): TransferSocket;
}

export interface TftpListener {
  readonly local: Endpoint;
  send(to: Endpoint, bytes: Uint8Array): void;
  close(): Promise<void>;
}

export interface TransferSocket {
  /**
   * One datagram; its bytes may be overwritten once the client has acknowledged it. What the system refuses counts as
   * lost, but for a refusal of a repetition that says the client's port is closed: that is `onUnreachable` as well.
   */
  send(packet: Uint8Array, repeated?: boolean): void;
  /** Once is enough, more does no harm. */
  close(): void;
}
