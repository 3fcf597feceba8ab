// The other strategy for one image: many sources at once, the rarest of the wanted chunks first; whoever is idle takes
// over what waits at a slower one.
//
// It speaks the messages of the line with `join` in the place of `attach`: nobody is pointed elsewhere, and its sources,
// of a line or of the mesh, tell it which chunks they hold. Chunks that nobody holds are asked of the designated peer,
// which crosses the WAN for them. No chunk is ever asked of two at once, so nothing comes twice.
import { assert, unreachable } from '../base/errors.ts';
import type { MonotonicMs } from '../base/time.ts';
import { excusedMs, LineCore, type LineOptions, NO_SOURCE } from './line-core.ts';
import { Followers } from './line-followers.ts';
import type { FeederMessage, Standing } from './line-messages.ts';
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
import { Wan } from './line-wan.ts';
import { Wants } from './line-wants.ts';
import { heldUpElsewhere, waitingElsewhere } from './mesh-endgame.ts';
import { type MeshSource, MeshSources } from './mesh-sources.ts';
import { crossesFor } from './mesh-stand-in.ts';
import type { PeerId } from './site.ts';

export function createMesh(setup: LineSetup, options: LineOptions = {}): LineMachine {
  return new Mesh(setup, options);
}

/** There are others to ask, so a busy source is given longer than a line gives its feeder. */
const SILENCES = 1.5;

class Mesh implements LineMachine {
  readonly #core: LineCore;
  readonly #wants: Wants;
  readonly #sources: MeshSources;
  readonly #followers: Followers;
  readonly #wan = new Wan();
  #beatAt: MonotonicMs = 0;
  /** When we asked to be woken. */
  #wakeBy: MonotonicMs = Number.POSITIVE_INFINITY;

  constructor(setup: LineSetup, options: LineOptions) {
    this.#core = new LineCore(setup, options);
    this.#wants = new Wants(setup.rows);
    this.#sources = new MeshSources(this.#core);
    const upstream = {
      standing: () => this.#standing(),
      feederRef: () => this.#sources.another(),
      completeRef: () => this.#sources.another(),
      // Nobody feeds us alone, so nobody moves us.
      movingTo: () => undefined,
      asking: () => undefined,
      tell: () => {},
    };
    this.#followers = new Followers(this.#core, this.#wants, upstream);
  }

  step(event: LineEvent, now: MonotonicMs): readonly LineAction[] {
    this.#core.now = now;
    const excused = excusedMs(this.#wakeBy, now);
    if (excused > 0) {
      this.#followers.excuse(excused);
      for (const source of this.#sources.all()) source.excuse(excused, now);
    }
    this.#hear(event);
    this.#tick();
    this.#followers.tick();
    if (!this.#core.paused && !this.#core.leaving) this.#pump();
    this.#wakeBy = this.nextWake() ?? Number.POSITIVE_INFINITY;
    return this.#core.takeActions();
  }

  nextWake(): MonotonicMs | undefined {
    const { paused, leaving, now } = this.#core;
    const active = this.#wants.any && !paused && !leaving;
    let at = Math.min(this.#followers.nextWake(), active ? this.#beatAt : Number.POSITIVE_INFINITY);
    if (active) {
      at = Math.min(at, this.#wants.nextDelayed() ?? at);
      if (this.#wan.notBefore > now) at = Math.min(at, this.#wan.notBefore);
    }
    return at === Number.POSITIVE_INFINITY ? undefined : at;
  }

  state(): LineState {
    const { now, heldCount, paused, intake } = this.#core;
    const joined = [...this.#sources.all()].filter((source) => source.joined);
    const busy = joined.find(({ ref }) => this.#wants.fetchedFrom(ref.id).size > 0);
    const wan = this.#wants.fetchedFrom('wan').size > 0 ? 'wan' : undefined;
    return {
      strategy: 'swarm',
      feeder: busy?.ref.id ?? wan ?? joined[0]?.ref.id,
      depth: this.#standing().depth,
      held: heldCount,
      rate: Math.round(intake.rate(now)),
      followers: this.#followers.rates(),
      holds: this.#wants.holds,
      paused,
    };
  }

  #hear(event: LineEvent): void {
    switch (event.kind) {
      case 'wake':
        break;
      case 'site':
        this.#core.setSite(event.peers, event.designated);
        for (const [row, from] of this.#sources.hopeless(this.#wants)) this.#cancel(row, from);
        this.#wants.wakeAll();
        break;
      case 'want':
        this.#beginWaiting();
        if (!this.#core.has(event.row)) this.#wants.wantLocally(event.row);
        break;
      case 'unwant':
        this.#wants.unwantLocally(event.row);
        this.#cancelUnwanted(event.row);
        break;
      case 'arrived':
        this.#arrived(event.row, event.from, event.bytes);
        break;
      case 'bytes':
        this.#core.progressAt = this.#core.now;
        this.#sources.get(event.from)?.moved(this.#core.now);
        break;
      case 'failed':
        this.#failed(event.row, event.from, event.why, event.what);
        break;
      case 'gone':
        this.#core.setHeld(event.row, false);
        this.#followers.gone(event.row);
        break;
      case 'feeder-open':
        this.#opened(event.feeder);
        break;
      case 'feeder-says':
        this.#says(event.feeder, event.message);
        break;
      case 'feeder-lost':
        this.#lost(event.feeder, event.why, false);
        break;
      case 'follower-says':
        this.#followers.says(event.follower, event.message);
        break;
      case 'follower-wants':
        this.#followerWants(event.follower, event.row);
        break;
      case 'follower-unwants':
        this.#followers.unwants(event.follower, event.row);
        this.#cancelUnwanted(event.row);
        break;
      case 'served':
        this.#followers.served(event.follower, event.row, event.bytes);
        break;
      case 'follower-lost':
        this.#followers.lost(event.follower);
        break;
      case 'pause':
        this.#core.paused = true;
        if (!this.#core.complete) this.#followers.handOn(this.#sources.another());
        this.#letGoAll();
        break;
      case 'resume':
        this.#core.paused = false;
        this.#core.progressAt = this.#core.now;
        break;
      case 'leave':
        this.#core.leaving = true;
        this.#followers.handOn(this.#sources.another());
        this.#letGoAll();
        break;
      default:
        unreachable(event);
    }
  }

  /** Patience begins when something is first waited for. */
  #beginWaiting(): void {
    if (!this.#wants.any) this.#core.progressAt = this.#core.now;
  }

  #followerWants(follower: PeerId, row: Row): void {
    if (row >= this.#core.setup.rows) return;
    this.#beginWaiting();
    this.#followers.wants(follower, row);
    // Two that wait for each other would wait for ever.
    if (this.#wants.sourceOf(row) === follower) this.#followers.doesNotBring(follower, row);
  }

  #tick(): void {
    const { now, limits } = this.#core;
    if (now < this.#beatAt) return;
    this.#beatAt = now + limits.beatMs;
    for (const source of [...this.#sources.all()]) {
      const { id } = source.ref;
      const waitsMs = source.joined ? SILENCES * limits.silenceMs : limits.dialMs;
      if (now >= source.heardAt + waitsMs) {
        this.#core.act({ kind: 'suspect', peer: id });
        this.#lost(id, 'silent', true);
      } else if (source.isStalled(this.#wants.fetchedFrom(id), limits.stallMs, now))
        this.#lost(id, 'stalled', true);
      else if (source.joined) this.#join(source);
    }
    this.#giveUpLate();
  }

  #join({ ref }: MeshSource): void {
    this.#core.act({
      kind: 'tell-feeder',
      feeder: ref.id,
      message: { kind: 'join', held: this.#core.heldCount },
    });
  }

  #opened(id: PeerId): void {
    const source = this.#sources.get(id);
    if (source === undefined) this.#core.act({ kind: 'hang-up', feeder: id });
    else this.#join(source);
  }

  #says(id: PeerId, message: FeederMessage): void {
    const source = this.#sources.get(id);
    if (source === undefined) return;
    source.heardAt = this.#core.now;
    switch (message.kind) {
      case 'attached':
      case 'standing':
        if (!source.joined) this.#core.note('attached', 'one of many', id);
        source.stands(message, this.#core.setup.rows);
        break;
      case 'holds':
        this.#sources.holdsAll(source, message.rows);
        break;
      case 'have':
        this.#sources.holds(source, message.row);
        break;
      case 'missing':
        this.#failed(message.row, id, 'missing', 'it does not have it');
        break;
      case 'moved':
      case 'refused':
        this.#lost(id, message.kind, true);
        break;
      default:
        unreachable(message);
    }
  }

  #lost(id: PeerId, why: string, hangUp: boolean): void {
    const source = this.#sources.get(id);
    if (source === undefined) return;
    if (!hangUp) this.#core.act({ kind: 'suspect', peer: id });
    this.#letGo(source, hangUp);
    this.#core.setAside(id, why);
  }

  /** What was asked of it waits for another source. */
  #letGo(source: MeshSource, hangUp: boolean): void {
    const { id } = source.ref;
    this.#sources.remove(source);
    for (const row of [...this.#wants.fetchedFrom(id)]) {
      if (hangUp) this.#core.act({ kind: 'cancel', row, from: id });
      this.#wants.requeue(row);
    }
    if (hangUp) this.#core.act({ kind: 'hang-up', feeder: id });
  }

  #arrived(row: Row, from: SourceId, bytes: number): void {
    const { now } = this.#core;
    this.#core.took(bytes);
    this.#sources.get(from)?.arrived(bytes, now);
    this.#core.delivered(from);
    const other = this.#wants.sourceOf(row);
    if (other !== undefined && other !== from) this.#core.act({ kind: 'cancel', row, from: other });
    this.#core.setHeld(row, true);
    if (from === 'wan') this.#wan.arrived(row);
    this.#followers.pass(row, this.#wants.settle(row));
    if (!this.#core.complete) return;
    this.#core.note('complete', `${this.#core.setup.rows} chunks`);
    this.#letGoAll();
  }

  #failed(row: Row, from: SourceId, why: FetchFailure, what: string): void {
    if (this.#wants.sourceOf(row) !== from) return;
    const { now, limits } = this.#core;
    if (from === 'wan') {
      const again = why === 'missing' ? this.#wan.missed(row, now) : now;
      if (why !== 'missing') this.#wan.failed(now);
      if (again === undefined) this.#giveUp(row, why, what);
      else this.#wants.requeue(row, again);
      return;
    }
    this.#wants.requeue(row, now + limits.retryMs[0]);
    const source = this.#sources.get(from);
    assert(source !== undefined, 'what a lost source was asked for has been taken back');
    if (why === 'missing') this.#sources.lacks(source, row);
    else if (why !== 'corrupt') this.#lost(from, what, true);
    else if (this.#core.bans.corrupt(from, now)) {
      this.#core.note('feeder-banned', what, from);
      this.#lost(from, 'banned', true);
    }
  }

  #giveUp(row: Row, why: FetchFailure, what: string): void {
    const local = this.#wants.isLocal(row);
    this.#followers.missing(row, this.#wants.settle(row));
    if (local) this.#core.act({ kind: 'give-up', row, why, what });
  }

  #giveUpLate(): void {
    const { now, progressAt, limits, paused } = this.#core;
    if (!this.#wants.any || paused || now < progressAt + limits.patienceMs) return;
    this.#core.progressAt = now;
    for (const row of [...this.#wants.all()])
      if (this.#wants.sourceOf(row) === undefined) this.#giveUp(row, 'stalled', 'no source in sight');
  }

  #cancelUnwanted(row: Row): void {
    const from = this.#wants.sourceOf(row);
    if (from === undefined || this.#wants.isWanted(row)) return;
    this.#cancel(row, from);
  }

  #cancel(row: Row, from: SourceId): void {
    this.#core.act({ kind: 'cancel', row, from });
    this.#wants.requeue(row);
  }

  /** Leaves all sources, and the WAN. */
  #letGoAll(): void {
    for (const row of [...this.#wants.fetchedFrom('wan')]) this.#cancel(row, 'wan');
    for (const source of [...this.#sources.all()]) this.#letGo(source, true);
  }

  #pump(): void {
    this.#wants.wakeDelayed(this.#core.now);
    if (!this.#wants.any || this.#core.complete) return;
    this.#sources.dial();
    for (const row of this.#sources.rarestFirst(this.#wants)) {
      const from = this.#choose(row);
      if (from === undefined) this.#wants.requeue(row);
      else this.#ask(row, from);
    }
    this.#wan.noteCrossing(this.#core, this.#wants.fetchedFrom('wan').size > 0);
    if (this.#wants.peek() === undefined) this.#endgame();
  }

  #ask(row: Row, from: SourceId): void {
    const { now } = this.#core;
    if (this.#wants.fetchedFrom(from).size === 0) this.#sources.get(from)?.askedAnew(now);
    this.#followers.doesNotBring(from, row);
    this.#wants.refetch(row, from);
    this.#core.act({ kind: 'fetch', row, from });
  }

  /** The source with the fewest requests that has it; over the WAN when it is ours to cross and nobody has it. */
  #choose(row: Row): SourceId | undefined {
    const best = this.#sources.cheapest(row, this.#wants);
    if (best !== undefined || !crossesFor(this.#core, row)) return best;
    if (this.#sources.copies(row) > 0 || this.#sources.untold) return undefined;
    const { now, limits } = this.#core;
    const free = this.#wan.mayAsk(now) && this.#wants.fetchedFrom('wan').size < limits.wanRows;
    return free ? 'wan' : undefined;
  }

  /** An idle source takes over what waits at a busy one, or is held up there. */
  #endgame(): void {
    for (const idle of [...this.#sources.all()]) {
      if (!idle.joined || this.#wants.fetchedFrom(idle.ref.id).size > 0) continue;
      const waiting = waitingElsewhere(idle, this.#sources.all(), this.#wants);
      if (waiting !== undefined) {
        this.#core.act({ kind: 'cancel', row: waiting.row, from: waiting.at.ref.id });
        this.#ask(waiting.row, idle.ref.id);
        continue;
      }
      const slow = heldUpElsewhere(idle, this.#sources.all(), this.#wants, this.#core);
      if (slow === undefined) continue;
      this.#lost(slow.ref.id, 'slow', true);
      this.#pump();
      return;
    }
  }

  #standing(): Standing {
    const { heldCount, complete, isDesignated, intake, now } = this.#core;
    const depth = complete || isDesignated ? 0 : this.#sources.joined ? 1 : NO_SOURCE;
    return { held: heldCount, depth, above: [], rate: Math.round(intake.rate(now)) };
  }
}
