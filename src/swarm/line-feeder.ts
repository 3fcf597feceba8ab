// The follower's side of a line: whom to ask, walking to the end, measuring, going round a slow feeder, healing.
import type { MonotonicMs } from '../base/time.ts';
import { chooseFeeder } from './line-choice.ts';
import { type LineCore, NO_SOURCE } from './line-core.ts';
import type { FeederMessage, Standing } from './line-messages.ts';
import { RateMeter } from './line-rates.ts';
import type { Wants } from './line-wants.ts';
import type { PeerId, PeerRef } from './site.ts';

export interface Feeder {
  readonly ref: PeerRef;
  standing: Standing;
  /** False once it has pointed us elsewhere: it sends what it has begun, no more. */
  usable: boolean;
  heardAt: MonotonicMs;
  /** Bytes came, or we began to wait for some. */
  movedOnAt: MonotonicMs;
  cutOffAt: MonotonicMs | undefined;
  readonly rate: RateMeter;
  bestRate: number;
  /** Chunks in a row that came while it was well ahead of us. */
  aheadRun: number;
  misses: number;
}

type Why = 'first' | 'moved' | 'heal' | 'round';

interface Attempt {
  readonly ref: PeerRef;
  readonly why: Why;
  readonly insteadOf: PeerId | undefined;
  readonly deadline: MonotonicMs;
  readonly steps: number;
}

/** Steps of one walk: a line of so many is walked to its end; more is somebody's game. */
const MOST_STEPS = 1_000;
/** A feeder that has so many chunks more than we can only be as slow as the link between us. */
/** After a loss, so long until all below us know that they are cut off and would not do as our feeder. */
const SETTLE_MS = 300;
/** Those below a cut leave its healing to the one at the cut, for so long. */
const CUT_OFF_MS = 5_000;
/** So often the one right above the feeder is asked before those further up. */
const PATIENT_ROUNDS = 4;
const WELL_AHEAD_ROWS = 4;

export class Upwards {
  readonly #core: LineCore;
  readonly #wants: Wants;
  /** Is it a follower of ours? */
  readonly #follows: (peer: PeerId) => boolean;
  #lostAt: MonotonicMs = 0;
  current: Feeder | undefined;
  #attempt: Attempt | undefined;
  readonly #open = new Set<PeerId>();
  /** Whom to ask when the feeder is lost, the nearest above it first. */
  #next: PeerRef[] = [];
  readonly #tried = new Set<PeerId>();
  #dead: PeerId | undefined;
  #retryAt: MonotonicMs = 0;
  #retries = 0;
  #beatAt: MonotonicMs = Number.POSITIVE_INFINITY;
  #roundAt: MonotonicMs = Number.POSITIVE_INFINITY;
  #roundMs: number;
  /** Questions to go round since attaching. */
  #roundAsked = 0;
  #dropped = false;
  /** Our own speed as last measured, bytes per second; 0: not known. */
  ownRate = 0;

  constructor(core: LineCore, wants: Wants, follows: (peer: PeerId) => boolean) {
    this.#core = core;
    this.#follows = follows;
    this.#wants = wants;
    this.#roundMs = core.limits.roundMs[0];
  }

  get asking(): PeerId | undefined {
    return this.#attempt?.ref.id;
  }

  /** Where we are being moved to: whoever asks us now goes there, too. */
  get movingTo(): PeerRef | undefined {
    return this.current?.usable === false ? this.#attempt?.ref : undefined;
  }

  /** The feeder that may be asked for chunks now. */
  get source(): Feeder | undefined {
    return this.current?.usable === true ? this.current : undefined;
  }

  /** Looks for a feeder when there is none and `wanted` says that one would help; false: nobody can be asked now. */
  seek(wanted: boolean): boolean {
    if (!wanted || this.#attempt !== undefined || this.source !== undefined) return wanted;
    if (this.#core.now < this.#retryAt) return false;
    const ref = this.#candidate();
    if (ref === undefined) {
      const [first, longest] = this.#core.limits.retryMs;
      this.#retryAt = this.#core.now + this.#jittered(Math.min(first * 2 ** this.#retries, longest));
      this.#retries++;
      this.#tried.clear();
      return false;
    }
    this.#ask(ref, this.#dead === undefined ? 'first' : 'heal', this.#dead, 0);
    return true;
  }

  /** The site has changed: whoever was not there may be now. */
  siteChanged(): void {
    this.#retryAt = this.#core.now;
    this.#retries = 0;
    this.#tried.clear();
  }

  opened(id: PeerId): void {
    const attempt = this.#attempt;
    if (attempt?.ref.id !== id) {
      if (this.current?.ref.id !== id) this.#core.act({ kind: 'hang-up', feeder: id });
      return;
    }
    this.#open.add(id);
    this.#tellAttach(id, attempt.insteadOf);
  }

  says(id: PeerId, message: FeederMessage): void {
    const current = this.current?.ref.id === id ? this.current : undefined;
    if (current !== undefined) current.heardAt = this.#core.now;
    switch (message.kind) {
      case 'attached':
        if (this.#attempt?.ref.id === id) this.#adopt(this.#attempt, message);
        else if (current !== undefined) this.#stands(current, message);
        return;
      case 'standing':
        if (current !== undefined) this.#stands(current, message);
        return;
      case 'moved':
        this.#moved(id, message.to, message.why);
        return;
      case 'refused':
        if (this.#attempt?.ref.id === id) this.#fail(`refused: ${message.why}`, message.why !== 'cycle');
        else if (current !== undefined) this.lose(`refused: ${message.why}`, true);
        return;
      case 'missing':
      case 'holds':
      case 'have':
        return;
    }
  }

  lost(id: PeerId, why: string): void {
    this.#open.delete(id);
    const asked = this.#attempt?.ref.id === id;
    if (this.current?.ref.id === id) this.lose(why, true);
    if (asked) this.#fail(why, true);
  }

  /** A chunk, or part of one, came from the feeder. */
  came(id: PeerId, wholeBytes: number): void {
    const feeder = this.current;
    if (feeder?.ref.id !== id) return;
    const { now } = this.#core;
    feeder.heardAt = now;
    feeder.movedOnAt = now;
    if (wholeBytes === 0) return;
    feeder.misses = 0;
    feeder.rate.add(wholeBytes, now);
    const { held } = feeder.standing;
    const ahead = held >= this.#core.heldCount + WELL_AHEAD_ROWS && this.#wants.fetchedFrom(id).size >= 2;
    feeder.aheadRun = ahead ? feeder.aheadRun + 1 : 0;
    if (feeder.aheadRun >= 4) this.ownRate = feeder.rate.rate(now);
    if (feeder.rate.points >= 4) feeder.bestRate = Math.max(feeder.bestRate, feeder.rate.rate(now));
    this.#core.delivered(id);
  }

  /** It has been asked for something after a pause: now the time to deliver begins. */
  asked(feeder: Feeder): void {
    if (this.#wants.fetchedFrom(feeder.ref.id).size === 0) feeder.movedOnAt = this.#core.now;
  }

  /** A chunk that it does not have after all: often, and it is no feeder for us. */
  missed(id: PeerId, what: string): void {
    const feeder = this.current;
    if (feeder?.ref.id !== id) return;
    feeder.misses++;
    if (feeder.misses >= 3) this.lose(what, true);
  }

  /** Gives the feeder up; what was asked of it waits for the next one. `aside`: it has failed us. */
  lose(why: string, aside: boolean): void {
    const feeder = this.current;
    if (feeder === undefined) return;
    this.current = undefined;
    this.#lostAt = this.#core.now;
    this.#roundAt = Number.POSITIVE_INFINITY;
    this.#beatAt = Number.POSITIVE_INFINITY;
    const { id } = feeder.ref;
    if (aside) {
      this.#core.setAside(id, why);
      this.#dead = id;
      this.#next = [...feeder.standing.above];
    }
    this.#takeBack(id, this.#open.has(id));
    if (this.#attempt?.ref.id !== id) this.#hangUp(id);
    if (this.#attempt?.why === 'round') this.#attempt = { ...this.#attempt, why: 'heal' };
    this.#retryAt = this.#core.now;
    this.#retries = 0;
    this.#tried.clear();
  }

  /** No feeder any more: all is held, or we pause, leave, or cross the WAN ourselves. */
  release(why: string): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (attempt !== undefined && attempt.ref.id !== this.current?.ref.id) this.#hangUp(attempt.ref.id);
    this.lose(why, false);
    this.#dead = undefined;
  }

  tick(): void {
    const { now, limits } = this.#core;
    const attempt = this.#attempt;
    if (attempt !== undefined && now >= attempt.deadline) this.#fail('no answer', true);
    const feeder = this.current;
    if (feeder === undefined) return;
    if (now >= feeder.heardAt + limits.silenceMs) {
      this.lose('silent', true);
      return;
    }
    if (this.#stalled(feeder)) {
      this.lose('stalled', true);
      return;
    }
    if (now < this.#beatAt) return;
    this.#beatAt = now + limits.beatMs;
    this.#tellAttach(feeder.ref.id, undefined);
    this.#watchRate(feeder);
    if (this.#attempt !== undefined || !feeder.usable) return;
    if (feeder.cutOffAt !== undefined && now >= feeder.cutOffAt + CUT_OFF_MS) this.#leaveCutOff(feeder);
    else if (now >= this.#roundAt) this.#goRound(feeder);
  }

  nextWake(): MonotonicMs {
    let at = this.#attempt?.deadline ?? Number.POSITIVE_INFINITY;
    if (this.current !== undefined)
      at = Math.min(at, this.#beatAt, this.current.heardAt + this.#core.limits.silenceMs);
    return at;
  }

  /** When `seek` may find somebody again. */
  get retryAt(): MonotonicMs {
    return this.#retryAt;
  }

  #candidate(): PeerRef | undefined {
    for (;;) {
      const ref = this.#next.shift();
      if (ref === undefined) break;
      if (this.#core.usable(ref.id) && !this.#tried.has(ref.id)) return ref;
    }
    return this.#choose(this.#core.now < this.#lostAt + SETTLE_MS);
  }

  #choose(sources: boolean): PeerRef | undefined {
    const { isDesignated } = this.#core;
    const unwanted = (id: PeerId) => this.#tried.has(id) || (!isDesignated && this.#follows(id));
    return chooseFeeder(this.#core, unwanted, sources);
  }

  #ask(ref: PeerRef, why: Why, insteadOf: PeerId | undefined, steps: number): void {
    const deadline = this.#core.now + this.#core.limits.dialMs;
    this.#attempt = { ref, why, insteadOf, deadline, steps };
    this.#tried.add(ref.id);
    if (this.#open.has(ref.id)) this.#tellAttach(ref.id, insteadOf);
    else this.#core.act({ kind: 'dial', to: ref });
  }

  #tellAttach(feeder: PeerId, insteadOf: PeerId | undefined): void {
    // To go round is to claim more speed than the slow one has: what our uplink carries, our downlink should, too.
    const claim = this.#attempt?.why === 'round' && insteadOf !== undefined ? this.#core.uplinkBest : 0;
    const rate = Math.round(Math.max(this.ownRate, claim));
    const facts = { kind: 'attach', held: this.#core.heldCount, rate } as const;
    const message = insteadOf === undefined ? facts : { ...facts, insteadOf };
    this.#core.act({ kind: 'tell-feeder', feeder, message });
  }

  #adopt(attempt: Attempt, standing: Standing): void {
    const old = this.current;
    const { now, limits } = this.#core;
    this.#attempt = undefined;
    this.#dead = undefined;
    this.#next = [];
    this.#retries = 0;
    this.#tried.clear();
    this.current = {
      ref: attempt.ref,
      standing,
      usable: true,
      heardAt: now,
      movedOnAt: now,
      cutOffAt: undefined,
      rate: new RateMeter(),
      bestRate: 0,
      aheadRun: 0,
      misses: 0,
    };
    if (old !== undefined && old.ref.id !== attempt.ref.id) {
      this.#takeBack(old.ref.id, true);
      this.#hangUp(old.ref.id);
    }
    this.#beatAt = now + limits.beatMs;
    this.#roundMs = limits.roundMs[0];
    this.#roundAsked = 0;
    this.#roundAt = now + this.#jittered(this.#roundMs);
    this.#wants.wakeAll();
    const what = { first: 'attached', moved: 'moved', heal: 'healed', round: 'went-round' } as const;
    this.#core.note(
      what[attempt.why],
      standing.depth >= NO_SOURCE ? 'no source yet' : `depth ${standing.depth + 1}`,
      attempt.ref.id,
    );
    this.#stands(this.current, standing);
  }

  #stands(feeder: Feeder, standing: Standing): void {
    const { setup, limits, isDesignated, now } = this.#core;
    feeder.standing = standing;
    const ring = standing.above.some((ref) => ref.id === setup.self);
    const endless = standing.depth >= limits.maxDepth && standing.depth < NO_SOURCE;
    if (!isDesignated && (ring || endless)) this.lose('ring', true);
    else if (standing.depth < NO_SOURCE) feeder.cutOffAt = undefined;
    else feeder.cutOffAt ??= now;
  }

  #moved(id: PeerId, to: PeerRef, why: string): void {
    const attempt = this.#attempt;
    if (attempt?.ref.id === id) {
      this.#attempt = undefined;
      if (this.current?.ref.id !== id) this.#hangUp(id);
      if (attempt.why === 'round') {
        this.#notRound();
        return;
      }
      if (!this.#core.usable(to.id) || attempt.steps >= MOST_STEPS) return;
      const again = this.#tried.has(to.id);
      if (!again) this.#ask(to, attempt.why, undefined, attempt.steps + 1);
      return;
    }
    const current = this.current;
    if (current?.ref.id !== id) return;
    if (attempt !== undefined && attempt.why === 'round') {
      this.#attempt = undefined;
      this.#hangUp(attempt.ref.id);
    }
    current.usable = false;
    this.#tried.clear();
    this.#retryAt = this.#core.now;
    this.#next = [...current.standing.above];
    if (why === 'leaving') this.#core.setAside(id, 'leaving');
    if (this.#attempt === undefined && this.#core.usable(to.id))
      this.#ask(to, 'moved', why === 'leaving' ? id : undefined, 0);
  }

  #fail(why: string, aside: boolean): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    this.#attempt = undefined;
    const { id } = attempt.ref;
    if (this.current?.ref.id !== id) this.#hangUp(id);
    if (attempt.why === 'round') {
      this.#notRound();
      return;
    }
    if (aside) this.#core.setAside(id, why);
  }

  #hangUp(id: PeerId): void {
    this.#open.delete(id);
    this.#core.act({ kind: 'hang-up', feeder: id });
  }

  /** What was asked of it shall be asked of somebody else. */
  #takeBack(id: PeerId, cancel: boolean): void {
    for (const row of [...this.#wants.fetchedFrom(id)]) {
      if (cancel) this.#core.act({ kind: 'cancel', row, from: id });
      this.#wants.requeue(row);
    }
  }

  #stalled(feeder: Feeder): boolean {
    const { now, limits, heldCount, setup, isDesignated } = this.#core;
    if (!feeder.usable || this.#wants.fetchedFrom(feeder.ref.id).size === 0) return false;
    const { held } = feeder.standing;
    const hasIt = isDesignated || held >= setup.rows || held >= heldCount + limits.aheadRows;
    return hasIt && now - feeder.movedOnAt >= limits.stallMs;
  }

  /** A fall of our rate is worth asking the one above the feeder early. */
  #watchRate(feeder: Feeder): void {
    const rate = feeder.rate.rate(this.#core.now);
    if (rate >= 0.8 * feeder.bestRate) this.#dropped = false;
    else if (rate < 0.6 * feeder.bestRate && !this.#dropped) {
      this.#dropped = true;
      this.#roundAsked = 0;
      this.#roundMs = this.#core.limits.roundMs[0];
      this.#roundAt = Math.min(this.#roundAt, this.#core.now + this.#roundMs / 2);
    }
  }

  /** At the heels of a feeder that may be slow: the one above it knows, and takes us in its place if so. */
  #goRound(feeder: Feeder): void {
    const atHeels =
      this.#wants.fetchedFrom(feeder.ref.id).size >= 2 &&
      feeder.standing.held < this.#core.heldCount + WELL_AHEAD_ROWS;
    // First the one above the feeder; then further up, for two slow ones may stand behind each other.
    const chain = [feeder.ref, ...feeder.standing.above];
    const step = Math.max(this.#roundAsked - PATIENT_ROUNDS, 0) % Math.max(chain.length - 1, 1);
    const slow = chain[step];
    const above = chain[step + 1];
    if (!atHeels || slow === undefined || above === undefined || !this.#core.usable(above.id)) {
      this.#roundAt = this.#core.now + this.#jittered(this.#core.limits.roundMs[0]);
      return;
    }
    this.#roundAsked++;
    this.#roundAt = Number.POSITIVE_INFINITY;
    this.#ask(above, 'round', slow.id, 0);
  }

  #notRound(): void {
    if (this.#roundAsked > PATIENT_ROUNDS)
      this.#roundMs = Math.min(this.#roundMs * 2, this.#core.limits.roundMs[1]);
    this.#roundAt = this.#core.now + this.#jittered(this.#roundMs);
  }

  /** Neighbours that began together shall not ask together. */
  #jittered(ms: number): number {
    return ms * (0.75 + this.#core.random.next() / 2);
  }

  /** Nobody above has a source for long: the designated peer may be another by now. */
  #leaveCutOff(feeder: Feeder): void {
    feeder.cutOffAt = this.#core.now;
    this.#tried.clear();
    this.#tried.add(feeder.ref.id);
    const ref = this.#choose(true);
    if (ref !== undefined) this.#ask(ref, 'heal', undefined, 0);
  }
}
