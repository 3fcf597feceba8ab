// Who is banned for lying: two corrupt chunks from one peer within a minute; nobody else is blamed for them.
import type { MonotonicMs } from '../base/time.ts';
import type { PeerId } from './site.ts';

/** One bad chunk may be bad memory or a broken disk; a second one within this time is no accident. */
const WITHIN_MS = 60_000;
const BAN_MS = 10 * 60_000;

/** Only chunks that this node itself proved wrong count; what others say of a peer never does. */
export class Bans {
  readonly #corruptAt = new Map<PeerId, MonotonicMs>();
  readonly #untilMs = new Map<PeerId, MonotonicMs>();

  /** Counts a corrupt chunk; true when that bans the peer. */
  corrupt(peer: PeerId, now: MonotonicMs): boolean {
    const before = this.#corruptAt.get(peer);
    this.#corruptAt.set(peer, now);
    if (before === undefined || now - before > WITHIN_MS) return false;
    this.#corruptAt.delete(peer);
    this.#untilMs.set(peer, now + BAN_MS);
    return true;
  }

  isBanned(peer: PeerId, now: MonotonicMs): boolean {
    const until = this.#untilMs.get(peer);
    if (until === undefined) return false;
    if (now < until) return true;
    this.#untilMs.delete(peer);
    return false;
  }
}
