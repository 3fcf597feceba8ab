// Judges on behalf of the uplink: who may take whose place, who comes before whom, whether there is room for one more.
import type { MonotonicMs } from '../base/time.ts';
import type { LineCore } from './line-core.ts';
import type { Follower } from './line-follower.ts';

/** So many connections besides the line's own: latecomers while the uplink has room. */
const MOST_FOLLOWERS = 8;
/** A follower that was behind for so long is held up by its own link, or by ours. */
const BEHIND_MS = 400;
/** Slow is whoever takes less than this share of a speed that is known here. */
const SLOW_SHARE = 0.5;

export class Uplink {
  readonly #core: LineCore;
  readonly #followers: ReadonlyMap<string, Follower>;
  #trialAt: MonotonicMs = Number.NEGATIVE_INFINITY;
  #trialMs: number;
  /** The rate of the follower whose place the present one took. */
  #replaced: number | undefined;

  constructor(core: LineCore, followers: ReadonlyMap<string, Follower>) {
    this.#core = core;
    this.#followers = followers;
    this.#trialMs = core.limits.trialMs;
  }

  /** A chunk has left: what the uplink carries at least. */
  measure(follower: Follower): void {
    if (follower.isMeasured) this.#core.uplinkBest = Math.max(this.#core.uplinkBest, this.#totalRate());
  }

  /**
   * Go round: may one that claims this speed take the follower's place? Only if the follower is behind, and slower than
   * what we have sent, what we get, or what the other one claims. When the last exchange brought nothing, it is our
   * uplink that is slow; or both were, so it is tried again, ever more rarely.
   */
  mayReplace(follower: Follower, claim: number): boolean {
    const { now, limits, uplinkBest, intakeBest } = this.#core;
    if (follower.isSilent) return true;
    if (!follower.isBehind(BEHIND_MS)) return false;
    const { rate } = follower;
    const known = Math.max(uplinkBest, intakeBest, claim);
    if (known > 0 && rate >= SLOW_SHARE * known) return false;
    const inVain = this.#replaced !== undefined && rate <= 1.25 * this.#replaced;
    if (inVain && now < this.#trialAt) return false;
    this.#trialMs = inVain ? 10 * this.#trialMs : limits.trialMs;
    this.#trialAt = now + this.#trialMs;
    this.#replaced = rate;
    return true;
  }

  /** The line is kept in the order of progress: one far ahead of a follower, and no slower, comes before it. */
  goesBefore(held: number, speed: number, follower: Follower): boolean {
    if (held < follower.held + this.#core.limits.aheadRows) return false;
    return speed === 0 || (follower.speed > 0 && speed >= 0.8 * follower.speed);
  }

  /** For one more of this speed, beside what is being sent? Not when the speed is unknown. */
  hasRoom(speed: number): boolean {
    if (speed === 0 || this.#followers.size >= MOST_FOLLOWERS) return false;
    return this.#totalRate() + speed <= 0.9 * this.#core.uplinkBest;
  }

  /** The fastest follower that lives and uses the uplink; undefined when nobody does. */
  busiest(): Follower | undefined {
    let best: Follower | undefined;
    for (const follower of this.#followers.values()) {
      if (follower.isIdle || follower.isSilent) continue;
      if (best === undefined || follower.rate > best.rate) best = follower;
    }
    return best;
  }

  /** Two that were kept while the uplink had room, and fill it now: the later one goes behind the other. */
  tooMany(): { readonly who: Follower; readonly behind: Follower } | undefined {
    if (this.#followers.size < 2 || this.#totalRate() < SLOW_SHARE * this.#core.uplinkBest) return undefined;
    const behind = [...this.#followers.values()]
      .filter((follower) => !follower.joins && follower.isBehind(2 * BEHIND_MS))
      .sort((a, b) => b.held - a.held);
    const [first] = behind;
    const last = behind.at(-1);
    if (first === undefined || last === undefined || first === last) return undefined;
    return { who: last, behind: first };
  }

  #totalRate(): number {
    let total = 0;
    for (const follower of this.#followers.values()) total += follower.rate;
    return total;
  }
}
