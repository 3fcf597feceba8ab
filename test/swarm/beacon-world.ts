// A site of beacon machines in virtual time: one network with delay, loss and cuts, which counts what each receives.
import type { Ipv4 } from '../../src/base/addresses.ts';
import { type Random, seededRandom } from '../../src/base/random.ts';
import { BeaconMachine } from '../../src/swarm/beacon.ts';
import { type Beacon, encodeBeacon } from '../../src/swarm/beacon-codec.ts';
import type { BeaconAction, BeaconEvent, BeaconSetup } from '../../src/swarm/beacon-ports.ts';
import type { BeaconEndpoint } from '../../src/swarm/beacon-table.ts';
import type { Announcement, SitePeer } from '../../src/swarm/site.ts';
import { IDLE } from '../support/idle-peer.ts';

export const SITE = 7;
const DELAY_MS = 1;
/** Ethernet, IPv4 and UDP around each datagram. */
const HEADERS_BYTES = 14 + 20 + 8;
const PORT = 8068;
/** Most are of these kinds, and encoding each for its length takes time. */
const SHORT = new Set<Beacon['kind']>(['beat', 'probe', 'ask', 'goodbye']);

export { IDLE };

export interface Seat {
  readonly machine: BeaconMachine;
  readonly endpoint: BeaconEndpoint;
  /** Neither sends nor receives, nor is it woken: dead, or stopped. */
  down: boolean;
  /** Cut from all others, but running. */
  cut: boolean;
  /** Of a site that was cut in two: it reaches those of the same side. */
  side: number;
  /** Its multicast reaches nobody, and nobody's reaches it. */
  unicastOnly: boolean;
  receivedBytes: number;
  receivedDatagrams: number;
  sentBytes: number;
  readonly log: { readonly at: number; readonly action: BeaconAction }[];
}

export interface WorldOptions {
  readonly seed?: number;
  readonly loss?: number;
  readonly multicast?: boolean;
  readonly setup?: Partial<BeaconSetup>;
}

interface Due {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class BeaconWorld {
  readonly seats: Seat[] = [];
  readonly random: Random;
  now = 0;
  loss: number;
  readonly #options: WorldOptions;
  #queue: Due[] = [];
  #order = 0;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.loss = options.loss ?? 0;
    this.random = seededRandom(options.seed ?? 1);
  }

  seat(own: Partial<Announcement> = {}, setup: Partial<BeaconSetup> = {}): Seat {
    const number = this.seats.length + 1;
    const machine = new BeaconMachine({
      self: number.toString(16).padStart(16, '0'),
      sitePort: PORT,
      sites: [SITE],
      own: { ...IDLE, ...own },
      random: seededRandom((this.#options.seed ?? 1) * 100_003 + number),
      ...this.#options.setup,
      ...setup,
    });
    const seat: Seat = {
      machine,
      endpoint: { address: `10.77.${number >> 8}.${number & 255}` as Ipv4, port: PORT },
      down: false,
      cut: false,
      side: 0,
      unicastOnly: false,
      receivedBytes: 0,
      receivedDatagrams: 0,
      sentBytes: 0,
      log: [],
    };
    this.seats.push(seat);
    return seat;
  }

  /** `count` of them, started within `withinMs`. */
  start(count: number, withinMs = 0): Seat[] {
    return Array.from({ length: count }, () => {
      const seat = this.seat();
      this.at(this.now + this.random.next() * withinMs, () => this.step(seat, { kind: 'start' }));
      return seat;
    });
  }

  at(at: number, run: () => void): void {
    const due = { at, order: this.#order++, run };
    let i = this.#queue.length;
    this.#queue.push(due);
    // A binary heap, as 200 machines make a long queue.
    for (let up = (i - 1) >> 1; i > 0 && before(due, this.#queue[up] as Due); up = (i - 1) >> 1) {
      this.#queue[i] = this.#queue[up] as Due;
      i = up;
    }
    this.#queue[i] = due;
  }

  step(seat: Seat, event: BeaconEvent): void {
    if (seat.down) return;
    for (const action of seat.machine.step(event, this.now)) this.#perform(seat, action);
    const wake = seat.machine.nextWake();
    if (wake !== undefined && event.kind !== 'heard') this.#wakeAt(seat, wake);
    else if (wake !== undefined && wake < (this.#wakes.get(seat) ?? Number.POSITIVE_INFINITY))
      this.#wakeAt(seat, wake);
  }

  readonly #wakes = new Map<Seat, number>();

  #wakeAt(seat: Seat, at: number): void {
    this.#wakes.set(seat, at);
    this.at(at, () => {
      if (this.#wakes.get(seat) !== at) return;
      this.#wakes.delete(seat);
      this.step(seat, { kind: 'wake' });
    });
  }

  #perform(seat: Seat, action: BeaconAction): void {
    seat.log.push({ at: this.now, action });
    if (action.kind !== 'multicast' && action.kind !== 'unicast') return;
    const { beacon } = action;
    const bytes = HEADERS_BYTES + (SHORT.has(beacon.kind) ? 24 : encodeBeacon({ site: SITE, beacon }).length);
    seat.sentBytes += bytes;
    if (action.kind === 'multicast') {
      if (this.#options.multicast !== false) this.#send(seat, this.seats, beacon, bytes, true);
      return;
    }
    const to = this.seats.find(
      ({ endpoint }) => endpoint.address === action.to.address && endpoint.port === action.to.port,
    );
    if (to !== undefined) this.#send(seat, [to], beacon, bytes, false);
  }

  #send(from: Seat, seats: readonly Seat[], beacon: Beacon, bytes: number, multicast: boolean): void {
    const reached = seats.filter(
      (to) =>
        connected(from, to, multicast) && (from === to || this.loss === 0 || this.random.next() >= this.loss),
    );
    this.at(this.now + DELAY_MS, () => {
      for (const to of reached) {
        if (to.down) continue;
        if (from !== to) {
          to.receivedBytes += bytes;
          to.receivedDatagrams += 1;
        }
        this.step(to, { kind: 'heard', from: from.endpoint, site: SITE, multicast, beacon });
      }
    });
  }

  run(untilMs: number): void {
    for (;;) {
      const first = this.#queue[0];
      if (first === undefined || first.at > untilMs) break;
      this.#pop();
      this.now = first.at;
      first.run();
    }
    this.now = untilMs;
  }

  /** Until it holds; the time at which it did. */
  runUntil(holds: () => boolean, limitMs: number, stepMs = 10): number {
    const end = this.now + limitMs;
    while (!holds()) {
      if (this.now >= end) throw new Error(`did not happen within ${limitMs} ms`);
      this.run(this.now + stepMs);
    }
    return this.now;
  }

  #pop(): void {
    const last = this.#queue.pop() as Due;
    if (this.#queue.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      const right = this.#queue[child + 1];
      if (right !== undefined && before(right, this.#queue[child] as Due)) child += 1;
      const one = this.#queue[child];
      if (one === undefined || !before(one, last)) break;
      this.#queue[i] = one;
      i = child;
    }
    this.#queue[i] = last;
  }
}

function connected(from: Seat, to: Seat, multicast: boolean): boolean {
  if (from.cut || to.cut || from.side !== to.side) return false;
  return !multicast || (!from.unicastOnly && !to.unicastOnly);
}

function before(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

export function sees(seat: Seat, other: Seat): boolean {
  return seat.machine.peers().some(({ id }) => id === other.machine.self);
}

export function all(seats: readonly Seat[]): boolean {
  return seats.every((seat) => seat.machine.peers().length === seats.length - 1);
}

export function seen(seat: Seat, other: Seat): SitePeer | undefined {
  return seat.machine.peers().find(({ id }) => id === other.machine.self);
}
