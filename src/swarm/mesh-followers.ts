// Whom a mesh node serves: everybody up to a number; each is told what is held and what is added.
import type { LineCore } from './line-core.ts';
import { Follower } from './line-follower.ts';
import type { FeederMessage, Standing } from './line-messages.ts';
import type { Row } from './line-ports.ts';
import type { Wants } from './line-wants.ts';
import type { PeerId, PeerRef } from './site.ts';

const MOST_FOLLOWERS = 24;

export class MeshFollowers {
  readonly #core: LineCore;
  readonly #wants: Wants;
  readonly #standing: () => Standing;
  readonly #all = new Map<PeerId, Follower>();

  constructor(core: LineCore, wants: Wants, standing: () => Standing) {
    this.#core = core;
    this.#wants = wants;
    this.#standing = standing;
  }

  get size(): number {
    return this.#all.size;
  }

  says(ref: PeerRef, held: number): void {
    const known = this.#all.get(ref.id);
    if (known !== undefined) {
      known.held = held;
      known.heard();
      return;
    }
    if (this.#core.leaving || this.#all.size >= MOST_FOLLOWERS) {
      this.#tell(ref.id, { kind: 'refused', why: this.#core.leaving ? 'unfit' : 'full' });
      return;
    }
    this.#all.set(ref.id, new Follower(this.#core, ref, held, 0));
    this.#tell(ref.id, { kind: 'attached', ...this.#standing() });
    this.#tell(ref.id, { kind: 'holds', rows: this.#bitmap() });
    this.#core.note('follower-came', 'one of many', ref.id);
  }

  /** What is not held is only waited for if we cross the WAN: else nobody knows when it comes. */
  wants(id: PeerId, row: Row): void {
    const follower = this.#all.get(id);
    if (follower === undefined || row >= this.#core.setup.rows) return;
    follower.heard();
    if (this.#core.has(row)) this.#serve(follower, row);
    else if (this.#core.isDesignated || this.#wants.isWanted(row)) {
      follower.waits.add(row);
      this.#wants.wantFor(id, row);
    } else this.#tell(id, { kind: 'missing', row });
  }

  unwants(id: PeerId, row: Row): void {
    const follower = this.#all.get(id);
    if (follower === undefined) return;
    if (follower.unqueued(row)) this.#core.act({ kind: 'unserve', follower: id, row });
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
      } else this.#tell(id, { kind: 'have', row });
    }
  }

  missing(row: Row, waiting: readonly PeerId[]): void {
    for (const id of waiting) {
      if (this.#all.get(id)?.waits.delete(row) === true) this.#tell(id, { kind: 'missing', row });
    }
  }

  gone(row: Row): void {
    for (const [id, follower] of this.#all) {
      if (follower.unqueued(row)) this.#core.act({ kind: 'unserve', follower: id, row });
      this.#tell(id, { kind: 'missing', row });
    }
  }

  beat(): void {
    if (this.#all.size === 0) return;
    const standing = this.#standing();
    for (const id of this.#all.keys()) this.#tell(id, { kind: 'standing', ...standing });
  }

  rates(): { id: PeerId; rate: number; held: number }[] {
    return [...this.#all.values()].map(({ ref, rate, held }) => ({
      id: ref.id,
      rate: Math.round(rate),
      held,
    }));
  }

  #serve(follower: Follower, row: Row): void {
    if (follower.queued(row)) this.#core.act({ kind: 'serve', follower: follower.ref.id, row });
  }

  #bitmap(): Uint8Array {
    const { rows } = this.#core.setup;
    const bits = new Uint8Array(Math.ceil(rows / 8));
    for (let row = 0; row < rows; row++)
      if (this.#core.has(row)) bits[row >> 3] = (bits[row >> 3] ?? 0) | (0x80 >> (row & 7));
    return bits;
  }

  #tell(follower: PeerId, message: FeederMessage): void {
    this.#core.act({ kind: 'tell-follower', follower, message });
  }
}
