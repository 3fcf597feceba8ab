// The follower's side of a line: whom to ask, walking to the end, measuring, going round a slow feeder, healing.
import { assert } from '../base/errors.ts';
import type { MonotonicMs } from '../base/time.ts';
import { chooseFeeder } from './line-choice.ts';
import { type LineCore, NO_SOURCE } from './line-core.ts';
import { Feeder, WELL_AHEAD_ROWS } from './line-feeder.ts';
import type { FeederMessage, Standing } from './line-messages.ts';

import { Rounds } from './line-rounds.ts';
import type { Wants } from './line-wants.ts';
import type { PeerId, PeerRef } from './site.ts';

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
/** To be sent up instead of going on down counts for so many. */
const SENT_UP_STEPS = 200;
/** After a loss, so long until all below us know that they are cut off and would not do as our feeder. */
const SETTLE_MS = 300;

export class Upwards {
  readonly #core: LineCore;
  readonly #wants: Wants;
  /** Is it a follower of ours? */
  readonly #follows: (peer: PeerId) => boolean;
  #lostAt: MonotonicMs = Number.NEGATIVE_INFINITY;
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
  readonly #rounds: Rounds;
  /** Our own speed as last measured, bytes per second; 0: not known. */
  ownRate = 0;

  constructor(core: LineCore, wants: Wants, follows: (peer: PeerId) => boolean) {
    this.#core = core;
    this.#follows = follows;
    this.#wants = wants;
    this.#rounds = new Rounds(core);
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
      this.#retryAt = this.#core.now + this.#core.jittered(Math.min(first * 2 ** this.#retries, longest));
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
    if (current !== undefined) current.heard();
    switch (message.kind) {
      case 'attached':
      case 'standing':
        // Told to followers only: one that had pointed us elsewhere has taken our beat for an attach, and us back.
        if (this.#attempt?.ref.id === id) this.#adopt(this.#attempt, message);
        else if (current?.usable === false && this.#attempt === undefined)
          this.#adopt({ ref: current.ref, why: 'moved' }, message);
        else if (current !== undefined) this.#stands(current, message);
        return;
      case 'moved':
        this.#moved(id, message.to, message.why);
        return;
      case 'refused':
        // One that has no source yet, as all have when machines start together, may have one in a moment.
        if (this.#attempt?.ref.id === id)
          this.#fail(`refused: ${message.why}`, message.why === 'banned' || message.why === 'unknown-image');
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
    const feeds = this.current?.ref.id === id;
    if (feeds || asked) this.#core.act({ kind: 'suspect', peer: id });
    if (feeds) this.lose(why, true);
    if (asked) this.#fail(why, true);
  }

  /** How far we are, how fast, and whether we yield. */
  tell(): void {
    if (this.current !== undefined) this.#tellAttach(this.current.ref.id, undefined);
  }

  /** A chunk, or part of one, came from the feeder. */
  came(id: PeerId, wholeBytes: number): void {
    const feeder = this.current;
    if (feeder?.ref.id !== id) return;
    feeder.lives();
    if (wholeBytes === 0) return;
    this.ownRate = feeder.came(wholeBytes, this.#wants.fetchedFrom(id).size) ?? this.ownRate;
    this.#core.delivered(id);
  }

  /** It has been asked for something after a pause: now the time to deliver begins. */
  asked(feeder: Feeder): void {
    if (this.#wants.fetchedFrom(feeder.ref.id).size === 0) feeder.askedAfterPause();
  }

  /** A chunk that it does not have after all: often, and it is no feeder for us. */
  missed(id: PeerId, what: string): void {
    const feeder = this.current;
    assert(feeder?.ref.id === id, 'what a lost feeder was asked for has been taken back');
    feeder.misses++;
    if (feeder.misses >= 3) this.lose(what, true);
  }

  /** Gives the feeder up; what was asked of it waits for the next one. `aside`: it has failed us. */
  lose(why: string, aside: boolean): void {
    const feeder = this.current;
    if (feeder === undefined) return;
    this.current = undefined;
    this.#lostAt = this.#core.now;
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

  /** This node itself was held up for so long: nobody else is to blame for it. */
  excuse(ms: number): void {
    this.current?.excuse(ms);
    if (this.#attempt !== undefined)
      this.#attempt = { ...this.#attempt, deadline: this.#attempt.deadline + ms };
  }

  tick(): void {
    const { now, limits } = this.#core;
    const attempt = this.#attempt;
    if (attempt !== undefined && now >= attempt.deadline) {
      this.#core.act({ kind: 'suspect', peer: attempt.ref.id });
      this.#fail('no answer', true);
    }
    const feeder = this.current;
    if (feeder === undefined) return;
    if (now >= feeder.silentAt) {
      this.#core.act({ kind: 'suspect', peer: feeder.ref.id });
      this.lose('silent', true);
      return;
    }
    if (feeder.isStalled(this.#wants.fetchedFrom(feeder.ref.id).size)) {
      this.lose('stalled', true);
      return;
    }
    if (now < this.#beatAt) return;
    this.#beatAt = now + limits.beatMs;
    this.tell();
    this.#rounds.watch(feeder.rate, feeder.bestRate);
    if (this.#attempt !== undefined || !feeder.usable) return;
    if (feeder.isGivenUp()) this.#leaveCutOff(feeder);
    else if (this.#rounds.due) this.#goRound(feeder);
  }

  nextWake(): MonotonicMs {
    let at = this.#attempt?.deadline ?? Number.POSITIVE_INFINITY;
    if (this.current !== undefined) at = Math.min(at, this.#beatAt, this.current.silentAt);
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
    return this.#choose(!this.#core.isDesignated && this.#core.now < this.#lostAt + SETTLE_MS);
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
    const place = insteadOf ?? (this.#core.uplinkSlow ? this.#core.setup.self : undefined);
    const message = place === undefined ? facts : { ...facts, insteadOf: place };
    this.#core.act({ kind: 'tell-feeder', feeder, message });
  }

  #adopt(attempt: Pick<Attempt, 'ref' | 'why'>, standing: Standing): void {
    const old = this.current;
    const { now, limits } = this.#core;
    this.#attempt = undefined;
    this.#dead = undefined;
    this.#next = [];
    this.#retries = 0;
    this.#tried.clear();
    this.current = new Feeder(this.#core, attempt.ref, standing);
    if (old !== undefined) {
      // Also when it takes us back after it had pointed us elsewhere: it has forgotten what was asked of it before.
      this.#takeBack(old.ref.id, true);
      if (old.ref.id !== attempt.ref.id) this.#hangUp(old.ref.id);
    }
    this.#beatAt = now + limits.beatMs;
    this.#rounds.attached();
    if (attempt.why === 'round') this.#core.clearUplink();
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
    const { setup, limits, isDesignated } = this.#core;
    feeder.stands(standing);
    const ring = standing.above.some((ref) => ref.id === setup.self);
    const endless = standing.depth >= limits.maxDepth && standing.depth < NO_SOURCE;
    if (!isDesignated && (ring || endless)) this.lose('ring', true);
  }

  #moved(id: PeerId, to: PeerRef, why: string): void {
    const attempt = this.#attempt;
    if (attempt?.ref.id === id) {
      this.#attempt = undefined;
      if (this.current?.ref.id !== id) this.#hangUp(id);
      if (attempt.why === 'round') {
        this.#rounds.refused();
        return;
      }
      if (!this.#core.usable(to.id) || attempt.steps >= MOST_STEPS) return;
      if (why === 'instead') this.#ask(to, attempt.why, id, attempt.steps + SENT_UP_STEPS);
      else if (!this.#tried.has(to.id)) this.#ask(to, attempt.why, undefined, attempt.steps + 1);
      return;
    }
    const current = this.current;
    if (current?.ref.id !== id) return;
    if (attempt !== undefined && attempt.why === 'round') {
      this.#attempt = undefined;
      this.#hangUp(attempt.ref.id);
    }
    current.usable = false;
    // Accused of being slow before we could tell: what came is what we say of ourselves.
    if (why === 'slow' && this.ownRate === 0) this.ownRate = Math.max(1, current.rate);
    this.#tried.clear();
    this.#retryAt = this.#core.now;
    this.#next = [...current.standing.above];
    if (why === 'leaving') this.#core.setAside(id, 'leaving');
    if (this.#attempt === undefined && this.#core.usable(to.id))
      this.#ask(to, 'moved', why === 'leaving' || why === 'instead' ? id : undefined, 0);
  }

  #fail(why: string, aside: boolean): void {
    const attempt = this.#attempt;
    assert(attempt !== undefined, 'only a question fails');
    this.#attempt = undefined;
    const { id } = attempt.ref;
    if (this.current?.ref.id !== id) this.#hangUp(id);
    if (attempt.why === 'round') {
      this.#rounds.refused();
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

  /** At the heels of a feeder that may be slow: one above it knows, and takes us in the slow one's place if so. */
  #goRound(feeder: Feeder): void {
    const { heldCount, uplinkSlow, intakeBest } = this.#core;
    const { held, rate } = feeder.standing;
    // One that has stepped back waits for those that it let pass, unless they stand still.
    const isCatchingUp = uplinkSlow && held < heldCount && rate > 0.5 * intakeBest;
    const atHeels =
      this.#wants.fetchedFrom(feeder.ref.id).size >= 2 && held < heldCount + WELL_AHEAD_ROWS && !isCatchingUp;
    const question = this.#rounds.next(feeder.ref, feeder.standing.above, atHeels);
    if (question === undefined || !this.#core.usable(question.ask.id)) return;
    this.#ask(question.ask, 'round', question.insteadOf.id, 0);
  }

  /** Nobody above has a source for long: the designated peer may be another by now. */
  #leaveCutOff(feeder: Feeder): void {
    this.#tried.clear();
    this.#tried.add(feeder.ref.id);
    const ref = this.#choose(true);
    if (ref !== undefined) this.#ask(ref, 'heal', undefined, 0);
  }
}
