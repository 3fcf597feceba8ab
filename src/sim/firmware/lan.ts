// A store's LAN in virtual time: hosts that send datagrams by unicast and broadcast, segments that a relay joins, and weather from a seed.
import { ANY_ADDRESS, type Ipv4, LIMITED_BROADCAST } from '../../base/addresses.ts';
import { type Random, seededRandom } from '../../base/random.ts';
import type { Clock, Timers } from '../../base/time.ts';
import type { Endpoint } from '../../dhcp/destination.ts';
import { cancel, EventQueue } from '../queue.ts';
import type { FirmwareAction, HttpAnswer } from './firmware.ts';

export interface Weather {
  /** Share of datagrams that get lost, in [0, 1). HTTP runs on TCP: it only comes later. */
  readonly loss?: number;
  readonly doubles?: number;
  /** Each datagram takes 0.1 ms, and up to this much longer. */
  readonly jitterMs?: number;
  /** How fast the body of an HTTP answer comes; absent: in no time. */
  readonly bodyBytesPerMs?: number;
}

export interface Datagram {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly bytes: Uint8Array;
}

export type HttpAsked = FirmwareAction & { readonly kind: 'http' };

/** What a host does with what reaches it. */
export interface LanProgram {
  datagram(datagram: Datagram): void;
  /** Undefined: nobody listens. */
  http?(asked: HttpAsked, client: Endpoint): HttpAnswer;
}

/** `process`: its system still refuses connections and breaks those that are open. `power`: it is silent at once. */
export type Death = 'process' | 'power';

export interface LanHost {
  readonly segment: number;
  readonly addresses: Set<Ipv4>;
  /** Dead, it neither hears nor speaks. */
  dead: Death | undefined;
  /** Its switch port forwards nothing before that, in neither direction: spanning tree after the link came up. */
  silentUntilMs: number;
  program: LanProgram;
}

/** An answer by HTTP that is on its way. */
interface Answering {
  readonly by: LanHost;
  lost(death: Death): void;
}

const FLIGHT_MS = 0.1;
/** What a lost TCP segment costs. */
const TCP_AGAIN_MS = 200;
export const CONNECTION_FAILED: HttpAnswer = { status: 0, sizeBytes: 0, body: new Uint8Array(0) };

export interface LanWitness {
  /** Every datagram put on the wire, also those that get lost. */
  datagram?(datagram: Datagram, nowMs: number): void;
  http?(asked: HttpAsked, answer: HttpAnswer, client: Endpoint, server: Ipv4, nowMs: number): void;
}

export class Lan {
  readonly queue = new EventQueue();
  readonly random: Random;
  readonly #weather: Weather;
  readonly #witness: LanWitness;
  readonly #hosts: LanHost[] = [];
  readonly #answering = new Set<Answering>();
  readonly clock: Clock = { nowMs: () => this.queue.nowMs, wallMs: () => this.queue.nowMs };
  readonly timers: Timers = {
    after: (delayMs, wake) => {
      const ticket = this.queue.after(delayMs, wake);
      return () => cancel(ticket);
    },
  };

  constructor(seed: number, weather: Weather = {}, witness: LanWitness = {}) {
    this.random = seededRandom(seed);
    this.#weather = weather;
    this.#witness = witness;
  }

  plug(segment: number, addresses: readonly Ipv4[], program: LanProgram): LanHost {
    const host: LanHost = {
      segment,
      addresses: new Set(addresses),
      dead: undefined,
      silentUntilMs: 0,
      program,
    };
    this.#hosts.push(host);
    return host;
  }

  /** Nobody notices but whoever waits for it. */
  kill(host: LanHost, death: Death): void {
    host.dead = death;
    for (const answering of this.#answering) {
      if (answering.by !== host) continue;
      this.#answering.delete(answering);
      answering.lost(death);
    }
  }

  /** A broadcast stays in its segment; a unicast is routed. `only`: a frame to one card, whatever address that has yet. */
  send(sender: LanHost, datagram: Datagram, only?: LanHost): void {
    if (sender.dead !== undefined || this.queue.nowMs < sender.silentUntilMs) return;
    this.#witness.datagram?.(datagram, this.queue.nowMs);
    const { address } = datagram.to;
    for (const host of this.#hosts) {
      if (host === sender) continue;
      const isMeant =
        only === undefined
          ? address === LIMITED_BROADCAST
            ? host.segment === sender.segment
            : host.addresses.has(address)
          : host === only;
      if (isMeant) this.#fly(host, datagram);
    }
  }

  /** Asks the host that has the address; it answers after the connection's round trips. Where nobody has it, or has power, nothing comes. */
  http(asker: LanHost, asked: HttpAsked, client: Endpoint, onAnswer: (answer: HttpAnswer) => void): void {
    const server = (/^http:\/\/([\d.]+)/.exec(asked.url)?.[1] ?? ANY_ADDRESS) as Ipv4;
    const later = (answer: HttpAnswer) => {
      if (asker.dead === undefined) onAnswer(answer);
    };
    this.queue.after(this.#tcpMs(), () => {
      const by = this.#hosts.find((one) => one.addresses.has(server));
      if (asker.dead !== undefined || by === undefined || by.dead === 'power') return;
      const answer =
        (by.dead === undefined ? by.program.http?.(asked, client) : undefined) ?? CONNECTION_FAILED;
      this.#witness.http?.(asked, answer, client, server, this.queue.nowMs);
      const { bodyBytesPerMs = Number.POSITIVE_INFINITY } = this.#weather;
      const bodyMs = answer.body.length === 0 ? 0 : answer.sizeBytes / bodyBytesPerMs;
      const whole = this.queue.after(this.#tcpMs() + bodyMs, () => {
        this.#answering.delete(answering);
        later(answer);
      });
      const answering: Answering = {
        by,
        lost: (death) => {
          cancel(whole);
          if (death === 'process') this.queue.after(this.#tcpMs(), () => later(CONNECTION_FAILED));
        },
      };
      this.#answering.add(answering);
    });
  }

  #fly(host: LanHost, datagram: Datagram): void {
    const { loss = 0, doubles = 0, jitterMs = 0 } = this.#weather;
    if (this.random.next() < loss) return;
    const copies = this.random.next() < doubles ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.queue.after(FLIGHT_MS + this.random.next() * jitterMs, () => {
        if (host.dead === undefined && this.queue.nowMs >= host.silentUntilMs)
          host.program.datagram(datagram);
      });
    }
  }

  #tcpMs(): number {
    const { loss = 0, jitterMs = 0 } = this.#weather;
    const isLost = this.random.next() < loss;
    return 2 * FLIGHT_MS + this.random.next() * jitterMs + (isLost ? TCP_AGAIN_MS : 0);
  }
}
