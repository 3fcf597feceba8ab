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

  fetch(host: Host, parcel: Parcel, ends: WanEnds): WanFetch {
    return new WanFetch(this, host, parcel, ends);
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

  constructor(wan: Wan, host: Host, parcel: Parcel, ends: WanEnds) {
    this.parcel = parcel;
    this.#wan = wan;
    this.#host = host;
    this.#ends = ends;
    const { queue } = wan.network;
    this.#progressMs = queue.nowMs;
    this.#channel = new Channel(queue, [wan.down, host.down], wan.delayMs, {
      sent: () => {},
      progress: (_, bytes) => this.#atHost(() => ends.progress(parcel, bytes)),
      arrived: () =>
        this.#atHost(() => {
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
    this.#end();
  }

  reconsider(): void {
    this.#channel.run(this.#host.state === 'up' && !this.#over);
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
    });
  }

  /** Looks now and then whether anything came: a fetch that stands still has failed. */
  #watch(): void {
    const before = this.received();
    const { queue } = this.#wan.network;
    queue.after(STALL_MS / 2, () => {
      if (this.#over) return;
      if (this.received() > before || this.#host.state === 'stopped') this.#progressMs = queue.nowMs;
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
