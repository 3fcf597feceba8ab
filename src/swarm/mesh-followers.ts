// Whom a mesh node serves: those that have many sources are told what is held and what is added; of a line, its first.
import { heldBits } from './held-bits.ts';
import { type LineCore, NO_SOURCE } from './line-core.ts';
import { Follower } from './line-follower.ts';
import type { FeederMessage, FollowerMessage, Standing } from './line-messages.ts';
import type { LineState, Row } from './line-ports.ts';
import type { Wants } from './line-wants.ts';
import type { PeerId, PeerRef } from './site.ts';

const MOST_FOLLOWERS = 24;

export class MeshFollowers {
  readonly #core: LineCore;
  readonly #wants: Wants;
  readonly #standing: () => Standing;
  readonly #all = new Map<PeerId, Follower>();
  /** Pointed to another, and not seen since. */
  readonly #pointed = new Set<PeerId>();

  constructor(core: LineCore, wants: Wants, standing: () => Standing) {
    this.#core = core;
    this.#wants = wants;
    this.#standing = standing;
  }

  get size(): number {
    return this.#all.size;
  }

  says(ref: PeerRef, message: FollowerMessage): void {
    const known = this.#all.get(ref.id);
    if (known !== undefined) {
      known.held = message.held;
      if (message.kind === 'attach') known.speed = message.rate;
      known.heard();
    } else if (this.#core.leaving) this.#refuse(ref.id, 'unfit');
    else if (message.kind === 'join') this.#join(ref, message.held);
    else this.#attach(ref, message.held, message.rate);
  }

  /**
   * Whoever has only us is given what we shall have. One that has many sources asks for what is held; what is not is
   * only waited for if we cross the WAN, or want it ourselves: else nobody knows when it comes.
   */
  wants(id: PeerId, row: Row): void {
    const follower = this.#all.get(id);
    if (follower === undefined || row >= this.#core.setup.rows) return;
    follower.heard();
    if (this.#core.has(row)) {
      this.#serve(follower, row);
      return;
    }
    const willCome = !follower.joins || this.#core.isDesignated || this.#wants.isWanted(row);
    // Two that wait for each other would wait for ever.
    if (!willCome || this.#wants.sourceOf(row) === id) {
      this.#tell(id, { kind: 'missing', row });
      return;
    }
    follower.waits.add(row);
    this.#wants.wantFor(id, row);
  }

  /** The row is being asked of this follower: it shall not wait for us to bring it. */
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
    this.#all.get(id)?.sent(row, bytes);
  }

  lost(id: PeerId): void {
    const follower = this.#all.get(id);
    if (follower === undefined) return;
    this.#all.delete(id);
    for (const row of follower.waits) this.#wants.unwantFor(id, row);
  }

  /** A chunk has come: it goes to those that wait, and all may ask for it. */
  pass(row: Row, waiting: readonly PeerId[]): void {
    for (const [id, follower] of this.#all) {
      if (waiting.includes(id)) {
        follower.waits.delete(row);
        this.#serve(follower, row);
      } else if (follower.joins) this.#tell(id, { kind: 'have', row });
    }
  }

  /** Those that wait for it are followers: whoever is lost waits for nothing. */
  missing(row: Row, waiting: readonly PeerId[]): void {
    for (const id of waiting) {
      this.#all.get(id)?.waits.delete(row);
      this.#tell(id, { kind: 'missing', row });
    }
  }

  gone(row: Row): void {
    for (const [id, follower] of this.#all) {
      if (!follower.joins && !follower.queue.has(row)) continue;
      this.#unserve(follower, row);
      this.#tell(id, { kind: 'missing', row });
    }
  }

  /** Those that have only us go on at `to`, or find somebody themselves; the others have their other sources. */
  handOn(to: PeerRef | undefined): void {
    for (const follower of [...this.#all.values()]) {
      const { id } = follower.ref;
      for (const row of follower.queue) this.#core.act({ kind: 'unserve', follower: id, row });
      this.lost(id);
      if (follower.joins || to === undefined || to.id === id) this.#refuse(id, 'unfit');
      else this.#pointTo(id, to, 'leaving');
    }
  }

  beat(): void {
    if (this.#all.size === 0) return;
    const standing = this.#standing();
    for (const id of this.#all.keys()) this.#tell(id, { kind: 'standing', ...standing });
  }

  rates(): LineState['followers'] {
    return [...this.#all.values()].map((follower) => follower.rateView());
  }

  #join(ref: PeerRef, held: number): void {
    if (this.#all.size >= MOST_FOLLOWERS) {
      this.#refuse(ref.id, 'full');
      return;
    }
    this.#keep(ref, held, 0).joins = true;
    this.#tell(ref.id, { kind: 'holds', rows: heldBits(this.#core) });
  }

  /**
   * A line may begin here, but only one: whoever comes later goes behind the one that is fed already. One that comes back
   * was not taken there, or will not go (it has banned that one), and is kept.
   */
  #attach(ref: PeerRef, held: number, rate: number): void {
    const { paused, complete } = this.#core;
    const first = [...this.#all.values()].find((one) => !one.joins && !one.isSilent && !one.isIdle);
    const cameBack = this.#pointed.delete(ref.id);
    const cutOff = this.#standing().depth >= NO_SOURCE;
    if (cutOff || (paused && !complete)) this.#refuse(ref.id, 'unfit');
    else if (first === undefined || cameBack) this.#keep(ref, held, rate);
    else {
      this.#pointed.add(ref.id);
      this.#pointTo(ref.id, first.ref, 'full');
    }
  }

  #keep(ref: PeerRef, held: number, rate: number): Follower {
    const follower = new Follower(this.#core, ref, held, rate);
    this.#all.set(ref.id, follower);
    this.#tell(ref.id, { kind: 'attached', ...this.#standing() });
    this.#core.note('follower-came', 'one of many', ref.id);
    return follower;
  }

  #pointTo(id: PeerId, to: PeerRef, why: 'full' | 'leaving'): void {
    this.#tell(id, { kind: 'moved', to, why });
    this.#core.note('follower-moved', `${why}: to ${to.id}`, id);
  }

  #refuse(id: PeerId, why: 'unfit' | 'full'): void {
    this.#tell(id, { kind: 'refused', why });
    this.#core.note('follower-refused', why, id);
  }

  #serve(follower: Follower, row: Row): void {
    if (follower.queued(row)) this.#core.act({ kind: 'serve', follower: follower.ref.id, row });
  }

  #unserve(follower: Follower, row: Row): void {
    if (follower.unqueued(row)) this.#core.act({ kind: 'unserve', follower: follower.ref.id, row });
  }

  #tell(follower: PeerId, message: FeederMessage): void {
    this.#core.act({ kind: 'tell-follower', follower, message });
  }
}
