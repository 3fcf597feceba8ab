// Judges on behalf of the uplink: who may take whose place, who comes before whom, whether there is room for one more.
import type { MonotonicMs } from '../base/time.ts';
import type { LineCore } from './line-core.ts';
import type { Follower } from './line-follower.ts';
import type { PeerId } from './site.ts';

/** So many connections besides the line's own: latecomers while the uplink has room. */
const MOST_FOLLOWERS = 8;
/** A follower that was behind for so long is held up by its own link, or by ours. */
const BEHIND_MS = 400;
/** So long nobody else has shown interest in the place of a slow follower. */
const DOUBT_MS = 1_200;
/** Slow is whoever takes less than this share of a speed that is known here. */
const SLOW_SHARE = 0.5;
/** A half-duplex card sends and receives at half of its speed: that is not yet slow. */
const SLOW_UPLINK_SHARE = 0.3;
/** Not faster than this by an exchange of followers: nothing was won. */
const IN_VAIN = 1.25;

export class Uplink {
  readonly #core: LineCore;
  readonly #followers: ReadonlyMap<string, Follower>;
  #trialAt: MonotonicMs = Number.NEGATIVE_INFINITY;
  #trialMs: number;
  /** When somebody last asked for a follower's place. */
  #askedAt: MonotonicMs = Number.NEGATIVE_INFINITY;
  /** The last exchange of followers: how fast the one was, who took its place, and what it claims. */
  #exchange: { readonly rate: number; readonly by: PeerId; readonly claim: number } | undefined;

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
  mayReplace(follower: Follower, by: PeerId, claim: number): boolean {
    const { now, limits } = this.#core;
    this.#askedAt = now;
    if (follower.isSilent) return true;
    if (!this.#isSlow(follower, claim)) return false;
    const { rate } = follower;
    const isNoFaster = claim > 0 && claim <= IN_VAIN * rate;
    if (isNoFaster) return false;
    const inVain = this.#exchange !== undefined && rate <= IN_VAIN * this.#exchange.rate;
    if (inVain && now < this.#trialAt) return false;
    this.#trialMs = inVain ? 10 * this.#trialMs : limits.trialMs;
    this.#trialAt = now + this.#trialMs;
    this.#exchange = { rate, by, claim };
    return true;
  }

  /** An exchange brought nothing, though the new one is not slow as far as it knows: our own uplink is. */
  isSlowItself(): boolean {
    const last = this.#exchange;
    const present = last === undefined ? undefined : this.#followers.get(last.by);
    if (last === undefined || present === undefined || present.isSilent) return false;
    if (!present.isBehind(BEHIND_MS)) return false;
    const { rate } = present;
    const isSlowToo = last.claim > 0 && rate > SLOW_SHARE * last.claim;
    const known = Math.max(last.claim, this.#core.intakeBest);
    const uplink = rate + this.#joinedRate();
    return !isSlowToo && rate <= IN_VAIN * last.rate && uplink < SLOW_UPLINK_SHARE * known;
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

  /** The only follower takes little, never took more elsewhere, and nobody comes after it who could tell: our uplink, or its link? */
  isDoubtful(): boolean {
    const [only, second] = this.#followers.values();
    const { now, intakeBest } = this.#core;
    if (only === undefined || second !== undefined || only.isSilent || only.isOnTrial) return false;
    if (!only.isBehind(DOUBT_MS)) return false;
    if (now < Math.max(only.cameAt, this.#askedAt) + DOUBT_MS) return false;
    const { rate, claimed } = only;
    return (
      rate + this.#joinedRate() < SLOW_UPLINK_SHARE * intakeBest && (claimed === 0 || claimed > 2 * rate)
    );
  }

  /**
   * Beside one that takes little because it is slow itself: what it leaves of the uplink is free, however fast the newcomer
   * is. What we are sent tells what we should be able to send.
   */
  idlesBeside(follower: Follower): boolean {
    const mayBeOurs = this.#core.uplinkSlow || this.#exchange?.by === follower.ref.id;
    const room = this.#followers.size < MOST_FOLLOWERS && !mayBeOurs;
    return room && this.#isSlow(follower, 0);
  }

  /** The fastest follower that lives and uses the uplink; undefined when nobody does. */
  busiest(): Follower | undefined {
    let best: Follower | undefined;
    for (const follower of this.#followers.values()) {
      if (follower.joins || follower.isIdle || follower.isSilent) continue;
      if (best === undefined || follower.rate > best.rate) best = follower;
    }
    return best;
  }

  /**
   * Two that were kept while the uplink had room, and fill it now: the later one goes behind the other. And a slow one goes
   * behind whoever came beside it and has passed it.
   */
  tooMany(): { readonly who: Follower; readonly behind: Follower } | undefined {
    if (this.#followers.size < 2) return undefined;
    const passed = this.#passed();
    if (passed !== undefined) return passed;
    if (this.#totalRate() < SLOW_SHARE * this.#core.uplinkBest) return undefined;
    const behind = [...this.#followers.values()]
      .filter((follower) => !follower.joins && follower.isBehind(2 * BEHIND_MS))
      .sort((a, b) => b.held - a.held);
    const [first] = behind;
    const last = behind.at(-1);
    if (first === undefined || last === undefined || first === last) return undefined;
    if (last.rate > 2 * first.rate && this.#isSlow(first, 0)) return undefined;
    return { who: last, behind: first };
  }

  #passed(): { readonly who: Follower; readonly behind: Follower } | undefined {
    for (const who of this.#followers.values()) {
      if (!this.#isSlow(who, 0)) continue;
      for (const behind of this.#followers.values()) {
        if (behind.held >= who.held + this.#core.limits.aheadRows && behind.rate > 2 * who.rate)
          return { who, behind };
      }
    }
    return undefined;
  }

  /** Behind, and slower than what we have sent, what we get, or what somebody else claims. */
  #isSlow(follower: Follower, claim: number): boolean {
    if (follower.isSilent || !follower.isBehind(BEHIND_MS)) return false;
    const known = Math.max(this.#core.uplinkBest, this.#core.intakeBest, claim);
    return follower.rate + this.#joinedRate() < SLOW_SHARE * known || known === 0;
  }

  /** What those take now that have us as one of many sources: it is missing to a follower, and no slowness of it. */
  #joinedRate(): number {
    let total = 0;
    for (const { joins, queue, rate } of this.#followers.values()) if (joins && queue.size > 0) total += rate;
    return total;
  }

  #totalRate(): number {
    let total = 0;
    for (const follower of this.#followers.values()) total += follower.rate;
    return total;
  }
}
