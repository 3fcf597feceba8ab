// The checker of the WAN budget: over no stretch of time may more bytes cross than its limit allows, on one machine or all.
import type { MonotonicMs } from '../base/time.ts';
import { burstBytes, type Limit } from '../swarm/budget.ts';
import type { PeerId } from '../swarm/site.ts';

/** One read of each of the fetches that a node has under way: reading shows how much came, so it is paid for afterwards. */
const READS = 3;
/** After so long all that cross know of one another, and share the limit. */
const AGREED_MS = 5000;

/** Fills with what crosses, empties with the limit: its level is the most that any stretch up to now was above the limit. */
class Level {
  #bytes = 0;
  #atMs: MonotonicMs;

  constructor(now: MonotonicMs) {
    this.#atMs = now;
  }

  add(bytes: number, limit: number, now: MonotonicMs): number {
    this.#bytes = Math.max(0, this.#bytes - (limit * (now - this.#atMs)) / 1000) + bytes;
    this.#atMs = now;
    return this.#bytes;
  }
}

export class Spending {
  readonly #limit: Limit;
  readonly #readBytes: number;
  readonly #now: () => MonotonicMs;
  readonly #violate: (what: string) => void;
  readonly #nodes = new Map<PeerId, Level>();
  /** When each of them last crossed. */
  readonly #crossedMs = new Map<PeerId, MonotonicMs>();
  #site: Level | undefined;
  /** Since when the same ones cross. */
  #sinceMs: MonotonicMs = 0;
  #excusedUntilMs: MonotonicMs = 0;

  /** `readBytes`: the most that one read brings. */
  constructor(limit: Limit, readBytes: number, now: () => MonotonicMs, violate: (what: string) => void) {
    this.#limit = limit;
    this.#readBytes = readBytes;
    this.#now = now;
    this.#violate = violate;
  }

  /** Machines do not hear one another for so long: each part of the site believes that it is all. */
  excuse(forMs: number): void {
    this.#excusedUntilMs = Math.max(this.#excusedUntilMs, this.#now() + forMs + AGREED_MS);
  }

  read(node: PeerId, name: string, bytes: number): void {
    if (this.#limit === null) return;
    const now = this.#now();
    const most = burstBytes(this.#limit) + READS * this.#readBytes;
    let own = this.#nodes.get(node);
    if (own === undefined) {
      own = new Level(now);
      this.#nodes.set(node, own);
    }
    // A changed share forgives what was owed under the old one: of that there is a read each again.
    const over = own.add(bytes, this.#limit, now) - 2 * most;
    if (over > 0) this.#violate(`${name} took ${Math.round(over)} bytes more over the WAN than its limit`);
    this.#all(node, bytes, this.#limit, most, now);
  }

  #all(node: PeerId, bytes: number, limit: number, most: number, now: MonotonicMs): void {
    const before = this.#crossedMs.get(node);
    if (before === undefined || now - before > AGREED_MS) this.#sinceMs = now;
    this.#crossedMs.set(node, now);
    for (const [other, atMs] of this.#crossedMs) {
      if (now - atMs <= AGREED_MS) continue;
      this.#crossedMs.delete(other);
      this.#sinceMs = now;
    }
    if (now < Math.max(this.#sinceMs + AGREED_MS, this.#excusedUntilMs)) {
      this.#site = undefined;
      return;
    }
    this.#site ??= new Level(now);
    const over = this.#site.add(bytes, limit, now) - 2 * most * this.#crossedMs.size;
    if (over > 0) this.#violate(`the site took ${Math.round(over)} bytes more over the WAN than its limit`);
  }
}
