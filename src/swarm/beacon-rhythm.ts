// When a beacon speaks, and to whom: each second, to its watchers alone or to all, by a beat or by its announcement.
import type { Random } from '../base/random.ts';
import type { MonotonicMs } from '../base/time.ts';
import {
  announceMs,
  BEAT_JITTER,
  BEAT_MS,
  DEFENCE_MS,
  GREETING_MS,
  progressMs,
  sparseMs,
} from './beacon-pace.ts';

/** Between two announcements that were not asked for. */
const ANNOUNCE_GAP_MS = 100;
/** The first announcement is repeated once: the switch may not have learned of our membership yet. */
const SECOND_GREETING_MS = 300;
const NEVER = Number.NEGATIVE_INFINITY;
const ALWAYS = Number.POSITIVE_INFINITY;

export type Turn = 'announcement' | 'to-all' | 'to-watchers';

export class Rhythm {
  readonly #random: Random;
  #beatAt: MonotonicMs = ALWAYS;
  /** When we beat to all last; and, in a large site, from when on a beat goes to all again. */
  #toAllAt: MonotonicMs = NEVER;
  #nextToAllAt: MonotonicMs = ALWAYS;
  /** The next beat at or after it is an announcement. */
  #announceAt: MonotonicMs = NEVER;
  #announcedAt: MonotonicMs = NEVER;
  #greetings = 0;
  #greetingUntil: MonotonicMs = NEVER;

  constructor(random: Random) {
    this.#random = random;
  }

  nextAt(): MonotonicMs {
    return this.#beatAt;
  }

  /** Our announcement shall be answered by theirs. */
  get wants(): boolean {
    return this.#greetings === 2;
  }

  /** We have come, or somebody may be behind a new interface. */
  greet(now: MonotonicMs): void {
    this.#greetings = 2;
    this.#greetingUntil = now + GREETING_MS;
    this.#announceAt = now;
    this.#beatAt = now;
  }

  /** Others would decide otherwise if they knew. */
  announceSoon(now: MonotonicMs): void {
    this.#announceAt = Math.min(this.#announceAt, Math.max(now, this.#announcedAt + ANNOUNCE_GAP_MS));
    this.#beatAt = Math.min(this.#beatAt, this.#announceAt);
  }

  announceByAndBy(peers: number): void {
    this.#announceAt = Math.min(this.#announceAt, this.#announcedAt + progressMs(peers));
  }

  /** Somebody suspects us: one beat answers all. */
  defend(now: MonotonicMs): void {
    this.#beatAt = Math.min(this.#beatAt, Math.max(now, this.#toAllAt + DEFENCE_MS));
    this.#nextToAllAt = NEVER;
  }

  /** A stranger beats to all: a part of the site may have been cut off, and shall not wait for all of us. */
  hurry(): void {
    this.#nextToAllAt = Math.min(this.#nextToAllAt, this.#toAllAt + 2 * BEAT_MS);
  }

  /** The beat that is due now. `announced` and `greeted` follow an announcement. */
  beat(peers: number, large: boolean, now: MonotonicMs): Turn {
    this.#beatAt = now + this.#jittered(BEAT_MS);
    if (now >= this.#announceAt) {
      this.#toAllAt = now;
      return 'announcement';
    }
    if (large && now >= this.#greetingUntil) {
      // Those for whom the site has become large together shall not beat to all together.
      if (this.#nextToAllAt === ALWAYS) this.#nextToAllAt = now + this.#random.next() * sparseMs(peers);
      if (now < this.#nextToAllAt) return 'to-watchers';
      this.#nextToAllAt = now + this.#jittered(sparseMs(peers));
    } else this.#nextToAllAt = ALWAYS;
    this.#toAllAt = now;
    return 'to-all';
  }

  /** To all. When it was news, a beat to all follows: whoever missed it asks then. */
  announced(peers: number, news: boolean, now: MonotonicMs): void {
    this.#announcedAt = now;
    this.#announceAt = now + announceMs(peers) * (1 + this.#random.next() / 4);
    if (news) this.#nextToAllAt = now;
  }

  greeted(now: MonotonicMs): void {
    if (this.#greetings === 0) return;
    this.#greetings -= 1;
    // Those who started together shall not beat together.
    this.#beatAt = now + SECOND_GREETING_MS + this.#random.next() * (BEAT_MS - SECOND_GREETING_MS);
    if (this.#greetings === 1) this.#announceAt = this.#beatAt;
  }

  #jittered(ms: number): number {
    return ms * (1 + BEAT_JITTER * (2 * this.#random.next() - 1));
  }
}
