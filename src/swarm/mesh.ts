// The other strategy for one image: many sources at once, the rarest of the wanted chunks first, doubled at the end.
//
// It speaks the messages of the line with `join` in the place of `attach`: nobody is pointed elsewhere, and every node
// tells its followers which chunks it holds. Chunks that nobody holds are asked of the designated peer, which crosses
// the WAN for them.
import { unreachable } from '../base/errors.ts';
import type { MonotonicMs } from '../base/time.ts';
import { LineCore, type LineOptions, NO_SOURCE } from './line-core.ts';
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
import { MeshFollowers } from './mesh-followers.ts';
import { type MeshSource, MeshSources } from './mesh-sources.ts';
import type { PeerId } from './site.ts';

export function createMesh(setup: LineSetup, options: LineOptions = {}): LineMachine {
  return new Mesh(setup, options);
}

/** Wanted rows that are compared for rarity. */
const COMPARED = 64;

class Mesh implements LineMachine {
  readonly #core: LineCore;
  readonly #wants: Wants;
  readonly #sources: MeshSources;
  readonly #followers: MeshFollowers;
  readonly #wan = new Wan();
  /** Endgame: rows that are also asked of a second source. */
  readonly #doubled = new Map<Row, PeerId>();
  #beatAt: MonotonicMs = 0;

  constructor(setup: LineSetup, options: LineOptions) {
    this.#core = new LineCore(setup, options);
    this.#wants = new Wants(setup.rows);
    this.#sources = new MeshSources(this.#core);
    this.#followers = new MeshFollowers(this.#core, this.#wants, () => this.#standing());
  }

  step(event: LineEvent, now: MonotonicMs): readonly LineAction[] {
    this.#core.now = now;
    this.#hear(event);
    this.#tick();
    if (!this.#core.paused && !this.#core.leaving) this.#pump();
    return this.#core.takeActions();
  }

  nextWake(): MonotonicMs | undefined {
    const { paused, leaving, now } = this.#core;
    const active = this.#wants.any && !paused && !leaving;
    let at = this.#followers.size > 0 || active ? this.#beatAt : Number.POSITIVE_INFINITY;
    if (active) {
      at = Math.min(at, this.#wants.nextDelayed() ?? at);
      if (this.#wan.notBefore > now) at = Math.min(at, this.#wan.notBefore);
    }
    return at === Number.POSITIVE_INFINITY ? undefined : at;
  }

  state(): LineState {
    const { now, heldCount, paused, intake } = this.#core;
    const [feeder] = [...this.#sources.all()].filter(({ joined }) => joined);
    return {
      feeder: feeder?.ref.id ?? (this.#wants.fetchedFrom('wan').size > 0 ? 'wan' : undefined),
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
        this.#wants.wakeAll();
        break;
      case 'want':
        if (!this.#wants.any) this.#core.progressAt = this.#core.now;
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
        this.#heard(event.from);
        this.#settleDoubled(event.from);
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
        this.#followers.says(event.follower, event.message.held);
        break;
      case 'follower-wants':
        this.#followers.wants(event.follower, event.row);
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
        this.#letGo('paused');
        break;
      case 'resume':
        this.#core.paused = false;
        this.#core.progressAt = this.#core.now;
        break;
      case 'leave':
        this.#core.leaving = true;
        this.#letGo('leaving');
        break;
      default:
        unreachable(event);
    }
  }

  #tick(): void {
    const { now, limits } = this.#core;
    if (now < this.#beatAt) return;
    this.#beatAt = now + limits.beatMs;
    this.#followers.beat();
    for (const source of [...this.#sources.all()]) {
      const waits = source.joined ? limits.silenceMs : limits.dialMs;
      if (now >= source.heardAt + waits) this.#lost(source.ref.id, 'silent', true);
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
        source.joined = true;
        source.complete = message.held >= this.#core.setup.rows;
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
    this.#sources.remove(source);
    for (const [row, second] of this.#doubled) {
      if (second !== id) continue;
      this.#doubled.delete(row);
      if (hangUp) this.#core.act({ kind: 'cancel', row, from: id });
    }
    for (const row of [...this.#wants.fetchedFrom(id)]) {
      if (hangUp) this.#core.act({ kind: 'cancel', row, from: id });
      const second = this.#doubled.get(row);
      this.#doubled.delete(row);
      this.#wants.requeue(row);
      if (second !== undefined) this.#core.act({ kind: 'cancel', row, from: second });
    }
    if (hangUp) this.#core.act({ kind: 'hang-up', feeder: id });
    this.#core.setAside(id, why);
  }

  #heard(from: SourceId): void {
    const source = this.#sources.get(from);
    if (source !== undefined) source.heardAt = this.#core.now;
  }

  #arrived(row: Row, from: SourceId, bytes: number): void {
    this.#core.took(bytes);
    this.#heard(from);
    this.#core.delivered(from);
    const first = this.#wants.sourceOf(row);
    const second = this.#doubled.get(row);
    for (const other of [first, second])
      if (other !== undefined && other !== from) this.#core.act({ kind: 'cancel', row, from: other });
    this.#doubled.delete(row);
    this.#core.setHeld(row, true);
    if (from === 'wan') this.#wan.arrived(row);
    this.#followers.pass(row, this.#wants.settle(row));
    if (!this.#core.complete) return;
    this.#core.note('complete', `${this.#core.setup.rows} chunks`);
    this.#letGo('complete');
  }

  #failed(row: Row, from: SourceId, why: FetchFailure, what: string): void {
    const { now } = this.#core;
    if (this.#doubled.get(row) === from) this.#doubled.delete(row);
    else if (this.#wants.sourceOf(row) !== from) return;
    else if (from === 'wan') {
      const again = why === 'missing' ? this.#wan.missed(row, now) : now;
      if (why !== 'missing') this.#wan.failed(now);
      if (again === undefined) this.#giveUp(row, why, what);
      else this.#wants.requeue(row, again);
      return;
    } else {
      const second = this.#doubled.get(row);
      this.#doubled.delete(row);
      this.#wants.requeue(row, second === undefined ? now + this.#core.limits.retryMs[0] : undefined);
      if (second !== undefined) this.#core.act({ kind: 'cancel', row, from: second });
    }
    const source = this.#sources.get(from);
    if (source === undefined) return;
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
    const second = this.#doubled.get(row);
    this.#doubled.delete(row);
    this.#core.act({ kind: 'cancel', row, from });
    if (second !== undefined) this.#core.act({ kind: 'cancel', row, from: second });
    this.#wants.requeue(row);
  }

  /** Leaves all sources, and the WAN. */
  #letGo(why: string): void {
    for (const row of [...this.#wants.fetchedFrom('wan')]) {
      this.#core.act({ kind: 'cancel', row, from: 'wan' });
      this.#wants.requeue(row);
    }
    for (const source of [...this.#sources.all()]) this.#lost(source.ref.id, why, true);
  }

  #pump(): void {
    this.#wants.wakeDelayed(this.#core.now);
    if (!this.#wants.any || this.#core.complete) return;
    this.#sources.dial();
    const rows: Row[] = [];
    for (
      let row = this.#wants.peek();
      row !== undefined && rows.length < COMPARED;
      row = this.#wants.peek()
    ) {
      rows.push(row);
      this.#wants.take();
    }
    // Among equally rare ones by lot: were all to begin with the first, the source would send it to each of us.
    const lot = new Map(rows.map((row) => [row, this.#sources.copies(row) + this.#core.random.next()]));
    rows.sort((a, b) => (lot.get(a) ?? 0) - (lot.get(b) ?? 0));
    for (const row of rows) {
      const from = this.#choose(row);
      if (from === undefined) this.#wants.requeue(row);
      else this.#ask(row, from);
    }
    if (this.#wants.peek() === undefined) this.#endgame();
  }

  #ask(row: Row, from: SourceId): void {
    this.#wants.fetch(row, from);
    this.#core.act({ kind: 'fetch', row, from });
  }

  /** The source with the fewest requests that has it; over the WAN when it is ours to cross and nobody has it. */
  #choose(row: Row): SourceId | undefined {
    const best = this.#sources.cheapest(row, (id) => this.#wants.fetchedFrom(id).size);
    if (best !== undefined || !this.#core.isDesignated || this.#sources.copies(row) > 0) return best;
    const { now, limits } = this.#core;
    const free = this.#wan.mayAsk(now) && this.#wants.fetchedFrom('wan').size < limits.wanRows;
    return free ? 'wan' : undefined;
  }

  /** Nothing is left to ask for: an idle source doubles what a slower one has not brought yet. */
  #endgame(): void {
    for (const source of this.#sources.all()) {
      if (!source.joined || this.#wants.fetchedFrom(source.ref.id).size > 0) continue;
      if ([...this.#doubled.values()].includes(source.ref.id)) continue;
      const row = this.#lastOfBusiest(source);
      if (row === undefined) continue;
      this.#doubled.set(row, source.ref.id);
      this.#core.act({ kind: 'fetch', row, from: source.ref.id });
    }
  }

  /** Of a doubled chunk the source that begins first goes on alone: nothing comes twice but what was on its way. */
  #settleDoubled(from: SourceId): void {
    if (this.#doubled.size === 0) return;
    const [underWay] = this.#wants.fetchedFrom(from);
    for (const [row, second] of this.#doubled) {
      const first = this.#wants.sourceOf(row);
      if (first === undefined || (second !== from && row !== underWay)) continue;
      this.#doubled.delete(row);
      this.#core.act({ kind: 'cancel', row, from: second === from ? first : second });
      if (second === from) this.#wants.refetch(row, second);
    }
  }

  #lastOfBusiest(idle: MeshSource): Row | undefined {
    for (const { ref } of this.#sources.all()) {
      const rows = [...this.#wants.fetchedFrom(ref.id)];
      const row = rows.at(-1);
      if (rows.length < 2 || row === undefined || this.#doubled.has(row)) continue;
      if (idle.complete || idle.holds[row] === 1) return row;
    }
    return undefined;
  }

  #standing(): Standing {
    const { heldCount, complete, isDesignated, intake, now } = this.#core;
    const depth =
      complete || isDesignated ? 0 : this.#sources.all()[Symbol.iterator]().next().done ? NO_SOURCE : 1;
    return { held: heldCount, depth, above: [], rate: Math.round(intake.rate(now)) };
  }
}
