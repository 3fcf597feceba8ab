// The daisy chain of one image as a machine on one node: who feeds us, whom we feed, what is asked for and passed on.
//
// Nothing is fetched unless somebody wants it: a consumer of this node, or a follower. A wanted chunk comes from the one
// feeder, or over the WAN if we are the designated peer. What a follower wants is held until it has come, and is sent
// the moment that it is proved. The four rules: attach (walk to the end), measure, go round, heal; see line-upwards.ts
// for the follower's side of them, line-followers.ts for the feeder's.
//
// The designated peer may follow somebody, too, and even one that it feeds: what it lacks and others have comes by the
// line; what the foremost of the line wants is nowhere in the site, and crosses the WAN.
import { unreachable } from '../base/errors.ts';
import type { MonotonicMs } from '../base/time.ts';
import { excusedMs, LineCore, type LineOptions, NO_SOURCE } from './line-core.ts';
import { Followers } from './line-followers.ts';
import type { Standing } from './line-messages.ts';
import type {
  FetchFailure,
  LineAction,
  LineEvent,
  LineMachine,
  LineSetup,
  LineState,
  Row,
  SourceId,
} from './line-ports.ts';
import { Upwards } from './line-upwards.ts';
import { Wan } from './line-wan.ts';
import { Wants } from './line-wants.ts';
import type { PeerId } from './site.ts';

export function createLine(setup: LineSetup, options: LineOptions = {}): LineMachine {
  return new Line(setup, options);
}

/** Rows looked at when only one of feeder and WAN has a free place. */
const MOST_SKIPPED = 64;
const MOST_ABOVE = 4;

class Line implements LineMachine {
  readonly #core: LineCore;
  readonly #wants: Wants;
  readonly #up: Upwards;
  readonly #followers: Followers;
  readonly #wan = new Wan();
  /** Rows that a feeder should have had, and does not. */
  readonly #nowhere = new Set<Row>();
  /** When we asked to be woken: a later step means that this machine was busy or stopped. */
  #wakeBy: MonotonicMs = Number.POSITIVE_INFINITY;
  /** Until then nobody could be asked: the designated peer crosses. */
  #nobodyAhead = false;

  constructor(setup: LineSetup, options: LineOptions) {
    this.#core = new LineCore(setup, options);
    this.#wants = new Wants(setup.rows);
    this.#up = new Upwards(this.#core, this.#wants, (id) => this.#followers.isFed(id));
    this.#followers = new Followers(this.#core, this.#wants, {
      standing: () => this.#standing(),
      feederRef: () => this.#up.current?.ref,
      tell: () => this.#up.tell(),
      completeRef: () => this.#someoneElse(true),
      movingTo: () => this.#up.movingTo,
      asking: () => this.#up.asking,
    });
  }

  step(event: LineEvent, now: MonotonicMs): readonly LineAction[] {
    this.#core.now = now;
    const excused = excusedMs(this.#wakeBy, now);
    if (excused > 0) {
      this.#up.excuse(excused);
      this.#followers.excuse(excused);
    }
    this.#hear(event);
    this.#up.tick();
    this.#giveUpLate();
    this.#pump();
    this.#followers.tellIfMoved();
    this.#followers.tick();
    this.#wakeBy = this.nextWake() ?? Number.POSITIVE_INFINITY;
    return this.#core.takeActions();
  }

  nextWake(): MonotonicMs | undefined {
    let at = Math.min(this.#up.nextWake(), this.#followers.nextWake());
    const { paused, leaving } = this.#core;
    if (this.#wants.any && !paused && !leaving) {
      at = Math.min(at, this.#core.progressAt + this.#core.limits.patienceMs);
      at = Math.min(at, this.#wants.nextDelayed() ?? Number.POSITIVE_INFINITY);
      const { now } = this.#core;
      if (this.#up.retryAt > now) at = Math.min(at, this.#up.retryAt);
      if (this.#wan.notBefore > now) at = Math.min(at, this.#wan.notBefore);
    }
    return at === Number.POSITIVE_INFINITY ? undefined : at;
  }

  state(): LineState {
    const feeder = this.#up.current;
    const { now, heldCount, paused, uplinkSlow } = this.#core;
    const crosses = this.#wants.fetchedFrom('wan').size > 0;
    return {
      strategy: 'line',
      feeder: feeder?.ref.id ?? (crosses ? 'wan' : undefined),
      depth: this.#standing().depth,
      held: heldCount,
      rate: Math.round(this.#core.intake.rate(now)),
      followers: this.#followers.rates(),
      holds: this.#wants.holds,
      paused,
      ...(uplinkSlow ? { slowUplink: true } : {}),
    };
  }

  #hear(event: LineEvent): void {
    switch (event.kind) {
      case 'wake':
        return;
      case 'site':
        this.#core.setSite(event.peers, event.designated);
        this.#up.siteChanged();
        return;
      case 'want':
        if (!this.#core.has(event.row)) this.#beginWaiting(() => this.#wants.wantLocally(event.row));
        return;
      case 'unwant':
        this.#wants.unwantLocally(event.row);
        this.#cancelUnwanted(event.row);
        return;
      case 'arrived':
        this.#arrived(event.row, event.from, event.bytes);
        return;
      case 'bytes':
        this.#core.progressAt = this.#core.now;
        this.#up.came(event.from, 0);
        return;
      case 'failed':
        if (this.#wants.sourceOf(event.row) === event.from)
          this.#failed(event.row, event.from, event.why, event.what);
        return;
      case 'gone':
        this.#core.setHeld(event.row, false);
        this.#followers.gone(event.row);
        return;
      case 'feeder-open':
        this.#up.opened(event.feeder);
        return;
      case 'feeder-says':
        this.#up.says(event.feeder, event.message);
        if (event.message.kind === 'missing' && this.#wants.sourceOf(event.message.row) === event.feeder)
          this.#failed(event.message.row, event.feeder, 'missing', 'the feeder does not have it');
        return;
      case 'feeder-lost':
        this.#up.lost(event.feeder, event.why);
        return;
      case 'follower-says':
        this.#followers.says(event.follower, event.message);
        return;
      case 'follower-wants':
        this.#followerWants(event.follower, event.row);
        return;
      case 'follower-unwants':
        this.#followers.unwants(event.follower, event.row);
        this.#cancelUnwanted(event.row);
        return;
      case 'served':
        this.#followers.served(event.follower, event.row, event.bytes);
        return;
      case 'follower-lost':
        this.#followers.lost(event.follower);
        return;
      case 'pause':
        this.#pause();
        return;
      case 'resume':
        this.#core.paused = false;
        this.#core.progressAt = this.#core.now;
        return;
      case 'leave':
        this.#leave();
        return;
      default:
        unreachable(event);
    }
  }

  /** Patience begins when something is first waited for. */
  #beginWaiting(want: () => void): void {
    if (!this.#wants.any) this.#core.progressAt = this.#core.now;
    want();
  }

  #followerWants(follower: PeerId, row: Row): void {
    if (row >= this.#core.setup.rows) return;
    this.#beginWaiting(() => this.#followers.wants(follower, row));
    const from = this.#wants.sourceOf(row);
    const { isDesignated } = this.#core;
    if (!isDesignated || from === undefined || from === 'wan' || !this.#isFrontier(row)) return;
    // In a ring the feeder waits, in the end, for the very one that asks us.
    this.#core.act({ kind: 'cancel', row, from });
    this.#wants.requeue(row);
  }

  #arrived(row: Row, from: SourceId, bytes: number): void {
    this.#core.took(bytes);
    const other = this.#wants.sourceOf(row);
    if (other !== undefined && other !== from) this.#core.act({ kind: 'cancel', row, from: other });
    this.#core.setHeld(row, true);
    this.#nowhere.delete(row);
    const waiting = this.#wants.settle(row);
    if (from === 'wan') this.#wan.arrived(row);
    else this.#up.came(from, bytes);
    this.#followers.pass(row, waiting);
    if (!this.#core.complete) return;
    this.#core.note('complete', `${this.#core.setup.rows} chunks`);
    this.#up.release('complete');
  }

  #failed(row: Row, from: SourceId, why: FetchFailure, what: string): void {
    const { now } = this.#core;
    if (from !== 'wan') {
      if (why === 'corrupt') {
        this.#wants.requeue(row);
        if (!this.#core.bans.corrupt(from, now)) return;
        this.#core.note('feeder-banned', what, from);
        this.#up.lose('banned', true);
        return;
      }
      if (why === 'missing') this.#nowhere.add(row);
      this.#wants.requeue(row, now + this.#core.limits.retryMs[0]);
      this.#up.missed(from, what);
      return;
    }
    if (why !== 'missing') {
      this.#wan.failed(now);
      this.#wants.requeue(row);
      return;
    }
    const again = this.#wan.missed(row, now);
    if (again === undefined) this.#giveUp(row, why, what);
    else this.#wants.requeue(row, again);
  }

  #giveUp(row: Row, why: FetchFailure, what: string): void {
    const local = this.#wants.isLocal(row);
    this.#followers.missing(row, this.#wants.settle(row));
    if (local) this.#core.act({ kind: 'give-up', row, why, what });
  }

  /** No progress and no source for long: whoever wants it may know another way. */
  #giveUpLate(): void {
    const { now, progressAt, limits, paused, leaving } = this.#core;
    if (!this.#wants.any || paused || leaving || now < progressAt + limits.patienceMs) return;
    this.#core.progressAt = now;
    for (const row of [...this.#wants.all()]) {
      if (this.#wants.sourceOf(row) === undefined) this.#giveUp(row, 'stalled', 'no source in sight');
    }
  }

  #cancelUnwanted(row: Row): void {
    const from = this.#wants.sourceOf(row);
    if (from === undefined || this.#wants.isWanted(row)) return;
    this.#core.act({ kind: 'cancel', row, from });
    this.#wants.requeue(row);
  }

  /** Asks for as much as feeder and WAN take, lower rows first. */
  #pump(): void {
    const { now, paused, leaving, complete } = this.#core;
    if (paused || leaving) return;
    this.#wants.wakeDelayed(now);
    this.#seek();
    const skipped: Row[] = [];
    for (;;) {
      const row = this.#wants.peek();
      if (row === undefined || complete) break;
      const from = this.#route(row);
      if (from === undefined) {
        if (!this.#core.isDesignated || skipped.length >= MOST_SKIPPED) break;
        skipped.push(row);
        this.#wants.take();
        continue;
      }
      this.#wants.take();
      this.#fetch(row, from);
    }
    for (const row of skipped) this.#wants.requeue(row);
    this.#wan.noteCrossing(this.#core, this.#wants.fetchedFrom('wan').size > 0);
  }

  #fetch(row: Row, from: SourceId): void {
    const feeder = this.#up.source;
    if (from !== 'wan' && feeder !== undefined) this.#up.asked(feeder);
    this.#wants.fetch(row, from);
    this.#core.act({ kind: 'fetch', row, from });
  }

  #seek(): void {
    if (this.#core.complete) return;
    const lowest = this.#wants.peek();
    const wanted = this.#core.isDesignated
      ? lowest !== undefined && !this.#isFrontier(lowest)
      : this.#wants.any;
    this.#nobodyAhead = !this.#up.seek(wanted);
    const feeder = this.#up.source;
    if (feeder === undefined || !this.#core.isDesignated || wanted || this.#up.asking !== undefined) return;
    const idle = this.#wants.fetchedFrom(feeder.ref.id).size === 0;
    if (idle && feeder.standing.held < this.#core.setup.rows)
      this.#up.release('nothing more to be had there');
  }

  /**
   * Chunks travel in order (but to those of a mesh, who tell what they lack when asked), so rows from the most that anybody holds on are nowhere in the site. A guess: when it is
   * wrong, a feeder does not deliver, is set aside as stalled, and the WAN is crossed all the same.
   */
  #isFrontier(row: Row): boolean {
    if (this.#nowhere.has(row)) return true;
    return row >= Math.max(this.#core.siteBest, this.#core.heldCount, this.#followers.mostHeld());
  }

  #route(row: Row): SourceId | undefined {
    const { isDesignated, now, limits, setup } = this.#core;
    const feeder = this.#up.source;
    const complete = feeder !== undefined && feeder.standing.held >= setup.rows;
    if (isDesignated && !complete && (this.#nobodyAhead || this.#isFrontier(row))) {
      const free = this.#wants.fetchedFrom('wan').size < limits.wanRows;
      return free && this.#wan.mayAsk(now) ? 'wan' : undefined;
    }
    if (feeder === undefined) return undefined;
    return this.#wants.fetchedFrom(feeder.ref.id).size < limits.windowRows ? feeder.ref.id : undefined;
  }

  #pause(): void {
    this.#core.paused = true;
    if (!this.#core.complete) this.#followers.handOn(this.#up.current?.ref);
    for (const row of [...this.#wants.fetchedFrom('wan')]) {
      this.#core.act({ kind: 'cancel', row, from: 'wan' });
      this.#wants.requeue(row);
    }
    this.#up.release('paused');
  }

  #leave(): void {
    const to = this.#up.current?.ref ?? this.#someoneElse();
    this.#core.leaving = true;
    this.#followers.handOn(to);
    this.#up.release('leaving');
  }

  /** Somebody who may feed our followers when we have no feeder ourselves. */
  #someoneElse(complete = false) {
    let best: { id: PeerId; held: number } | undefined;
    for (const peer of this.#core.peers.values()) {
      const followsUs = this.#followers.get(peer.id) !== undefined;
      const source = peer.held >= this.#core.setup.rows || (!complete && peer.id === this.#core.designated);
      if (followsUs || !source || !this.#core.usable(peer.id)) continue;
      if (best === undefined || peer.held > best.held) best = peer;
    }
    return best === undefined ? undefined : this.#core.peers.get(best.id);
  }

  #standing(): Standing {
    const { heldCount, complete, isDesignated, now } = this.#core;
    const feeder = this.#up.current;
    const rate = Math.round(this.#core.intake.rate(now));
    if (complete || isDesignated) return { held: heldCount, depth: 0, above: [], rate };
    if (feeder === undefined) return { held: heldCount, depth: NO_SOURCE, above: [], rate };
    const depth = Math.min(feeder.standing.depth + 1, NO_SOURCE);
    const above = [feeder.ref, ...feeder.standing.above].slice(0, MOST_ABOVE);
    return { held: heldCount, depth, above, rate };
  }
}
