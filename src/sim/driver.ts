// Performs what the machine of a line decides, virtually: the simulator's counterpart of service/site-node.
import { assert, unreachable } from '../base/errors.ts';
import type { LineAction, LineEvent, LineMachine, Row, SourceId } from '../swarm/line-ports.ts';
import type { PeerId, PeerRef } from '../swarm/site.ts';
import type { Parcel } from './channel.ts';
import { Connection, type FeederEnd } from './connection.ts';
import type { SimImage } from './image.ts';
import type { Host, Network } from './network.ts';
import type { Observer } from './observer.ts';
import { type Partial, PartialShelf } from './partial.ts';
import { cancel, type Ticket } from './queue.ts';
import type { Meter, Wan, WanFetch } from './wan.ts';

export interface DriverSetup {
  readonly network: Network;
  readonly host: Host;
  readonly self: PeerRef;
  readonly image: SimImage;
  readonly wan: Wan;
  readonly machine: LineMachine;
  /** Of its WAN budget; none without a limit. */
  readonly meter: Meter | undefined;
  readonly observer: Observer;
  /** Whoever listens there. */
  find(ref: PeerRef): { readonly host: Host; driver(): Driver | undefined } | undefined;
  /** Is this row held, and are its bytes wrong? */
  held(row: Row): 'no' | 'good' | 'bad';
  /** The chunk is proved: keep it. False: no room (it was delivered, but is not held). */
  keep(row: Row, bad: boolean): void;
  /** Are the bytes right? What every node does on arrival. */
  verify(partial: Partial): boolean;
  /** What is kept of a chunk that broke off, for the next source. */
  salvage(partial: Partial): Partial | undefined;
  /** Does this node send wrong bytes for it? */
  lies(row: Row): boolean;
  onSuspect(peer: PeerId): void;
  onArrived(row: Row): void;
  onGaveUp(row: Row): void;
}

interface FeederLink {
  readonly connection: Connection;
  open: boolean;
  readonly wanted: Map<Row, Partial>;
}

interface FollowerLink {
  readonly ref: PeerRef;
  readonly connection: Connection;
  /** From which byte on it wants a row. */
  readonly offsets: Map<Row, number>;
}

export class Driver {
  readonly #setup: DriverSetup;
  readonly #life: number;
  readonly #feeders = new Map<PeerId, FeederLink>();
  readonly #followers = new Map<PeerId, FollowerLink>();
  readonly #crossings = new Map<Row, { readonly fetch: WanFetch; readonly partial: Partial }>();
  readonly #waiting: PartialShelf;
  readonly #events: LineEvent[] = [];
  #busy = false;
  #wake: Ticket | undefined;

  constructor(setup: DriverSetup) {
    this.#setup = setup;
    this.#life = setup.host.life;
    this.#waiting = new PartialShelf(setup.salvage);
  }

  get alive(): boolean {
    return this.#setup.host.life === this.#life;
  }

  /** Is it fetching this chunk over the WAN? */
  crosses(row: Row): boolean {
    return this.#crossings.has(row);
  }

  /** Hands the machine an event and performs what follows; nothing happens inside of something else. */
  deliver(event: LineEvent): void {
    if (!this.alive) return;
    this.#events.push(event);
    if (this.#busy) return;
    this.#busy = true;
    const { machine, network } = this.#setup;
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
      for (const action of machine.step(next, network.queue.nowMs)) this.#perform(action);
    }
    this.#busy = false;
    this.#setAlarm();
  }

  /** A follower's dial has reached us. */
  accept(ref: PeerRef, connection: Connection): FeederEnd {
    const before = this.#followers.get(ref.id);
    if (before !== undefined) {
      before.connection.drop();
      this.#followers.delete(ref.id);
      this.deliver({ kind: 'follower-lost', follower: ref.id });
    }
    const link: FollowerLink = { ref, connection, offsets: new Map() };
    this.#followers.set(ref.id, link);
    const current = () => this.alive && this.#followers.get(ref.id) === link;
    const follower = ref.id;
    return {
      asked: (message) => {
        if (current()) this.deliver({ kind: 'follower-says', follower: ref, message });
      },
      wants: (row, from) => {
        if (!current()) return;
        link.offsets.set(row, from);
        this.deliver({ kind: 'follower-wants', follower, row });
      },
      unwants: (row) => {
        if (current()) this.deliver({ kind: 'follower-unwants', follower, row });
      },
      sent: (parcel) => {
        if (current() && parcel.cut !== true)
          this.deliver({ kind: 'served', follower, row: parcel.row, bytes: parcel.bytes });
      },
      lost: () => {
        if (!current()) return;
        this.#followers.delete(follower);
        this.deliver({ kind: 'follower-lost', follower });
      },
    };
  }

  #perform(action: LineAction): void {
    switch (action.kind) {
      case 'dial':
        this.#dial(action.to);
        return;
      case 'hang-up':
        this.#hangUp(action.feeder);
        return;
      case 'tell-feeder':
        this.#feeders.get(action.feeder)?.connection.ask(action.message);
        return;
      case 'fetch':
        if (action.from === 'wan') this.#cross(action.row);
        else this.#fetch(action.row, action.from);
        return;
      case 'cancel':
        this.#cancel(action.row, action.from);
        return;
      case 'tell-follower':
        this.#followers.get(action.follower)?.connection.tell(action.message);
        return;
      case 'serve':
        this.#serve(action.follower, action.row);
        return;
      case 'unserve':
        this.#followers.get(action.follower)?.connection.unsend(action.row);
        return;
      case 'drop-follower': {
        this.#followers.get(action.follower)?.connection.drop();
        this.#followers.delete(action.follower);
        return;
      }
      case 'give-up':
        this.#setup.observer.gaveUp(this.#self, action.row, action.what);
        this.#setup.onGaveUp(action.row);
        return;
      case 'suspect':
        this.#setup.onSuspect(action.peer);
        return;
      case 'note':
        this.#setup.observer.noted(this.#self, action.what, action.reason, action.peer);
        return;
      default:
        unreachable(action);
    }
  }

  get #self(): PeerId {
    return this.#setup.self.id;
  }

  // Feeders

  #dial(to: PeerRef): void {
    const { network, host, self } = this.#setup;
    const there = this.#setup.find(to);
    const feeder = to.id;
    if (there === undefined || this.#feeders.has(feeder)) {
      this.deliver({
        kind: 'feeder-lost',
        feeder,
        why: there === undefined ? 'nobody there' : 'dialled twice',
      });
      return;
    }
    const connection: Connection = new Connection(
      network,
      host,
      there.host,
      {
        opened: () => {
          link.open = true;
          this.deliver({ kind: 'feeder-open', feeder });
        },
        told: (message) => {
          // It will not come from there: what has come of it goes on elsewhere.
          if (message.kind === 'missing') this.#cancel(message.row, feeder);
          this.deliver({ kind: 'feeder-says', feeder, message });
        },
        progress: (parcel, bytes) => this.#progress(link, feeder, parcel, bytes),
        arrived: (parcel) => this.#came(link, feeder, parcel),
        lost: (why) => {
          this.#feeders.delete(feeder);
          this.#save(link, feeder);
          this.deliver({ kind: 'feeder-lost', feeder, why });
        },
      },
      (accepted) => {
        const driver = there.driver();
        assert(driver !== undefined, 'a running process has a driver');
        return driver.accept(self, accepted);
      },
    );
    const link: FeederLink = { connection, open: false, wanted: new Map() };
    this.#feeders.set(feeder, link);
  }

  #hangUp(feeder: PeerId): void {
    const link = this.#feeders.get(feeder);
    if (link === undefined) return;
    this.#feeders.delete(feeder);
    this.#save(link, feeder);
    link.connection.hangUp();
  }

  /** Keeps what has come of the chunk under way, for the next source. */
  #save(link: FeederLink, from: PeerId): void {
    for (const [row, partial] of link.wanted) {
      this.#growUnder(link, from, row, partial);
      this.#waiting.putBack(row, partial);
    }
    link.wanted.clear();
  }

  #fetch(row: Row, from: PeerId): void {
    const link = this.#feeders.get(from);
    if (link?.open !== true) {
      this.deliver({ kind: 'failed', row, from, why: 'broken', what: 'not connected' });
      return;
    }
    const partial = this.#waiting.take(row);
    link.wanted.set(row, partial);
    link.connection.want(row, partial.received);
  }

  #progress(link: FeederLink, from: PeerId, parcel: Parcel, bytes: number): void {
    const partial = link.wanted.get(parcel.row);
    if (partial === undefined) return;
    this.#growUnder(link, from, parcel.row, partial);
    this.deliver({ kind: 'bytes', from, bytes });
  }

  #came(link: FeederLink, from: PeerId, parcel: Parcel): void {
    const partial = link.wanted.get(parcel.row);
    if (partial === undefined || parcel.cut === true) {
      this.#setup.observer.strayed(this.#self, from, parcel.bytes);
      return;
    }
    link.wanted.delete(parcel.row);
    this.#whole(partial, from, parcel);
  }

  /** What has come so far, if this is the chunk under way. */
  #growUnder({ connection }: FeederLink, from: PeerId, row: Row, partial: Partial): void {
    const under = connection.received();
    if (under?.parcel.row === row) this.#grow(partial, from, under.parcel, under.bytes);
  }

  /** The world sees the new bytes; `bytes` of the parcel have come by now. */
  #grow(partial: Partial, from: SourceId, parcel: Parcel, bytes: number): void {
    const end = parcel.from + bytes;
    if (end <= partial.received) return;
    this.#setup.observer.received(this.#self, from, parcel.row, partial.received, end);
    if (from === 'wan') this.#setup.observer.crossed(this.#self, end - partial.received);
    partial.received = end;
    partial.bad ||= parcel.bad;
    partial.from.add(from);
  }

  #whole(partial: Partial, from: SourceId, parcel: Parcel): void {
    const { row } = parcel;
    const { observer } = this.#setup;
    this.#grow(partial, from, parcel, parcel.bytes);
    if (this.#setup.verify(partial)) {
      this.#setup.keep(row, partial.bad);
      observer.kept(this.#self, row, partial.bad);
      this.deliver({ kind: 'arrived', row, from, bytes: parcel.bytes });
      this.#setup.onArrived(row);
      return;
    }
    observer.discarded(this.#self, from, row, partial.received);
    // A wrong chunk is one source's fault only if it brought all of it.
    const why = partial.from.size === 1 ? 'corrupt' : 'broken';
    this.deliver({ kind: 'failed', row, from, why, what: 'wrong bytes' });
  }

  // The WAN

  #cross(row: Row): void {
    const partial = this.#waiting.take(row);
    const { wan, host, image, meter } = this.#setup;
    const parcel = { row, from: partial.received, bytes: image.size(row) - partial.received, bad: false };
    const fetch = wan.fetch(
      host,
      parcel,
      {
        progress: (_, bytes) => {
          this.#grow(partial, 'wan', parcel, fetch.received());
          this.deliver({ kind: 'bytes', from: 'wan', bytes });
        },
        arrived: () => {
          this.#crossings.delete(row);
          this.#whole(partial, 'wan', parcel);
        },
        failed: (_, why) => {
          this.#stopCrossing(row);
          this.deliver({ kind: 'failed', row, from: 'wan', why, what: 'the origin sends nothing' });
        },
      },
      meter,
    );
    this.#crossings.set(row, { fetch, partial });
  }

  #stopCrossing(row: Row): void {
    const crossing = this.#crossings.get(row);
    if (crossing === undefined) return;
    this.#crossings.delete(row);
    const { fetch, partial } = crossing;
    this.#grow(partial, 'wan', fetch.parcel, fetch.received());
    this.#waiting.putBack(row, partial);
    fetch.cancel();
  }

  #cancel(row: Row, from: SourceId): void {
    if (from === 'wan') {
      this.#stopCrossing(row);
      return;
    }
    const link = this.#feeders.get(from);
    const partial = link?.wanted.get(row);
    if (link === undefined || partial === undefined) return;
    this.#growUnder(link, from, row, partial);
    link.wanted.delete(row);
    this.#waiting.putBack(row, partial);
    link.connection.unwant(row);
  }

  // Followers

  #serve(follower: PeerId, row: Row): void {
    const link = this.#followers.get(follower);
    if (link === undefined) return;
    const held = this.#setup.held(row);
    const from = link.offsets.get(row) ?? 0;
    link.offsets.delete(row);
    this.#setup.observer.serves(this.#self, follower, row, held !== 'no', held === 'bad');
    const bad = held !== 'good' || this.#setup.lies(row);
    link.connection.send({ row, from, bytes: this.#setup.image.size(row) - from, bad });
  }

  // Time

  #setAlarm(): void {
    const at = this.#setup.machine.nextWake();
    if (at === undefined) return;
    // An alarm that is too early is found out when it rings: cheaper than a new one after every step.
    if (this.#wake?.run !== undefined && this.#wake.atMs <= at) return;
    cancel(this.#wake);
    this.#wake = this.#setup.network.queue.at(at, () => this.#ring());
  }

  #ring(): void {
    const { host, machine, network } = this.#setup;
    if (!this.alive) return;
    if (host.state === 'stopped') {
      host.backlog.push(() => this.#ring());
      return;
    }
    const at = machine.nextWake();
    if (at !== undefined && at <= network.queue.nowMs) this.deliver({ kind: 'wake' });
    else this.#setAlarm();
  }
}
