// The virtual network: hosts with cards, datagrams, and when a word arrives, is reset, or is never heard of again.
import { type Random, seededRandom } from '../base/random.ts';
import { type BytesPerMs, Pipe } from './pipes.ts';
import type { EventQueue } from './queue.ts';

export interface CardRates {
  readonly up: BytesPerMs;
  readonly down: BytesPerMs;
  /** Both directions share `up`. */
  readonly halfDuplex?: boolean;
}

/** `down`: the process died, its system answers with RST. `off`: no power, nothing answers. `stopped`: SIGSTOP. */
export type HostState = 'up' | 'stopped' | 'down' | 'off';

/** One machine on the network. */
export class Host {
  readonly name: string;
  /** What its card can do when nothing is wrong with it. */
  readonly card: CardRates;
  readonly up: Pipe;
  readonly down: Pipe;
  state: HostState = 'down';
  /** Counts starts: whatever was meant for an earlier process is answered by RST. */
  life = 0;
  /** Hosts in different parts do not reach one another. */
  part = 0;
  /** What came while stopped: the kernel keeps it. */
  readonly backlog: (() => void)[] = [];
  /** Sent to it while off, and sent again and again: answered by RST once it is back. */
  readonly unanswered: (() => void)[] = [];
  readonly links = new Set<Link>();

  constructor(name: string, rates: CardRates) {
    this.name = name;
    this.card = rates;
    this.up = new Pipe(rates.up);
    this.down = rates.halfDuplex === true ? this.up : new Pipe(rates.down);
  }

  setRates(rates: CardRates): void {
    this.up.setRate(rates.up);
    if (this.down !== this.up) this.down.setRate(rates.down);
  }
}

/** Something that runs between two hosts, or a host and the WAN, and is told when either changes. */
export interface Link {
  /** Bytes may flow, or not for now. */
  reconsider(): void;
  /** This host's process has died. */
  hostDied(host: Host): void;
}

export interface NetworkOptions {
  readonly queue: EventQueue;
  readonly delayMs: number;
  /** Share of datagrams that are lost; connections repeat, and are slower for it. */
  readonly loss: number;
  readonly seed: number;
}

/** What a connection does about a segment: `held` words come once a partition is over. */
interface HeldWord {
  readonly from: Host;
  readonly to: Host;
  readonly go: () => void;
}

/** TCP sends a lost segment again after about so long (RFC 6298: at least 200 ms on Linux). */
const RETRANSMIT_MS = 200;

export class Network {
  readonly queue: EventQueue;
  readonly delayMs: number;
  readonly loss: number;
  readonly hosts: Host[] = [];
  readonly #random: Random;
  #held: HeldWord[] = [];

  constructor(options: NetworkOptions) {
    this.queue = options.queue;
    this.delayMs = options.delayMs;
    this.loss = options.loss;
    this.#random = seededRandom(options.seed);
  }

  add(host: Host): Host {
    this.hosts.push(host);
    return host;
  }

  reachable(a: Host, b: Host): boolean {
    return a.part === b.part;
  }

  /**
   * What loss leaves of a connection's throughput: at most 1.22 segments a round trip ÷ √loss (Mathis et al., 1997),
   * for segments of 1448 bytes. Infinite without loss.
   */
  mostBytesPerMs(roundTripMs: number): BytesPerMs {
    if (this.loss === 0) return Number.POSITIVE_INFINITY;
    return (1.22 * 1448) / (Math.max(roundTripMs, 0.1) * Math.sqrt(this.loss));
  }

  /**
   * A word on a connection to the process that lived as `life`: `arrive` there, or `reset` back here, or neither when
   * the machine is off.
   */
  word(from: Host, to: Host, life: number, arrive: () => void, reset: () => void): void {
    const sender = from.life;
    const go = () => {
      if (!this.reachable(from, to)) {
        this.#held.push({ from, to, go });
        return;
      }
      if (to.state === 'off') {
        to.unanswered.push(() => {
          if (from.life === sender && this.reachable(from, to)) receive(from, reset);
        });
        return;
      }
      if (to.life !== life || to.state === 'down') {
        this.queue.after(this.delayMs, () => {
          if (from.life === sender && this.reachable(from, to)) receive(from, reset);
        });
        return;
      }
      receive(to, arrive);
    };
    this.queue.after(this.delayMs, go);
  }

  /** Lost, or heard by whoever runs there. */
  datagram(from: Host, to: Host, arrive: () => void): void {
    if (this.#random.next() < this.loss) return;
    this.queue.after(this.delayMs, () => this.#datagramArrives(from, to, arrive));
  }

  /** One to many in one event, each of them losing it on its own. */
  multicast(from: Host, to: readonly Host[], arrive: (host: Host) => void): void {
    const lost = this.loss === 0 ? undefined : to.map(() => this.#random.next() < this.loss);
    this.queue.after(this.delayMs, () => {
      for (const [i, host] of to.entries()) {
        if (host === from || lost?.[i] === true) continue;
        this.#datagramArrives(from, host, () => arrive(host));
      }
    });
  }

  /** Hosts change parts; words that waited go on. */
  partition(place: (host: Host) => number): void {
    for (const host of this.hosts) host.part = place(host);
    const held = this.#held;
    this.#held = [];
    for (const word of held) {
      if (this.reachable(word.from, word.to)) this.queue.after(RETRANSMIT_MS, word.go);
      else this.#held.push(word);
    }
    for (const host of this.hosts) for (const link of host.links) link.reconsider();
  }

  start(host: Host): void {
    host.state = 'up';
    host.life += 1;
    for (const reset of host.unanswered.splice(0)) this.queue.after(RETRANSMIT_MS, reset);
  }

  /** `down`: died, its system tells everybody. `off`: silence. */
  end(host: Host, state: 'down' | 'off'): void {
    host.state = state;
    host.life += 1;
    host.backlog.length = 0;
    const links = [...host.links];
    host.links.clear();
    for (const link of links) link.hostDied(host);
  }

  stop(host: Host): void {
    host.state = 'stopped';
    for (const link of host.links) link.reconsider();
  }

  goOn(host: Host): void {
    host.state = 'up';
    for (const link of host.links) link.reconsider();
    for (const run of host.backlog.splice(0)) this.queue.after(0, run);
  }

  #datagramArrives(from: Host, to: Host, arrive: () => void): void {
    if (!this.reachable(from, to) || to.state === 'down' || to.state === 'off') return;
    receive(to, arrive);
  }
}

function receive(host: Host, arrive: () => void): void {
  if (host.state !== 'stopped') {
    arrive();
    return;
  }
  const { life } = host;
  host.backlog.push(() => {
    if (host.life === life) receive(host, arrive);
  });
}
