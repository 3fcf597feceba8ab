// Answers to those who ask for our announcement: gathered for a moment, since one multicast may serve them all.
import { type Random, randomInt } from '../base/random.ts';
import type { MonotonicMs } from '../base/time.ts';
import { spreadMs } from './beacon-pace.ts';
import type { BeaconEndpoint } from './beacon-table.ts';
import { endpointKey } from './beacon-told.ts';

/** Between two rounds of answers, so that however many ask, little is said. */
const GAP_MS = 150;
const MOST_IN_ONE_ROUND = 16;
const NEVER = Number.NEGATIVE_INFINITY;
const ALWAYS = Number.POSITIVE_INFINITY;

export interface Round {
  readonly unicast: readonly BeaconEndpoint[];
  readonly multicast: boolean;
}

export class Answers {
  readonly #random: Random;
  readonly #near = new Map<string, BeaconEndpoint>();
  /** Those that multicast does not reach. */
  readonly #direct = new Map<string, BeaconEndpoint>();
  #dueAt: MonotonicMs = ALWAYS;
  #lastAt: MonotonicMs = NEVER;

  constructor(random: Random) {
    this.#random = random;
  }

  ask(from: BeaconEndpoint, direct: boolean, peers: number, now: MonotonicMs): void {
    const asking = direct ? this.#direct : this.#near;
    if (asking.size < MOST_IN_ONE_ROUND) asking.set(endpointKey(from), from);
    if (this.#dueAt !== ALWAYS) return;
    const spread = spreadMs(peers);
    this.#dueAt = Math.max(now + randomInt(this.#random, spread), this.#lastAt + Math.max(GAP_MS, spread));
  }

  /** What they asked for went out by multicast anyway. */
  announcedToAll(): void {
    this.#near.clear();
    if (this.#direct.size === 0) this.#dueAt = ALWAYS;
  }

  due(now: MonotonicMs): Round | undefined {
    if (now < this.#dueAt) return undefined;
    const multicast = this.#near.size > 1;
    const unicast = [...this.#direct.values(), ...(multicast ? [] : this.#near.values())];
    this.#near.clear();
    this.#direct.clear();
    this.#dueAt = ALWAYS;
    this.#lastAt = now;
    return { unicast, multicast };
  }

  nextAt(): MonotonicMs {
    return this.#dueAt;
  }
}
