// What is known of the one that feeds us: where it stands, whether it lives, how fast it is.
import type { MonotonicMs } from '../base/time.ts';
import { type LineCore, NO_SOURCE } from './line-core.ts';
import type { Standing } from './line-messages.ts';
import { RateMeter } from './line-rates.ts';
import type { PeerRef } from './site.ts';

/** A feeder that has so many chunks more than we can only be as slow as the link between us. */
export const WELL_AHEAD_ROWS = 4;
/** Those below a cut leave its healing to the one at the cut, for so long. */
const CUT_OFF_MS = 5_000;

/** A feeder that is cut off sends what is on its way without longer pauses. */
const DRAINED_MS = 400;

/** Silence begins to mean death after so many times the longest pause so far, and at three times the least at the latest. */
const GAPS = 2.5;
const LONGEST_SILENCES = 3;

export class Feeder {
  readonly ref: PeerRef;
  standing: Standing;
  /** False once it has pointed us elsewhere: it sends what it has begun, no more. */
  usable = true;
  misses = 0;
  readonly #core: LineCore;
  #heardAt: MonotonicMs;
  /** The longest that it kept us waiting for a sign of life; slowly forgotten. */
  #worstGapMs = 0;
  readonly #rate = new RateMeter();
  #bestRate = 0;
  /** Chunks in a row that came while it was well ahead of us. */
  #aheadRun = 0;
  /** Bytes came, or we began to wait for some. */
  #movedOnAt: MonotonicMs;
  #cutOffAt: MonotonicMs | undefined;

  constructor(core: LineCore, ref: PeerRef, standing: Standing) {
    this.#core = core;
    this.ref = ref;
    this.standing = standing;
    this.#heardAt = core.now;
    this.#movedOnAt = core.now;
  }

  get rate(): number {
    return this.#rate.rate(this.#core.now);
  }

  get bestRate(): number {
    return this.#bestRate;
  }

  heard(): void {
    const { now } = this.#core;
    this.#worstGapMs = Math.max(now - this.#heardAt, 0.98 * this.#worstGapMs);
    this.#heardAt = now;
  }

  /** From then on it is taken for dead: one on a busy machine, with long pauses all along, is given longer. */
  get silentAt(): MonotonicMs {
    const { silenceMs } = this.#core.limits;
    return (
      this.#heardAt + Math.max(silenceMs, Math.min(GAPS * this.#worstGapMs, LONGEST_SILENCES * silenceMs))
    );
  }

  /** We were held up ourselves for so long: what it sent waits to be read. */
  excuse(ms: number): void {
    this.#heardAt = Math.min(this.#heardAt + ms, this.#core.now);
    this.#movedOnAt = Math.min(this.#movedOnAt + ms, this.#core.now);
  }

  stands(standing: Standing): void {
    this.standing = standing;
    if (standing.depth < NO_SOURCE) this.#cutOffAt = undefined;
    else this.#cutOffAt ??= this.#core.now;
  }

  /** It has been asked for something after a pause: now its time to deliver begins. */
  askedAfterPause(): void {
    this.#movedOnAt = this.#core.now;
  }

  /** Bytes came: part of a chunk. */
  lives(): void {
    this.heard();
    this.#movedOnAt = this.#core.now;
  }

  /**
   * A chunk came, `outstanding` more are asked for. Returns our own speed when this tells it: the feeder was well ahead
   * of us all along (rule 2), so nothing but the link between us held us up.
   */
  came(bytes: number, outstanding: number): number | undefined {
    const { now, heldCount } = this.#core;
    this.misses = 0;
    this.#rate.add(bytes, now);
    const ahead = this.standing.held >= heldCount + WELL_AHEAD_ROWS && outstanding >= 2;
    this.#aheadRun = ahead ? this.#aheadRun + 1 : 0;
    if (this.#rate.points >= 4) this.#bestRate = Math.max(this.#bestRate, this.rate);
    return this.#aheadRun >= 4 ? this.rate : undefined;
  }

  /** It has what we asked for, lives, and sends nothing. */
  isStalled(outstanding: number): boolean {
    const { now, limits, heldCount, setup, isDesignated } = this.#core;
    const { held, depth } = this.standing;
    // The designated peer is the source that those above it wait for: once they have sent what they had, nothing comes.
    const patienceMs = isDesignated && depth >= NO_SOURCE ? DRAINED_MS : limits.stallMs;
    if (!this.usable || outstanding === 0 || now < this.#movedOnAt + patienceMs) return false;
    return isDesignated || held >= setup.rows || held >= heldCount + limits.aheadRows;
  }

  /** Cut off for so long that whoever should mend it does not; once, then it counts anew. */
  isGivenUp(): boolean {
    const { now } = this.#core;
    if (this.#cutOffAt === undefined || now < this.#cutOffAt + CUT_OFF_MS) return false;
    this.#cutOffAt = now;
    return true;
  }
}
