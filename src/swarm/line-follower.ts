// One follower as its feeder sees it: what it waits for, whether it lives, how fast it takes what we send.
import type { MonotonicMs } from '../base/time.ts';
import type { LineCore } from './line-core.ts';
import type { LineState, Row } from './line-ports.ts';
import { BusyMeter } from './line-rates.ts';
import type { PeerRef } from './site.ts';

/** A follower that wanted nothing for so long does not use the uplink. */
const IDLE_MS = 2_000;

export class Follower {
  readonly ref: PeerRef;
  held: number;
  /** Its own speed as far as it knows it, bytes per second; 0: unknown. */
  speed: number;
  /** What it knew of its speed when it came. */
  readonly claimed: number;
  readonly cameAt: MonotonicMs;
  /** It has taken the place of one that was fast enough. */
  isOnTrial = false;
  /** Its uplink is slow: whoever it sends up to us takes its place. */
  yields = false;
  heardAt: MonotonicMs;
  /** We are one of its many sources (mesh), not its feeder: it is told what we hold, and pointed to nobody. */
  joins = false;
  /** Rows asked for, held by us, not yet sent. */
  readonly queue = new Set<Row>();
  /** Rows asked for that are on their way to us. */
  readonly waits = new Set<Row>();
  readonly #core: LineCore;
  readonly #sent = new BusyMeter();
  /** It wanted or was sent something. */
  #activeAt: MonotonicMs;
  /** Since when many rows wait for it without a break. */
  #behindSince: MonotonicMs | undefined;

  constructor(core: LineCore, ref: PeerRef, held: number, speed: number) {
    this.#core = core;
    this.ref = ref;
    this.held = held;
    this.speed = speed;
    this.claimed = speed;
    this.cameAt = core.now;
    this.heardAt = core.now;
    this.#activeAt = core.now;
  }

  heard(): void {
    this.heardAt = this.#core.now;
    this.#activeAt = this.#core.now;
  }

  /** A row is to be sent; false: it is already. */
  queued(row: Row): boolean {
    if (this.queue.has(row)) return false;
    const { now, limits } = this.#core;
    this.queue.add(row);
    this.#activeAt = now;
    this.#sent.begin(now);
    if (this.queue.size >= limits.behindRows) this.#behindSince ??= now;
    return true;
  }

  /** It need not be sent any more; false: it was not to be. */
  unqueued(row: Row): boolean {
    if (!this.queue.delete(row)) return false;
    if (this.queue.size === 0) this.#sent.stop();
    this.#caughtUp();
    return true;
  }

  sent(row: Row, bytes: number): void {
    const { now } = this.#core;
    this.queue.delete(row);
    this.#activeAt = now;
    this.#sent.sent(bytes, this.queue.size > 0, now);
    this.#caughtUp();
  }

  /** Bytes per second while there is something to send; 0: not known. */
  get rate(): number {
    const [next] = this.queue;
    return this.#sent.rate(next === undefined ? 0 : this.#core.setup.storedBytes(next), this.#core.now);
  }

  /** For screens. */
  rateView(): LineState['followers'][number] {
    const { ref, rate, held, joins } = this;
    return { id: ref.id, rate: Math.round(rate), held, ...(joins ? { joins } : {}) };
  }

  get isMeasured(): boolean {
    return this.#sent.points >= 8;
  }

  get isSilent(): boolean {
    return this.#core.now >= this.heardAt + this.#core.limits.silenceMs;
  }

  get isIdle(): boolean {
    return this.queue.size + this.waits.size === 0 && this.#core.now > this.#activeAt + IDLE_MS;
  }

  /** Held up by its own link, or by ours, for so long. */
  isBehind(forMs: number): boolean {
    return this.#behindSince !== undefined && this.#core.now >= this.#behindSince + forMs;
  }

  #caughtUp(): void {
    if (this.queue.size < this.#core.limits.behindRows) this.#behindSince = undefined;
  }
}
