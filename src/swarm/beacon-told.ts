// Addresses that we were told of: they get beats by unicast, ever more seldom while nobody answers there.
import { type Random, randomInt } from '../base/random.ts';
import type { MonotonicMs } from '../base/time.ts';
import type { BeaconEndpoint } from './beacon-table.ts';

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;
const MOST_TOLD = 256;

interface Told {
  readonly endpoint: BeaconEndpoint;
  tries: number;
  nextAt: MonotonicMs;
  answering: boolean;
}

export class ToldAddresses {
  readonly #random: Random;
  readonly #told = new Map<string, Told>();

  constructor(random: Random) {
    this.#random = random;
  }

  add(endpoint: BeaconEndpoint, now: MonotonicMs): void {
    const key = endpointKey(endpoint);
    if (this.#told.has(key) || this.#told.size >= MOST_TOLD) return;
    this.#told.set(key, { endpoint, tries: 0, nextAt: now, answering: false });
  }

  /** It is ourselves. */
  remove(endpoint: BeaconEndpoint): void {
    this.#told.delete(endpointKey(endpoint));
  }

  answered(endpoint: BeaconEndpoint): void {
    if (this.#told.size === 0) return;
    const told = this.#told.get(endpointKey(endpoint));
    if (told === undefined) return;
    told.answering = true;
    told.tries = 0;
  }

  /** Nobody is heard from there any more. */
  silent(endpoint: BeaconEndpoint, now: MonotonicMs): void {
    const told = this.#told.get(endpointKey(endpoint));
    if (told?.answering !== true) return;
    told.answering = false;
    told.nextAt = now + FIRST_RETRY_MS;
  }

  answering(): readonly BeaconEndpoint[] {
    return [...this.#told.values()].filter(({ answering }) => answering).map(({ endpoint }) => endpoint);
  }

  /** Those to try now; each is put off for longer than the last time. */
  due(now: MonotonicMs): readonly BeaconEndpoint[] {
    const due = [...this.#told.values()].filter(({ answering, nextAt }) => !answering && nextAt <= now);
    for (const told of due) {
      const waitMs = Math.min(FIRST_RETRY_MS * 2 ** told.tries, LONGEST_RETRY_MS);
      told.tries = Math.min(told.tries + 1, 16);
      told.nextAt = now + waitMs + randomInt(this.#random, waitMs / 4);
    }
    return due.map(({ endpoint }) => endpoint);
  }

  nextAt(): MonotonicMs {
    let next = Number.POSITIVE_INFINITY;
    for (const told of this.#told.values()) if (!told.answering) next = Math.min(next, told.nextAt);
    return next;
  }
}

export function endpointKey({ address, port }: BeaconEndpoint): string {
  return `${address}:${port}`;
}
