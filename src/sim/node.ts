// One simulated machine: the real line, beacon and election machines, a consumer that wants chunks in order, a disk.
import type { Random } from '../base/random.ts';
import { type Bucket, type Limit, shareOf } from '../swarm/budget.ts';
import type { Candidate } from '../swarm/election.ts';
import type { LineMachine, LineSetup, Row } from '../swarm/line-ports.ts';
import { linePeers } from '../swarm/peers.ts';
import type { Announcement, ImageKey, PeerId, PeerRef, PeerRole } from '../swarm/site.ts';
import { Driver } from './driver.ts';
import type { SimImage } from './image.ts';
import type { Host, Network } from './network.ts';
import type { Observer } from './observer.ts';
import type { Partial } from './partial.ts';
import type { PresenceFor, SimPresence } from './presence.ts';
import type { Meter, Wan } from './wan.ts';

/** The parts of a node that decide: the product's own; a test may put a faulty one in the place of one. */
export interface Parts {
  machine(setup: LineSetup): LineMachine;
  /** Are the bytes right? */
  verify(partial: Partial): boolean;
  /** What is kept of a chunk that broke off, for the next source. */
  salvage(partial: Partial): Partial | undefined;
  /** Of the WAN, in bytes per second. */
  budget(limit: Limit, nowMs: number): Pick<Bucket, 'change' | 'spend' | 'waitMs'>;
  elect(site: string, key: ImageKey, candidates: readonly Candidate[], self: PeerId): PeerId | undefined;
}

export interface NodeSetup {
  readonly network: Network;
  readonly host: Host;
  readonly self: PeerRef;
  readonly role: PeerRole;
  readonly tags: readonly string[];
  readonly image: SimImage;
  readonly wan: Wan;
  /** What may cross it for the whole site, bytes per second. */
  readonly wanLimit: Limit;
  readonly observer: Observer;
  readonly presence: PresenceFor;
  readonly parts: Parts;
  readonly random: Random;
  find(ref: PeerRef): SimNode | undefined;
  /** Does it want the image itself? A peer that does not relays only. */
  readonly consumes: boolean;
  /** From its start to its first want: catalogue, manifest and disk choice, while it gets to know the site. */
  readonly readyMs: number;
  /** Bytes per millisecond that its disk writes. */
  readonly diskBytesPerMs: number;
  /** Keeps its store over a restart (a peer); a target begins again. */
  readonly durable: boolean;
  /** So many bytes were read from the WAN, where it is limited. */
  onRead(node: SimNode, bytes: number): void;
  onFinished(node: SimNode): void;
}

/** Chunks wanted at a time, in the order of rows. */
const WINDOW_ROWS = 8;
/** A chunk that was given up is wanted again. */
const AGAIN_MS = 500;
/** As service/announcer. */
const ANNOUNCE_MS = 1000;
const SITE = 'sim';

const NOT_HELD = 0;
const GOOD = 1;
const BAD = 2;

export class SimNode {
  readonly host: Host;
  readonly self: PeerRef;
  readonly role: PeerRole;
  readonly consumes: boolean;
  /** Sends wrong bytes for this share of chunks. */
  liesShare = 0;
  /** When it first wanted a chunk. */
  startedMs: number | undefined;
  finishedMs: number | undefined;
  /** Polite goodbye has been said. */
  leaving = false;
  readonly #setup: NodeSetup;
  #rows: Uint8Array;
  #written: Uint8Array;
  /** When each chunk came. */
  readonly #sinceMs: Float64Array;
  #heldCount = 0;
  #driver: Driver | undefined;
  #machine: LineMachine | undefined;
  #presence: SimPresence | undefined;
  #wanted = new Set<Row>();
  #next: Row = 0;
  #diskFreeMs = 0;
  #said = '';
  #budget: ReturnType<Parts['budget']> | undefined;

  constructor(setup: NodeSetup) {
    this.#setup = setup;
    this.host = setup.host;
    this.self = setup.self;
    this.role = setup.role;
    this.consumes = setup.consumes;
    this.#rows = new Uint8Array(setup.image.rows);
    this.#written = new Uint8Array(setup.image.rows);
    this.#sinceMs = new Float64Array(setup.image.rows);
  }

  get id(): PeerId {
    return this.self.id;
  }

  get name(): string {
    return this.host.name;
  }

  get running(): boolean {
    return this.host.state === 'up' || this.host.state === 'stopped';
  }

  get held(): number {
    return this.#heldCount;
  }

  /** It wants chunks, and can ask for them. */
  get isFetching(): boolean {
    const wants = this.consumes && this.startedMs !== undefined && this.finishedMs === undefined;
    return wants && this.host.state === 'up' && !this.leaving;
  }

  /** Held, and its bytes are right. */
  holds(row: Row): boolean {
    return this.#rows[row] === GOOD;
  }

  /** Has it held the chunk for so long, and would it serve it? */
  offers(row: Row, forMs: number): boolean {
    if (this.#rows[row] !== GOOD || this.host.state !== 'up' || this.leaving || this.liesShare > 0)
      return false;
    return this.#setup.network.queue.nowMs - (this.#sinceMs[row] as number) >= forMs;
  }

  get complete(): boolean {
    return this.#heldCount === this.#setup.image.rows;
  }

  driver(): Driver | undefined {
    return this.#driver;
  }

  machine(): LineMachine | undefined {
    return this.#machine;
  }

  /** Before the start: it holds the whole image. */
  stock(): void {
    this.#written.fill(GOOD);
  }

  /** The process starts: a peer with its store, a target with nothing. */
  start(): void {
    const { network, host, image, parts } = this.#setup;
    network.start(host);
    if (this.#setup.durable) this.#rows = this.#written.slice();
    else {
      this.#rows = new Uint8Array(image.rows);
      this.#written = new Uint8Array(image.rows);
    }
    this.#heldCount = this.#rows.reduce((count, state) => count + (state === NOT_HELD ? 0 : 1), 0);
    this.#wanted = new Set();
    this.#next = 0;
    this.#said = '';
    this.#sinceMs.fill(network.queue.nowMs);
    this.#diskFreeMs = network.queue.nowMs;
    this.leaving = false;
    const machine = parts.machine({
      self: this.id,
      role: this.role,
      rows: image.rows,
      storedBytes: (row) => image.size(row),
      has: (row) => this.#rows[row] !== NOT_HELD,
    });
    this.#machine = machine;
    const { wanLimit } = this.#setup;
    this.#budget = wanLimit === null ? undefined : parts.budget(wanLimit, network.queue.nowMs);
    this.#driver = this.#drive(machine);
    this.#presence = this.#setup.presence({
      ...{ network, host, self: this.self, own: this.#announcement(), random: this.#setup.random },
      onChange: () => this.#siteChanged(),
    });
    this.#siteChanged();
    this.#presence.start();
    this.#announceNowAndThen(host.life);
    if (!this.consumes) return;
    const { life } = host;
    network.queue.after(this.#setup.readyMs, () => {
      if (host.life !== life) return;
      if (this.finishedMs === undefined) this.startedMs = network.queue.nowMs;
      this.#fill();
    });
  }

  /** Dies: `down` by a crash of the process, `off` by losing power. */
  die(state: 'down' | 'off'): void {
    this.#setup.network.end(this.host, state);
    this.#presence?.died();
    this.#driver = undefined;
    this.#machine = undefined;
  }

  /** Says goodbye and hands its followers on; the world ends it a little later. */
  leave(): void {
    this.leaving = true;
    this.#driver?.deliver({ kind: 'leave' });
    this.#announce();
  }

  /** The goodbye of its beacon, then it ends. */
  end(): void {
    this.#presence?.leave();
    this.die('down');
  }

  /** Evicted or unreadable: it does not hold the chunk any more. */
  lose(row: Row): void {
    if (this.#rows[row] === NOT_HELD) return;
    this.#rows[row] = NOT_HELD;
    this.#written[row] = NOT_HELD;
    this.#heldCount -= 1;
    this.#driver?.deliver({ kind: 'gone', row });
  }

  #drive(machine: LineMachine): Driver {
    const { network, host, image, wan, observer, parts, random } = this.#setup;
    const find = (ref: PeerRef) => this.#setup.find(ref);
    return new Driver({
      ...{ network, host, self: this.self, image, wan, observer, machine, find, meter: this.#meter() },
      ...{ verify: parts.verify, salvage: parts.salvage },
      held: (row) => (this.#rows[row] === GOOD ? 'good' : this.#rows[row] === BAD ? 'bad' : 'no'),
      keep: (row, bad) => this.#keep(row, bad),
      lies: () => this.liesShare > 0 && random.next() < this.liesShare,
      onSuspect: (peer) => this.#presence?.suspect(peer),
      onArrived: (row) => this.#arrived(row),
      onGaveUp: (row) => this.#gaveUp(row),
    });
  }

  #meter(): Meter | undefined {
    const budget = this.#budget;
    const { queue } = this.#setup.network;
    if (budget === undefined) return undefined;
    return {
      count: (bytes) => {
        budget.spend(bytes, queue.nowMs);
        this.#setup.onRead(this, bytes);
      },
      waitMs: () => budget.waitMs(queue.nowMs),
    };
  }

  /** Those that cross now share the limit of the site. */
  #shareBudget(own: Announcement): void {
    const { image, network, wanLimit } = this.#setup;
    const all = [own, ...(this.#presence?.peers() ?? [])];
    const crossers = all.filter(({ crossing }) => crossing.includes(image.key)).length;
    this.#budget?.change(shareOf(wanLimit, crossers), network.queue.nowMs);
  }

  #keep(row: Row, bad: boolean): void {
    if (this.#rows[row] === NOT_HELD) this.#heldCount += 1;
    this.#rows[row] = bad ? BAD : GOOD;
    this.#sinceMs[row] = this.#setup.network.queue.nowMs;
  }

  /** Into the disk's queue; it counts as done once it is written. */
  #arrived(row: Row): void {
    const { image, network, diskBytesPerMs } = this.#setup;
    if (diskBytesPerMs === Number.POSITIVE_INFINITY) {
      this.#wrote(row);
      return;
    }
    const { life } = this.host;
    this.#diskFreeMs = Math.max(this.#diskFreeMs, network.queue.nowMs) + image.size(row) / diskBytesPerMs;
    network.queue.at(this.#diskFreeMs, () => {
      if (this.host.life === life) this.#wrote(row);
    });
  }

  #wrote(row: Row): void {
    this.#written[row] = this.#rows[row] as number;
    if (!this.#wanted.delete(row)) return;
    this.#fill();
  }

  #fill(): void {
    const { rows } = this.#setup.image;
    while (this.#wanted.size < WINDOW_ROWS && this.#next < rows) {
      const row = this.#next++;
      if (this.#rows[row] !== NOT_HELD) continue;
      this.#wanted.add(row);
      this.#driver?.deliver({ kind: 'want', row });
    }
    if (this.#next < rows || this.#wanted.size > 0 || this.finishedMs !== undefined) return;
    this.finishedMs = this.#setup.network.queue.nowMs;
    this.#announce();
    this.#setup.onFinished(this);
  }

  #gaveUp(row: Row): void {
    if (!this.#wanted.has(row)) return;
    const { life } = this.host;
    this.#setup.network.queue.after(AGAIN_MS, () => {
      if (this.host.life === life && this.#wanted.has(row)) this.#driver?.deliver({ kind: 'want', row });
    });
  }

  // Presence

  #siteChanged(): void {
    const { image, parts } = this.#setup;
    const peers = this.#presence?.peers() ?? [];
    const own = { id: this.id, ...this.#announcement() };
    const designated = parts.elect(SITE, image.key, [...peers, own], this.id);
    this.#shareBudget(own);
    const asked = linePeers(peers, image.key, image.rows, designated);
    this.#driver?.deliver({ kind: 'site', peers: asked, designated });
  }

  #announcement(): Announcement {
    const { image, tags } = this.#setup;
    const { key, rows } = image;
    const state = this.#machine?.state();
    return {
      role: this.role,
      httpPort: this.role === 'peer' ? 8067 : 0,
      tags,
      holdings: this.#heldCount === 0 ? [] : [{ image: key, held: this.#heldCount, of: rows }],
      freeUplinkBytesPerSecond: 0,
      unfit: [
        ...(this.leaving ? (['leaving'] as const) : []),
        ...(state?.slowUplink ? (['slow'] as const) : []),
      ],
      crossing: state?.feeder === 'wan' ? [key] : [],
    };
  }

  #announce(): void {
    if (!this.running) return;
    const own = this.#announcement();
    this.#shareBudget(own);
    const text = `${own.holdings[0]?.held ?? 0} ${own.unfit.length} ${own.crossing.length}`;
    if (text === this.#said) return;
    this.#said = text;
    this.#presence?.announce(own);
  }

  #announceNowAndThen(life: number): void {
    this.#setup.network.queue.after(ANNOUNCE_MS, () => {
      if (this.host.life !== life) return;
      if (this.host.state === 'up') this.#announce();
      this.#announceNowAndThen(life);
    });
  }
}
