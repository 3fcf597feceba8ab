// One TCP connection of a line: the follower dials and asks, the feeder tells and sends chunks in order.
import type { FeederMessage, FollowerMessage } from '../swarm/line-messages.ts';
import type { Row } from '../swarm/line-ports.ts';
import { Channel, type Parcel } from './channel.ts';
import type { Host, Link, Network } from './network.ts';

/** What happens to the one who dialled. */
export interface FollowerEnd {
  opened(): void;
  told(message: FeederMessage): void;
  progress(parcel: Parcel, bytes: number): void;
  arrived(parcel: Parcel): void;
  lost(why: string): void;
}

/** What happens to the one who was dialled. */
export interface FeederEnd {
  asked(message: FollowerMessage): void;
  wants(row: Row, from: number): void;
  unwants(row: Row): void;
  sent(parcel: Parcel): void;
  lost(): void;
}

/** A dial that nobody answers ends: `LineTransport.dial` says so within about a second. */
const DIAL_MS = 1000;
/** As service/line-feeder waits for the hello. */
const HELLO_MS = 2000;

export class Connection implements Link {
  readonly follower: Host;
  readonly feeder: Host;
  readonly #network: Network;
  readonly #followerEnd: FollowerEnd;
  readonly #followerLife: number;
  readonly #feederLife: number;
  #feederEnd: FeederEnd | undefined;
  readonly #channel: Channel;
  #state: 'dialling' | 'open' | 'closed' = 'dialling';
  /** The feeder has closed, or died: nothing of the follower's reaches it any more. */
  #feederGone = false;

  /** `accept` is asked of the feeder once the dial has reached it. */
  constructor(
    network: Network,
    follower: Host,
    feeder: Host,
    end: FollowerEnd,
    accept: (connection: Connection) => FeederEnd,
  ) {
    this.#network = network;
    this.follower = follower;
    this.feeder = feeder;
    this.#followerEnd = end;
    this.#followerLife = follower.life;
    this.#feederLife = feeder.life;
    const { queue, delayMs } = network;
    this.#channel = new Channel(
      queue,
      [feeder.up, follower.down],
      delayMs,
      {
        sent: (parcel) => this.#feederEnd?.sent(parcel),
        progress: (parcel, bytes) => this.#atFollower(() => end.progress(parcel, bytes)),
        arrived: (parcel) => this.#atFollower(() => end.arrived(parcel)),
      },
      network.mostBytesPerMs(2 * delayMs),
    );
    follower.links.add(this);
    // SYN there, SYN-ACK back, hello there, hello back.
    this.#there(() => {
      feeder.links.add(this);
      this.#back(() =>
        this.#there(() => {
          this.#feederEnd = accept(this);
          this.#back(() => this.#open());
        }),
      );
    });
    queue.after(DIAL_MS, () => {
      // For a stopped process its kernel completes the handshake: then only the hello is missing.
      const connected = feeder.state === 'stopped' && network.reachable(follower, feeder);
      if (this.#state === 'dialling' && !connected) this.#lost('no answer');
    });
    queue.after(HELLO_MS, () => {
      if (this.#state === 'dialling') this.#lost('no hello');
    });
    this.reconsider();
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  // The follower's side

  ask(message: FollowerMessage): void {
    this.#there(() => this.#feederEnd?.asked(message));
  }

  want(row: Row, from: number): void {
    this.#there(() => this.#feederEnd?.wants(row, from));
  }

  unwant(row: Row): void {
    this.#there(() => this.#feederEnd?.unwants(row));
  }

  /** What has come of the chunk under way. */
  received(): { readonly parcel: Parcel; readonly bytes: number } | undefined {
    return this.#channel.received();
  }

  /** The follower ends it. */
  hangUp(): void {
    if (this.#state === 'closed') return;
    this.#shut();
    this.#there(() => this.#feederLost());
  }

  // The feeder's side

  tell(message: FeederMessage): void {
    this.#back(() => {
      if (this.#state !== 'closed') this.#followerEnd.told(message);
    });
  }

  send(parcel: Parcel): void {
    if (!this.#feederGone) this.#channel.push(parcel);
  }

  /** Takes back a chunk, or what is left of it after the part under way. */
  unsend(row: Row): void {
    this.#channel.remove(row);
  }

  /** The feeder ends it. */
  drop(): void {
    if (this.#feederGone) return;
    this.#feederGone = true;
    this.feeder.links.delete(this);
    this.#channel.run(false);
    this.#back(() => this.#lost('closed by the feeder'));
  }

  // Of the network

  reconsider(): void {
    const { follower, feeder } = this;
    const flows =
      follower.state === 'up' && feeder.state === 'up' && this.#network.reachable(follower, feeder);
    this.#channel.run(flows && !this.#feederGone && this.#state !== 'closed');
  }

  hostDied(host: Host): void {
    const { state } = host;
    if (host === this.follower) {
      this.#state = 'closed';
      this.#channel.close();
      if (state === 'down') this.#there(() => this.#feederLost());
      return;
    }
    this.#feederGone = true;
    this.#channel.run(false);
    if (state === 'down') this.#back(() => this.#lost('connection reset'));
  }

  #open(): void {
    if (this.#state !== 'dialling') return;
    this.#state = 'open';
    this.#followerEnd.opened();
  }

  #there(arrive: () => void): void {
    const heard = () => {
      if (!this.#feederGone) arrive();
    };
    this.#network.word(this.follower, this.feeder, this.#feederLife, heard, () =>
      this.#lost('connection reset'),
    );
  }

  #back(arrive: () => void): void {
    this.#network.word(this.feeder, this.follower, this.#followerLife, arrive, () => this.#feederLost());
  }

  /** In the order of the words: what is sent arrives only where the follower still listens. */
  #atFollower(arrive: () => void): void {
    if (this.#state !== 'open' || this.follower.life !== this.#followerLife) return;
    if (this.follower.state === 'stopped') this.follower.backlog.push(() => this.#atFollower(arrive));
    else arrive();
  }

  #lost(why: string): void {
    if (this.#state === 'closed') return;
    // What the driver saves of the chunk under way is asked for by `received`, so the channel ends after that.
    this.#followerEnd.lost(why);
    this.#shut();
  }

  #shut(): void {
    this.#state = 'closed';
    this.follower.links.delete(this);
    this.#channel.close();
  }

  #feederLost(): void {
    if (this.#feederGone) return;
    this.#feederGone = true;
    this.feeder.links.delete(this);
    this.#feederEnd?.lost();
  }
}
