// One sender's bytes on their way to one receiver: chunks in order, one after the other, as fast as the pipes allow.
import type { Row } from '../swarm/line-ports.ts';
import { Flow, type Pipe } from './pipes.ts';
import { cancel, type EventQueue, type Ticket } from './queue.ts';

/** A chunk, or what is still needed of it. */
export interface Parcel {
  readonly row: Row;
  /** Its first byte in the chunk. */
  readonly from: number;
  /** Bytes from there to the chunk's end. */
  readonly bytes: number;
  /** The world's knowledge, hidden from the nodes until they verify: these are wrong bytes. */
  readonly bad: boolean;
  /** Taken back while it was being sent: its end does not come. */
  readonly cut?: boolean;
}

export interface ChannelEnds {
  /** The last byte has left. */
  sent(parcel: Parcel): void;
  /** So many more bytes of an unfinished parcel are with the receiver. */
  progress(parcel: Parcel, bytes: number): void;
  /** The last byte has come. */
  arrived(parcel: Parcel): void;
}

/** As drivers do: bytes of an unfinished chunk are reported so often at most. */
const REPORT_MS = 100;
/** Chunks are sent in parts of this size (`MAX_PART_BYTES` of swarm/wire). */
const PART_BYTES = 1024 * 1024;

export class Channel {
  readonly #queue: EventQueue;
  readonly #ends: ChannelEnds;
  readonly #delayMs: number;
  readonly #flow: Flow;
  #parcels: Parcel[] = [];
  /** Of the first parcel. */
  #sentBytes = 0;
  #settledMs = 0;
  #reportedMs = 0;
  #reportedBytes = 0;
  #tick: Ticket | undefined;
  #running = true;

  constructor(
    queue: EventQueue,
    pipes: readonly Pipe[],
    delayMs: number,
    ends: ChannelEnds,
    mostBytesPerMs = Number.POSITIVE_INFINITY,
  ) {
    this.#queue = queue;
    this.#delayMs = delayMs;
    this.#ends = ends;
    this.#flow = new Flow(
      pipes,
      (rate) => {
        this.#settle();
        this.#schedule(rate);
      },
      mostBytesPerMs,
    );
  }

  push(parcel: Parcel): void {
    this.#parcels.push(parcel);
    if (this.#parcels.length > 1) return;
    this.#begin();
    if (this.#running) this.#flow.start();
  }

  /** Takes a parcel back; of one that has begun, the part under way is still sent. */
  remove(row: Row): void {
    this.#settle();
    const at = this.#parcels.findIndex((parcel) => parcel.row === row);
    const parcel = this.#parcels[at];
    if (parcel === undefined) return;
    if (at > 0 || this.#sentBytes === 0) {
      this.#parcels.splice(at, 1);
      if (at === 0) this.#goOn();
      return;
    }
    const bytes = Math.min(parcel.bytes, Math.ceil(this.#sentBytes / PART_BYTES) * PART_BYTES);
    this.#parcels[0] = { ...parcel, bytes, cut: bytes < parcel.bytes };
    this.#schedule(this.#flow.rate);
  }

  /** Held up (a stopped process, a partition) or going on. */
  run(running: boolean): void {
    if (running === this.#running) return;
    this.#running = running;
    if (!running) this.#flow.stop();
    else if (this.#parcels.length > 0) this.#flow.start();
  }

  close(): void {
    this.#running = false;
    this.#flow.stop();
    cancel(this.#tick);
    this.#parcels = [];
  }

  /** Parcels that have not left yet, the one under way first. */
  get waiting(): readonly Parcel[] {
    return this.#parcels;
  }

  /** What the receiver has of the parcel under way. */
  received(): { readonly parcel: Parcel; readonly bytes: number } | undefined {
    const parcel = this.#parcels[0];
    if (parcel === undefined) return undefined;
    this.#settle();
    return { parcel, bytes: Math.max(0, Math.floor(this.#sentBytes - this.#flow.rate * this.#delayMs)) };
  }

  #begin(): void {
    this.#sentBytes = 0;
    this.#reportedBytes = 0;
    this.#settledMs = this.#queue.nowMs;
    this.#reportedMs = this.#queue.nowMs;
  }

  /** The next parcel, at the rate that already flows. */
  #goOn(): void {
    if (this.#parcels.length === 0) {
      this.#flow.stop();
      return;
    }
    this.#begin();
    this.#schedule(this.#flow.rate);
  }

  #settle(): void {
    const now = this.#queue.nowMs;
    this.#sentBytes += this.#flow.rate * (now - this.#settledMs);
    this.#settledMs = now;
  }

  #schedule(rate: number): void {
    cancel(this.#tick);
    const parcel = this.#parcels[0];
    if (parcel === undefined || rate === 0) return;
    const endMs = this.#queue.nowMs + Math.max(0, parcel.bytes - this.#sentBytes) / rate;
    this.#tick = this.#queue.at(Math.min(endMs, this.#reportedMs + REPORT_MS), () => this.#onTick());
  }

  #onTick(): void {
    const parcel = this.#parcels[0] as Parcel;
    this.#settle();
    if (this.#sentBytes >= parcel.bytes - 0.5) {
      this.#parcels.shift();
      this.#queue.after(this.#delayMs, () => this.#ends.arrived(parcel));
      this.#goOn();
      this.#ends.sent(parcel);
      return;
    }
    this.#reportedMs = this.#queue.nowMs;
    const received = this.received()?.bytes ?? 0;
    const news = received - this.#reportedBytes;
    this.#reportedBytes = received;
    this.#schedule(this.#flow.rate);
    if (news > 0) this.#ends.progress(parcel, news);
  }
}
