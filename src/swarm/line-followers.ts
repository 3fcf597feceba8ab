// The feeder's side of a line: who is kept, who is pointed elsewhere, what each still has to be sent.
import { assert } from '../base/errors.ts';
import type { MonotonicMs } from '../base/time.ts';
import { heldBits } from './held-bits.ts';
import { type LineCore, NO_SOURCE } from './line-core.ts';
import { Follower } from './line-follower.ts';
import type { FeederMessage, FollowerMessage, MovedWhy, Standing } from './line-messages.ts';
import type { LineState, Row } from './line-ports.ts';
import { Uplink } from './line-uplink.ts';
import type { Wants } from './line-wants.ts';
import type { PeerId, PeerRef } from './site.ts';

/** What the feeder's side must know of the other side of this node. */
export interface Upstream {
  /** The way up: to tell followers, to point them on, and to see rings. */
  standing(): Standing;
  feederRef(): PeerRef | undefined;
  /** Our feeder shall know at once. */
  tell(): void;
  /** Another that has the whole image. */
  completeRef(): PeerRef | undefined;
  /** Where we are on our way to. */
  movingTo(): PeerRef | undefined;
  /** A peer that is being asked right now. */
  asking(): PeerId | undefined;
}

type Attach = Extract<FollowerMessage, { kind: 'attach' }>;

/** So many may have us as one of their sources. */
const MOST_JOINED = 24;
/** One that shall go, but hangs on, is dropped. */
const LINGER_MS = 10_000;
/** One that comes back to us after we have sent it up stays for so long. */
const SEND_UP_MS = 30_000;

export class Followers {
  readonly #core: LineCore;
  readonly #wants: Wants;
  readonly #upstream: Upstream;
  readonly #all = new Map<PeerId, Follower>();
  readonly #uplink: Uplink;
  /** Pointed elsewhere, not yet gone. */
  readonly #lingering = new Map<PeerId, MonotonicMs>();
  /** Sent up to our feeder, and when. */
  readonly #sentUp = new Map<PeerId, MonotonicMs>();
  #beatAt: MonotonicMs = Number.POSITIVE_INFINITY;
  #told = '';

  constructor(core: LineCore, wants: Wants, upstream: Upstream) {
    this.#core = core;
    this.#wants = wants;
    this.#upstream = upstream;
    this.#uplink = new Uplink(core, this.#all);
  }

  get(id: PeerId): Follower | undefined {
    return this.#all.get(id);
  }

  /** Does it rely on us alone? */
  isFed(id: PeerId): boolean {
    return this.#all.get(id)?.joins === false;
  }

  /** The most chunks that one of them holds. */
  mostHeld(): number {
    let most = 0;
    for (const { held } of this.#all.values()) most = Math.max(most, held);
    return most;
  }

  says(ref: PeerRef, message: FollowerMessage): void {
    const { now } = this.#core;
    const known = this.#all.get(ref.id);
    if (known !== undefined) {
      known.held = message.held;
      if (message.kind === 'attach') {
        known.speed = message.rate;
        known.yields = message.insteadOf === ref.id;
      }
      known.heardAt = now;
      return;
    }
    if (message.kind === 'attach') this.#decide(ref, message);
    else this.#join(ref, message.held);
  }

  lost(id: PeerId): void {
    this.#lingering.delete(id);
    const follower = this.#all.get(id);
    if (follower !== undefined) this.#remove(follower);
  }

  wants(id: PeerId, row: Row): void {
    const follower = this.#all.get(id);
    if (follower === undefined) return;
    follower.heard();
    if (this.#core.has(row)) this.#serve(follower, row);
    else if (follower.joins && !this.#core.isDesignated && !this.#wants.isWanted(row)) {
      // It has others to ask, and nobody knows when we shall have it.
      this.#tell(id, { kind: 'missing', row });
    } else {
      follower.waits.add(row);
      this.#wants.wantFor(id, row);
    }
  }

  /** It shall not wait for us to bring the row, since we ask it for that. */
  doesNotBring(id: PeerId, row: Row): void {
    if (this.#all.get(id)?.waits.delete(row) !== true) return;
    this.#wants.unwantFor(id, row);
    this.#tell(id, { kind: 'missing', row });
  }

  unwants(id: PeerId, row: Row): void {
    const follower = this.#all.get(id);
    if (follower === undefined) return;
    follower.heard();
    this.#unserve(follower, row);
    if (follower.waits.delete(row)) this.#wants.unwantFor(id, row);
  }

  served(id: PeerId, row: Row, bytes: number): void {
    const follower = this.#all.get(id);
    if (follower === undefined) return;
    follower.sent(row, bytes);
    this.#uplink.measure(follower);
  }

  /** A chunk has come: it goes on at once to those that wait for it. */
  pass(row: Row, waiting: readonly PeerId[]): void {
    for (const id of waiting) {
      const follower = this.#all.get(id);
      assert(follower !== undefined, 'whoever is lost waits for nothing');
      follower.waits.delete(row);
      this.#serve(follower, row);
    }
    for (const [id, { joins }] of this.#all)
      if (joins && !waiting.includes(id)) this.#tell(id, { kind: 'have', row });
  }

  missing(row: Row, waiting: readonly PeerId[]): void {
    for (const id of waiting) {
      this.#all.get(id)?.waits.delete(row);
      this.#tell(id, { kind: 'missing', row });
    }
  }

  /** Not held any more: what was to be sent cannot be. */
  gone(row: Row): void {
    for (const follower of this.#all.values()) {
      if (!follower.joins && !follower.queue.has(row)) continue;
      this.#unserve(follower, row);
      this.#tell(follower.ref.id, { kind: 'missing', row });
    }
  }

  /** Everybody goes on at `to`; without it they wait until we close and then heal. */
  handOn(to: PeerRef | undefined): void {
    for (const follower of [...this.#all.values()]) {
      if (to === undefined || to.id === follower.ref.id) continue;
      this.#move(follower, to, 'leaving');
    }
  }

  /** Tells where we stand when that has changed for them: how far from the source, and who is above. */
  tellIfMoved(): void {
    if (this.#all.size === 0) return;
    const standing = this.#upstream.standing();
    const key = `${standing.depth} ${standing.above.map((ref) => ref.id).join(' ')}`;
    if (key === this.#told) return;
    this.#told = key;
    for (const id of this.#all.keys()) this.#tell(id, { kind: 'standing', ...standing });
  }

  /** We were held up ourselves: they may have spoken meanwhile. */
  excuse(ms: number): void {
    for (const follower of this.#all.values())
      follower.heardAt = Math.min(follower.heardAt + ms, this.#core.now);
  }

  tick(): void {
    const { now, limits } = this.#core;
    if (now < this.#beatAt) return;
    this.#beatAt = this.#all.size + this.#lingering.size > 0 ? now + limits.beatMs : Number.POSITIVE_INFINITY;
    if (this.#all.size > 0) {
      const standing = this.#upstream.standing();
      for (const id of this.#all.keys()) this.#tell(id, { kind: 'standing', ...standing });
    }
    this.#stepBack();
    const { who, behind } = this.#uplink.tooMany() ?? {};
    if (who !== undefined && behind !== undefined) this.#move(who, behind.ref, 'full');
    for (const [id, until] of this.#lingering) {
      if (now < until) continue;
      this.#lingering.delete(id);
      this.#core.act({ kind: 'drop-follower', follower: id });
    }
  }

  /** For screens: bytes per second that each is sent. */
  rates(): LineState['followers'] {
    return [...this.#all.values()].map((follower) => follower.rateView());
  }

  nextWake(): MonotonicMs {
    return this.#beatAt;
  }

  #decide(ref: PeerRef, attach: Attach): void {
    const { leaving, paused, complete } = this.#core;
    if (leaving || (paused && !complete)) {
      this.#refuse(ref.id, 'unfit');
      return;
    }
    const to = this.#upstream.movingTo();
    if (to !== undefined && to.id !== ref.id) {
      this.#pointTo(ref.id, to, 'full');
      return;
    }
    if (this.#wouldRing(ref.id)) {
      this.#refuse(ref.id, 'cycle');
      return;
    }
    // Nobody gets anything new here for now; and whoever is cut off because of us must not become our feeder.
    const isCutOff = this.#upstream.standing().depth >= NO_SOURCE && this.#upstream.asking() === undefined;
    if (isCutOff && this.#core.designated !== ref.id) {
      this.#refuse(ref.id, 'unfit');
      return;
    }
    const yields = attach.insteadOf === ref.id;
    if (!yields && this.#sendUp(ref, attach.held)) return;
    const victim = attach.insteadOf === undefined ? undefined : this.#all.get(attach.insteadOf);
    const agreed = victim?.yields === true && this.#mayPass(attach.held, victim.held);
    if (victim !== undefined && (agreed || this.#uplink.mayReplace(victim, ref.id, attach.rate))) {
      this.#keep(ref, attach.held, attach.rate).isOnTrial = agreed;
      this.#move(victim, ref, 'slow');
      return;
    }
    const best = this.#uplink.busiest();
    const idles = best !== undefined && attach.insteadOf === undefined && this.#uplink.idlesBeside(best);
    if (best === undefined || idles || this.#uplink.hasRoom(attach.rate)) {
      this.#keep(ref, attach.held, attach.rate).yields = yields;
      return;
    }
    if (!yields && this.#uplink.goesBefore(attach.held, attach.rate, best)) {
      this.#keep(ref, attach.held, attach.rate);
      this.#move(best, ref, 'full');
      return;
    }
    this.#pointTo(ref.id, best.ref, 'full');
  }

  /** The designated peer is a source, so it may follow those that it feeds: what only the WAN has never goes round. */
  #wouldRing(id: PeerId): boolean {
    if (this.#core.designated === id || this.#core.isDesignated || this.#core.complete) return false;
    const { above } = this.#upstream.standing();
    if (this.#upstream.feederRef()?.id === id || above.some((ref) => ref.id === id)) return true;
    // Two that ask each other at once: the one with the lower id is the feeder.
    return this.#upstream.asking() === id && id < this.#core.setup.self;
  }

  #keep(ref: PeerRef, held: number, speed: number): Follower {
    const { now, limits } = this.#core;
    const follower = new Follower(this.#core, ref, held, speed);
    this.#lingering.delete(ref.id);
    this.#all.set(ref.id, follower);
    this.#beatAt = Math.min(this.#beatAt, now + limits.beatMs);
    this.#tell(ref.id, { kind: 'attached', ...this.#upstream.standing() });
    this.#core.note('follower-came', 'attached', ref.id);
    return follower;
  }

  /** One that has many sources asks each only for what it holds: there is no place in a line to be found for it. */
  #join(ref: PeerRef, held: number): void {
    const joined = [...this.#all.values()].filter(({ joins }) => joins);
    if (this.#core.leaving || joined.length >= MOST_JOINED) {
      this.#refuse(ref.id, this.#core.leaving ? 'unfit' : 'full');
      return;
    }
    this.#keep(ref, held, 0).joins = true;
    this.#tell(ref.id, { kind: 'holds', rows: heldBits(this.#core) });
  }

  /** Our uplink has shown to be slow: who follows us, but one as slow, takes our place, and we go to the end of the line. */
  #stepBack(): void {
    if (!this.#core.uplinkSlow) {
      if (this.#uplink.isSlowItself()) this.#core.judgeUplink(true, 'two in a row took as little');
      else if (this.#uplink.isDoubtful()) this.#core.judgeUplink('perhaps', 'the only one takes little');
      if (this.#core.uplinkSlow) this.#upstream.tell();
    }
    if (!this.#core.uplinkSlow) return;
    for (const follower of [...this.#all.values()]) {
      if (follower.yields || follower.joins) continue;
      if (this.#sendUp(follower.ref, follower.held)) this.#remove(follower);
    }
  }

  /** Sends it to our feeder in our place, once in a while; false: it stays here. */
  #sendUp(ref: PeerRef, held: number): boolean {
    const { uplinkSlow, isDesignated, complete, heldCount, now } = this.#core;
    // What the designated peer asks us for is not to be had further up.
    if (!uplinkSlow || isDesignated || this.#core.designated === ref.id) return false;
    const to = complete ? this.#upstream.completeRef() : (this.#upstream.feederRef() ?? this.#core.crosser);
    if (to === undefined || to.id === ref.id || !(complete || this.#mayPass(held, heldCount))) return false;
    if (now < (this.#sentUp.get(ref.id) ?? Number.NEGATIVE_INFINITY) + SEND_UP_MS) return false;
    this.#sentUp.set(ref.id, now);
    this.#pointTo(ref.id, to, 'instead');
    return true;
  }

  /** One with a slow uplink lets others pass, but does not wait for one that has only begun. */
  #mayPass(held: number, slow: number): boolean {
    return held + this.#core.setup.rows / 4 >= slow;
  }

  #move(follower: Follower, to: PeerRef, why: MovedWhy): void {
    this.#remove(follower);
    this.#pointTo(follower.ref.id, to, why);
  }

  #pointTo(id: PeerId, to: PeerRef, why: MovedWhy): void {
    this.#tell(id, { kind: 'moved', to, why });
    this.#core.note('follower-moved', `${why}: to ${to.id}`, id);
    this.#linger(id);
  }

  #refuse(id: PeerId, why: 'unfit' | 'cycle' | 'full'): void {
    this.#tell(id, { kind: 'refused', why });
    this.#core.note('follower-refused', why, id);
    this.#linger(id);
  }

  #linger(id: PeerId): void {
    const { now, limits } = this.#core;
    this.#lingering.set(id, now + LINGER_MS);
    this.#beatAt = Math.min(this.#beatAt, now + limits.beatMs);
  }

  #remove(follower: Follower): void {
    const { id } = follower.ref;
    for (const row of follower.queue) this.#core.act({ kind: 'unserve', follower: id, row });
    this.#all.delete(id);
    for (const row of follower.waits) this.#wants.unwantFor(id, row);
  }

  #serve(follower: Follower, row: Row): void {
    if (!follower.queued(row)) return;
    this.#core.act({ kind: 'serve', follower: follower.ref.id, row });
  }

  #unserve(follower: Follower, row: Row): void {
    if (!follower.unqueued(row)) return;
    this.#core.act({ kind: 'unserve', follower: follower.ref.id, row });
  }

  #tell(follower: PeerId, message: FeederMessage): void {
    this.#core.act({ kind: 'tell-follower', follower, message });
  }
}
