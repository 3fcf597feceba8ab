// Port: the connections of lines (TCP): bytes in, bytes out, with back-pressure in both directions.
import type { Ipv4 } from '../base/addresses.ts';

export interface LineEndpoint {
  readonly address: Ipv4;
  readonly port: number;
}

export interface LineSocket {
  readonly remote: LineEndpoint;
  /** Bytes handed over that the kernel has not taken yet. */
  readonly queuedBytes: number;
  /**
   * In order, without a copy: the bytes must stay as they are until `onTaken`, which is called once the kernel has them
   * (never from within `send`; not at all if the connection ends first).
   */
  send(bytes: readonly Uint8Array[], onTaken?: () => void): void;
  /** Takes no more from the kernel, so that the sender has to wait; what is being handed over still comes. */
  pause(): void;
  resume(): void;
  /** Ends after what has been sent. */
  end(): void;
  /** Ends at once. */
  destroy(): void;
}

export interface LineSocketEvents {
  onOpen?(): void;
  /** A window that is valid only during the call. */
  onBytes(bytes: Uint8Array): void;
  /**
   * Where the very next bytes of the stream shall be read to, if not into a buffer of the socket's: `onBytes` then gets a
   * window on it. It belongs to the socket until the next `onBytes` or `onClose`.
   */
  room?(): Uint8Array | undefined;
  /** Once, for whatever reason; also after `end` and `destroy`, and when it never opened. */
  onClose(why: string): void;
}

export interface LineListener {
  readonly port: number;
  connections(): number;
  /** Takes no more connections; those that are there stay. */
  close(): Promise<void>;
}

export interface LineTransport {
  /** Rejects with PB-PORT-IN-USE or PB-PORT-DENIED. */
  listen(port: number, onConnection: (socket: LineSocket) => LineSocketEvents): Promise<LineListener>;
  /** To read a chunk into. Not cleared, since every byte of it is written before any is read. */
  buffer(bytes: number): Uint8Array;
  /** `onOpen` or `onClose` follows within about a second. */
  dial(to: LineEndpoint, events: LineSocketEvents): LineSocket;
}
