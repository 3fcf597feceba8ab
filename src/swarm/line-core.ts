// What all parts of a line's machine share: limits, the facts about this node and its site, and the actions being made.
import { type Random, seededRandom } from '../base/random.ts';
import type { MonotonicMs } from '../base/time.ts';
import { Bans } from './ban.ts';
import type { LineAction, LineNote, LinePeer, LineSetup, Row, SourceId } from './line-ports.ts';
import { RateMeter } from './line-rates.ts';
import { mix } from './mix.ts';
import type { PeerId } from './site.ts';

export interface LineLimits {
  /** Chunks asked of the feeder at a time. */
  readonly windowRows: number;
  /** Chunks fetched over the WAN at a time. */
  readonly wanRows: number;
  /** How often a feeder says where it stands, and a follower how far it is. */
  readonly beatMs: number;
  /** A feeder or follower without a sign of life for so long is taken for dead. */
  readonly silenceMs: number;
  /** A feeder that lives and has what we want, but sends nothing for so long, is stalled. */
  readonly stallMs: number;
  /** For dialling and for the answer to an attach. */
  readonly dialMs: number;
  /** Nobody to ask: again after so long, doubled up to the second. */
  readonly retryMs: readonly [first: number, longest: number];
  /** A source that failed is not asked for so long, doubled with each failure. */
  readonly asideMs: readonly [first: number, longest: number];
  /** First question to go round a slow feeder, so long after attaching; four times, then doubled with each refusal. */
  readonly roundMs: readonly [first: number, longest: number];
  /** A follower with so many chunks waiting for it is behind. */
  readonly behindRows: number;
  /** Somebody with so many chunks more is ahead. */
  readonly aheadRows: number;
  /** After a follower's place was given to another in vain: not again for so long, ten times as long each time. */
  readonly trialMs: number;
  /** Wants are given up after so long without any progress. */
  readonly patienceMs: number;
  /** Feeders above one that are believed; more is a ring. */
  readonly maxDepth: number;
}

export const LINE_LIMITS: LineLimits = {
  windowRows: 16,
  wanRows: 3,
  beatMs: 150,
  silenceMs: 450,
  stallMs: 1_500,
  dialMs: 400,
  retryMs: [100, 1_000],
  asideMs: [1_000, 60_000],
  roundMs: [500, 15_000],
  behindRows: 3,
  aheadRows: 16,
  trialMs: 2_000,
  patienceMs: 60_000,
  maxDepth: 2_000,
};

/** Woken so much too late, we were busy or stopped ourselves. */
const LATE_MS = 50;
/** Timers run before sockets: what came while we were held up is read only after the step that finds us late. */
const READ_MS = 20;

/** For how long others' silence is not theirs, when a step that was due at `wakeBy` comes at `now`; 0 when in time. */
export function excusedMs(wakeBy: MonotonicMs, now: MonotonicMs): number {
  const lateMs = now - wakeBy;
  return lateMs > LATE_MS ? lateMs + READ_MS : 0;
}

/** The depth of a node that is cut off from every source for now. */
export const NO_SOURCE = 0xffff;

export interface LineOptions {
  readonly limits?: Partial<LineLimits>;
  readonly random?: Random;
}

/** Facts and the list of actions of the present step. */
export class LineCore {
  readonly setup: LineSetup;
  readonly limits: LineLimits;
  readonly random: Random;
  readonly bans = new Bans();
  readonly #held: Uint8Array;
  heldCount = 0;
  now: MonotonicMs = 0;
  peers: ReadonlyMap<PeerId, LinePeer> = new Map();
  designated: PeerId | undefined;
  /** The most chunks that a live, fit other announces. */
  siteBest = 0;
  paused = false;
  leaving = false;
  /** The most that our uplink was seen to carry, bytes per second. */
  uplinkBest = 0;
  /** Our uplink has shown to be much slower than others' links: whoever follows us had better follow our feeder. */
  #uplinkSlow: boolean | 'perhaps' = false;
  /** What comes in, from wherever, and the most of it so far. */
  readonly intake = new RateMeter();
  intakeBest = 0;
  /** When anything last moved on: a chunk came. */
  progressAt: MonotonicMs = 0;
  readonly #asides = new Map<PeerId, { failures: number; untilMs: MonotonicMs }>();
  #out: LineAction[] = [];

  constructor(setup: LineSetup, options: LineOptions) {
    this.setup = setup;
    this.limits = { ...LINE_LIMITS, ...options.limits };
    this.random = options.random ?? seededRandom(mix(setup.self).low);
    this.#held = new Uint8Array(setup.rows);
    for (let row = 0; row < setup.rows; row++) {
      if (!setup.has(row)) continue;
      this.#held[row] = 1;
      this.heldCount++;
    }
  }

  has(row: Row): boolean {
    return this.#held[row] === 1;
  }

  setHeld(row: Row, held: boolean): void {
    if (this.has(row) === held) return;
    this.#held[row] = held ? 1 : 0;
    this.heldCount += held ? 1 : -1;
  }

  get complete(): boolean {
    return this.heldCount === this.setup.rows;
  }

  /**
   * Do we cross the WAN? Also when the one who should is banned by us: a liar must not keep the site from the origin. But of
   * several whom it lied to, one is enough: the first by id of those that cross.
   */
  get isDesignated(): boolean {
    const { designated, setup } = this;
    if (designated === undefined || designated === setup.self) return designated === setup.self;
    if (!this.bans.isBanned(designated, this.now)) return false;
    for (const { id, crosses } of this.peers.values())
      if (crosses === true && id !== designated && id < setup.self && this.usable(id)) return false;
    return true;
  }

  get uplinkSlow(): boolean {
    return this.#uplinkSlow !== false;
  }

  /** `perhaps`: so that it shows whether others do better in our place. */
  judgeUplink(slow: true | 'perhaps', reason: string): void {
    this.#uplinkSlow = slow;
    this.note('uplink-slow', reason);
  }

  /** We had to pass the one that was to do better in our place: it is not our uplink that is slow. */
  clearUplink(): void {
    if (this.#uplinkSlow === 'perhaps') this.#uplinkSlow = false;
  }

  /** The designated peer, if it is another. */
  get crosser(): LinePeer | undefined {
    return this.designated === undefined ? undefined : this.peers.get(this.designated);
  }

  /** A chunk has come. */
  took(bytes: number): void {
    this.progressAt = this.now;
    this.intake.add(bytes, this.now);
    if (this.intake.points >= 3) this.intakeBest = Math.max(this.intakeBest, this.intake.rate(this.now));
  }

  act(action: LineAction): void {
    this.#out.push(action);
  }

  note(what: LineNote, reason: string, peer?: SourceId): void {
    this.#out.push(
      peer === undefined ? { kind: 'note', what, reason } : { kind: 'note', what, reason, peer },
    );
  }

  takeActions(): readonly LineAction[] {
    if (this.#out.length === 0) return NO_ACTIONS;
    const actions = this.#out;
    this.#out = [];
    return actions;
  }

  setSite(peers: readonly LinePeer[], designated: PeerId | undefined): void {
    const map = new Map<PeerId, LinePeer>();
    let best = 0;
    for (const peer of peers) {
      if (peer.id === this.setup.self) continue;
      map.set(peer.id, peer);
      if (peer.fit && peer.held > best) best = peer.held;
    }
    this.peers = map;
    this.siteBest = best;
    this.designated = designated;
  }

  /** Sets a peer aside after a failure; the time doubles with each until it has delivered. */
  setAside(peer: PeerId, reason: string): void {
    const known = this.#asides.get(peer);
    if (known !== undefined && known.untilMs > this.now) return;
    const failures = (known?.failures ?? 0) + 1;
    const [first, longest] = this.limits.asideMs;
    this.#asides.set(peer, { failures, untilMs: this.now + Math.min(first * 2 ** (failures - 1), longest) });
    this.note('feeder-set-aside', reason, peer);
  }

  delivered(peer: PeerId): void {
    if (this.#asides.size > 0) this.#asides.delete(peer);
  }

  /** Neighbours that began together shall not ask together. */
  jittered(ms: number): number {
    return ms * (0.75 + this.random.next() / 2);
  }

  /** May it be asked now? */
  usable(peer: PeerId): boolean {
    if (peer === this.setup.self || this.bans.isBanned(peer, this.now)) return false;
    const aside = this.#asides.get(peer);
    return (aside === undefined || aside.untilMs <= this.now) && this.peers.get(peer)?.fit !== false;
  }
}

const NO_ACTIONS: readonly LineAction[] = [];
