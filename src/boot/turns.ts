// Whose turn it is to answer: the site's boot hosts rank themselves for each machine, and the next one speaks when the better one is silent.
//
// All hear the same broadcast. The first in rank answers at once and tells the others; each of the others waits its turn, and
// stays silent if a better one has answered meanwhile. All turns are over well inside the 2 s that iPXE waits for a
// proxy's offer, and EDK2 and the BIOS ROMs wait longer. A machine that asks again with the same transaction did not get
// what was answered: then nobody is silent because of another's word.
import type { Mac } from '../base/addresses.ts';
import type { MonotonicMs } from '../base/time.ts';

/** Between two turns: time for the better one's answer, and its word of it, on a busy machine. */
export const TURN_MS = 150;
const LAST_TURN = 8;
/** A transaction is over, with all its retries (RFC 4578, PXE 2.1 §2.2.4: 4, 8, 16, 32 s). */
const FORGET_MS = 65_000;
const MOST_REQUESTS = 4096;

export interface BootRequest {
  readonly mac: Mac;
  /** Transaction id of its DISCOVER. */
  readonly xid: number;
}

/** Milliseconds that the host of this rank (0: the first) waits. */
export function turnMs(rank: number): number {
  return Math.min(rank, LAST_TURN) * TURN_MS;
}

/** Option 175.1 of an offer to iPXE, which takes the highest: 127 for the first in rank, never below 1. */
export function offerPriority(rank: number): number {
  return Math.max(127 - rank, 1);
}

interface Heard {
  readonly since: MonotonicMs;
  asked: number;
  /** The best rank that has answered it, as far as we were told. */
  answeredBy: number;
}

/** What is remembered of requests; bounded, since anybody may ask. */
export class BootTurns {
  readonly #heard = new Map<string, Heard>();

  /** It has asked; returns how long we wait before `mayAnswer` is to be asked. */
  asked(request: BootRequest, rank: number, now: MonotonicMs): number {
    this.#of(request, now).asked += 1;
    return turnMs(rank);
  }

  /** The boot host of this rank says that it has answered. */
  answered(request: BootRequest, rank: number, now: MonotonicMs): void {
    const heard = this.#of(request, now);
    heard.answeredBy = Math.min(heard.answeredBy, rank);
  }

  /** Our turn has come. False: a better one has answered, and the machine has not asked again since. */
  mayAnswer(request: BootRequest, rank: number, now: MonotonicMs): boolean {
    const { asked, answeredBy } = this.#of(request, now);
    return asked > 1 || answeredBy >= rank;
  }

  get size(): number {
    return this.#heard.size;
  }

  #of({ mac, xid }: BootRequest, now: MonotonicMs): Heard {
    const key = `${mac} ${xid}`;
    const known = this.#heard.get(key);
    if (known !== undefined && now - known.since < FORGET_MS) return known;
    this.#heard.delete(key);
    const oldest = this.#heard.keys().next();
    if (this.#heard.size >= MOST_REQUESTS && oldest.done !== true) this.#heard.delete(oldest.value);
    const heard = { since: now, asked: 0, answeredBy: Number.POSITIVE_INFINITY };
    this.#heard.set(key, heard);
    return heard;
  }
}
