// Our end of a connection from a follower: takes its wants, and sends it chunks one after the other.
import { WireError } from '../base/errors.ts';
import type { Clock, Timers } from '../base/time.ts';
import type { FeederMessage, FollowerMessage } from '../swarm/line-messages.ts';
import type { Row } from '../swarm/line-ports.ts';
import type { LineSocket } from '../swarm/line-transport.ts';
import type { LineImage, OpenRow } from '../swarm/node-ports.ts';
import type { PeerRef } from '../swarm/site.ts';
import { type ControlFrame, encodeControl, encodePartHead } from '../swarm/wire.ts';

/** How fast chunks may leave over the LAN, as `Bucket` of swarm/budget grants it. */
export interface Pace {
  /** How many of these bytes may leave now; 0: ask again after `waitMs`. */
  take(upToBytes: number): number;
  waitMs(): number;
}

export interface FollowerOptions {
  readonly ref: PeerRef;
  readonly socket: LineSocket;
  readonly image: LineImage;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly pace?: Pace | undefined;
  /** The chunk to send: from memory, else from where it is kept. */
  open(row: Row): OpenRow | undefined | Promise<OpenRow | undefined>;
  onMessage(message: FollowerMessage): void;
  onWant(row: Row): void;
  onUnwant(row: Row): void;
  /** All of it has arrived there. */
  onServed(row: Row, bytes: number): void;
  onSent(bytes: number): void;
  /** Was to be sent, but could not be opened: the machine tells the follower. */
  onGone(row: Row): void;
  /** Not after `close` and `drop`. */
  onLost(why: string): void;
}

export interface Follower {
  readonly ref: PeerRef;
  /** Of the connection, from the site node's decoder. */
  onFrame(frame: ControlFrame): WireError | undefined;
  onClose(why: string): void;
  tell(message: FeederMessage): void;
  /** Behind those already being sent. */
  serve(row: Row): void;
  unserve(row: Row): void;
  /** Is the chunk being sent to it, or waiting for that? */
  isToGet(row: Row): boolean;
  /** Ends after what it was told. */
  drop(): void;
  close(): void;
}

/** What is handed to the kernel at once: the next part waits until it has taken this one. */
const PART_BYTES = 256 * 1024;
/** A follower that asks for more at a time is not one of ours. */
const MOST_WANTS = 512;
/** One that reads so little that this much control waits for it is not reading at all. */
const MOST_QUEUED_BYTES = 2 * 1024 * 1024;
/** One that says nothing for so long (`alive` at least) is dead or stopped. */
const IDLE_MS = 10_000;

interface WantedRow {
  readonly row: Row;
  readonly from: number;
  readonly repacked: boolean;
  cancelled: boolean;
  /** Is it being sent, or waiting for that? */
  queued: boolean;
}

export function createFollower(options: FollowerOptions): Follower {
  const { socket, image, clock, timers } = options;
  const wants = new Map<Row, WantedRow>();
  const queue: WantedRow[] = [];
  /** Sent, and so many bytes each, but not yet said to have come. */
  const onTheirWay = new Map<Row, number>();
  let greeted = false;
  let sending = false;
  let ended = false;
  let heardMs = clock.nowMs();
  let cancelIdle = timers.after(IDLE_MS, watch);
  let cancelPace: (() => void) | undefined;

  function watch(): void {
    const left = heardMs + IDLE_MS - clock.nowMs();
    if (left > 0) cancelIdle = timers.after(left, watch);
    else lost(`silent for ${IDLE_MS} ms`);
  }

  function finish(): void {
    ended = true;
    cancelIdle();
    cancelPace?.();
    queue.length = 0;
    wants.clear();
    onTheirWay.clear();
  }

  function lost(why: string): void {
    if (ended) return;
    finish();
    socket.destroy();
    options.onLost(why);
  }

  function onFrame(frame: ControlFrame): WireError | undefined {
    if (ended) return undefined;
    heardMs = clock.nowMs();
    if (frame.kind === 'attach' || frame.kind === 'join') {
      greeted = true;
      options.onMessage(frame);
      return undefined;
    }
    if (frame.kind === 'alive') return undefined;
    if (!greeted) return new WireError(`${frame.kind} before attach`);
    if (frame.kind === 'unwant') {
      forget(frame.row);
      options.onUnwant(frame.row);
      return undefined;
    }
    if (frame.kind === 'got') {
      const bytes = onTheirWay.get(frame.row);
      // Taken back meanwhile.
      if (bytes === undefined) return undefined;
      onTheirWay.delete(frame.row);
      options.onServed(frame.row, bytes);
      return undefined;
    }
    if (frame.kind !== 'want') return new WireError(`a follower does not say ${frame.kind}`);
    const { row, from, repacked } = frame;
    if (row >= image.rows || from >= image.storedBytes(row)) {
      return new WireError(`wants byte ${from} of row ${row} of ${image.rows}`);
    }
    if (wants.size >= MOST_WANTS) return new WireError(`wants more than ${MOST_WANTS} chunks at once`);
    forget(row);
    wants.set(row, { row, from, repacked, cancelled: false, queued: false });
    options.onWant(row);
    return undefined;
  }

  function forget(row: Row): void {
    onTheirWay.delete(row);
    const want = wants.get(row);
    if (want === undefined) return;
    want.cancelled = true;
    wants.delete(row);
  }

  function send(frame: FeederMessage): void {
    if (ended) return;
    socket.send([encodeControl(frame)]);
    if (socket.queuedBytes > MOST_QUEUED_BYTES) lost('does not read');
  }

  /** One chunk at a time; on errors of the disk the chunk is missing, not the connection lost. */
  async function pump(): Promise<void> {
    if (sending) return;
    sending = true;
    for (;;) {
      const want = queue.shift();
      if (want === undefined || ended) break;
      if (!want.cancelled) await sendChunk(want);
    }
    sending = false;
  }

  async function sendChunk(want: WantedRow): Promise<void> {
    const open = await openFor(want);
    if (ended || want.cancelled) {
      open?.close();
      return;
    }
    if (open === undefined) {
      wants.delete(want.row);
      options.onGone(want.row);
      return;
    }
    if (open.form === 'repacked' && !want.repacked) {
      open.close();
      wants.delete(want.row);
      send({ kind: 'missing', row: want.row });
      options.onUnwant(want.row);
      return;
    }
    try {
      await sendParts(want, open);
    } catch {
      // Half of it is out: only a new connection makes the stream sound again, and the chunk is not what we took it for.
      options.onGone(want.row);
      lost('a chunk could not be read');
    } finally {
      open.close();
    }
  }

  async function openFor(want: WantedRow): Promise<OpenRow | undefined> {
    try {
      return await options.open(want.row);
    } catch {
      return undefined;
    }
  }

  async function sendParts(want: WantedRow, open: OpenRow): Promise<void> {
    const { row } = want;
    const begin = open.form === 'stored' ? want.from : 0;
    let offset = begin;
    while (offset < open.size) {
      const granted = await grant(Math.min(PART_BYTES, open.size - offset));
      if (ended || want.cancelled) return;
      const bytes = open.read(offset, granted);
      const head = { row, offset, size: open.size, form: open.form, length: bytes.length };
      // Before it is sent: the answer may be here before the kernel tells that it took the last part.
      if (offset + bytes.length === open.size) onTheirWay.set(row, open.size - begin);
      if (!(await taken(encodePartHead(head), bytes))) return;
      offset += bytes.length;
      options.onSent(bytes.length);
    }
    if (want.cancelled) return;
    wants.delete(row);
  }

  async function grant(bytes: number): Promise<number> {
    const { pace } = options;
    if (pace === undefined) return bytes;
    for (;;) {
      const granted = pace.take(bytes);
      if (granted > 0 || ended) return granted;
      await new Promise<void>((resolve) => {
        const stop = timers.after(Math.max(1, pace.waitMs()), resolve);
        cancelPace = () => {
          stop();
          resolve();
        };
      });
    }
  }

  /** Until the kernel has the bytes: only then may their buffer be used again. False when the connection has ended. */
  let wake: (() => void) | undefined;
  function taken(head: Uint8Array, bytes: Uint8Array): Promise<boolean> {
    return new Promise((resolve) => {
      wake = () => resolve(false);
      socket.send([head, bytes], () => resolve(!ended));
    });
  }

  return {
    ref: options.ref,
    onFrame,
    onClose(why) {
      lost(why);
      wake?.();
    },
    tell: send,
    serve(row) {
      const want = wants.get(row);
      if (want === undefined || want.queued) return;
      want.queued = true;
      queue.push(want);
      void pump();
    },
    unserve(row) {
      const at = queue.findIndex((want) => want.row === row);
      if (at < 0) return;
      for (const want of queue.splice(at, 1)) want.queued = false;
    },
    isToGet: (row) => wants.get(row)?.queued === true,
    drop() {
      if (ended) return;
      finish();
      socket.end();
    },
    close() {
      if (ended) return;
      finish();
      socket.destroy();
    },
  };
}
