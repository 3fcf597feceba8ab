// The WAN line of a site and the origin behind it: each fetch is an HTTP request of its own, all share the line.
import type { FetchFailure, Row } from '../swarm/line-ports.ts';
import { Channel, type Parcel } from './channel.ts';
import type { Host, Link, Network } from './network.ts';
import { type BytesPerMs, Pipe } from './pipes.ts';

export interface WanEnds {
  progress(parcel: Parcel, bytes: number): void;
  arrived(parcel: Parcel): void;
  failed(row: Row, why: FetchFailure): void;
}

/** What a node's budget says: bytes are counted once they are read, and no more is read while there is debt. */
export interface Meter {
  count(bytes: number): void;
  waitMs(): number;
}

/** A metered fetch reads so often: what came meanwhile is one read. */
export const READ_MS = 10;
/** An origin that sends nothing for so long is given up (`stallMs` of io/http-source). */
const STALL_MS = 5000;

export class Wan {
  readonly down: Pipe;
  readonly delayMs: number;
  readonly network: Network;
  readonly #rate: BytesPerMs;
  #cut = false;

  constructor(network: Network, rate: BytesPerMs, delayMs: number) {
    this.network = network;
    this.#rate = rate;
    this.delayMs = delayMs;
    this.down = new Pipe(rate);
  }

  get isCut(): boolean {
    return this.#cut;
  }

  /** While it is cut nothing comes, and nobody is told. */
  cut(cut: boolean): void {
    this.#cut = cut;
    this.down.setRate(cut ? 0 : this.#rate);
  }

  /** Without a meter it reads as fast as the line brings it. */
  fetch(host: Host, parcel: Parcel, ends: WanEnds, meter?: Meter): WanFetch {
    return new WanFetch(this, host, parcel, ends, meter);
  }
}

export class WanFetch implements Link {
  readonly parcel: Parcel;
  readonly #wan: Wan;
  readonly #host: Host;
  readonly #ends: WanEnds;
  readonly #channel: Channel;
  #progressMs: number;
  #requested = false;
  #over = false;
  readonly #meter: Meter | undefined;
  #counted = 0;
  /** Reads nothing, for the budget's sake. */
  #held = false;

  constructor(wan: Wan, host: Host, parcel: Parcel, ends: WanEnds, meter: Meter | undefined) {
    this.parcel = parcel;
    this.#wan = wan;
    this.#host = host;
    this.#ends = ends;
    this.#meter = meter;
    const { queue } = wan.network;
    this.#progressMs = queue.nowMs;
    this.#channel = new Channel(queue, [wan.down, host.down], wan.delayMs, {
      sent: () => {},
      progress: (_, bytes) => this.#atHost(() => ends.progress(parcel, bytes)),
      arrived: () =>
        this.#atHost(() => {
          this.#count(parcel.bytes);
          this.#end();
          ends.arrived(parcel);
        }),
    });
    host.links.add(this);
    this.#request();
    this.#watch();
  }

  /** So many bytes have come. */
  received(): number {
    return this.#channel.received()?.bytes ?? 0;
  }

  cancel(): void {
    this.#count(this.received());
    this.#end();
  }

  reconsider(): void {
    this.#channel.run(this.#host.state === 'up' && !this.#over && !this.#held);
  }

  hostDied(): void {
    this.#end();
  }

  #request(): void {
    const { queue } = this.#wan.network;
    queue.after(this.#wan.delayMs, () => {
      if (this.#over || this.#wan.isCut) return;
      this.#requested = true;
      this.#channel.push(this.parcel);
      this.reconsider();
      if (this.#meter !== undefined) this.#read(this.#meter);
    });
  }

  /** As service/wan-gate: each fetch goes on when the debt that there was after its own last read is paid. */
  #read(meter: Meter): void {
    const { queue } = this.#wan.network;
    queue.after(READ_MS, () => {
      if (this.#over) return;
      this.#count(this.received());
      const waitMs = meter.waitMs();
      this.#held = waitMs > 0;
      this.reconsider();
      if (!this.#held) {
        this.#read(meter);
        return;
      }
      queue.after(waitMs, () => {
        this.#held = false;
        this.reconsider();
        this.#read(meter);
      });
    });
  }

  #count(received: number): void {
    const bytes = received - this.#counted;
    if (bytes <= 0 || this.#over) return;
    this.#counted = received;
    this.#meter?.count(bytes);
  }

  /** Looks now and then whether anything came: a fetch that stands still has failed. */
  #watch(): void {
    const before = this.received();
    const { queue } = this.#wan.network;
    queue.after(STALL_MS / 2, () => {
      if (this.#over) return;
      if (this.received() > before || this.#held || this.#host.state === 'stopped')
        this.#progressMs = queue.nowMs;
      if (queue.nowMs - this.#progressMs < STALL_MS) this.#watch();
      else this.#atHost(() => this.#ends.failed(this.parcel.row, this.#requested ? 'stalled' : 'broken'));
    });
  }

  #atHost(happens: () => void): void {
    if (this.#over) return;
    if (this.#host.state === 'stopped') this.#host.backlog.push(() => this.#atHost(happens));
    else happens();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#host.links.delete(this);
    this.#channel.close();
  }
}
