// How a simulated node learns who is there: the real beacon machine over virtual datagrams, or an oracle for large worlds.
import type { Random } from '../base/random.ts';
import { BeaconMachine } from '../swarm/beacon.ts';
import type { Beacon } from '../swarm/beacon-codec.ts';
import { SUSPECT_MS } from '../swarm/beacon-pace.ts';
import type { BeaconEvent } from '../swarm/beacon-ports.ts';
import type { BeaconEndpoint } from '../swarm/beacon-table.ts';
import type { Announcement, PeerId, PeerRef, SitePeer } from '../swarm/site.ts';
import type { Host, Network } from './network.ts';
import { cancel, type EventQueue, type Ticket } from './queue.ts';

export interface SimPresence {
  start(): void;
  /** Says goodbye. */
  leave(): void;
  /** The process has died without a word. */
  died(): void;
  announce(own: Announcement): void;
  /** It broke off or went quiet. */
  suspect(peer: PeerId): void;
  /** Live others, as far as this node knows. */
  peers(): readonly SitePeer[];
}

export interface PresenceSetup {
  readonly network: Network;
  readonly host: Host;
  readonly self: PeerRef;
  readonly own: Announcement;
  readonly random: Random;
  onChange(): void;
}

export type PresenceFor = (setup: PresenceSetup) => SimPresence;

/** As service/presence: listeners are told of many changes at once. */
const GATHER_MS = 20;

/** All beacons of one LAN segment. */
export class BeaconSegment {
  readonly #hosts: Host[] = [];
  readonly #beacons = new Map<Host, BeaconPresence>();
  readonly #byAddress = new Map<string, Host>();
  readonly create: PresenceFor = (setup) => new BeaconPresence(this, setup);

  join(host: Host, address: string, beacon: BeaconPresence): void {
    if (!this.#beacons.has(host)) this.#hosts.push(host);
    this.#beacons.set(host, beacon);
    this.#byAddress.set(address, host);
  }

  multicast(network: Network, from: Host, endpoint: BeaconEndpoint, beacon: Beacon): void {
    network.multicast(from, this.#hosts, (host) => this.#beacons.get(host)?.heard(endpoint, beacon, true));
  }

  unicast(network: Network, from: Host, endpoint: BeaconEndpoint, to: string, beacon: Beacon): void {
    const host = this.#byAddress.get(to);
    if (host === undefined) return;
    network.datagram(from, host, () => this.#beacons.get(host)?.heard(endpoint, beacon, false));
  }
}

const SITE = 1;

class BeaconPresence implements SimPresence {
  readonly #segment: BeaconSegment;
  readonly #setup: PresenceSetup;
  readonly #life: number;
  readonly #machine: BeaconMachine;
  readonly #endpoint: BeaconEndpoint;
  #wake: Ticket | undefined;
  #gathering = false;

  constructor(segment: BeaconSegment, setup: PresenceSetup) {
    this.#segment = segment;
    this.#setup = setup;
    this.#life = setup.host.life;
    const { self, own, random } = setup;
    this.#endpoint = { address: self.address, port: self.port };
    this.#machine = new BeaconMachine({ self: self.id, sitePort: self.port, sites: [SITE], own, random });
    segment.join(setup.host, self.address, this);
  }

  start(): void {
    this.#step({ kind: 'start' });
  }

  leave(): void {
    this.#step({ kind: 'leave' });
    this.died();
  }

  died(): void {
    cancel(this.#wake);
  }

  announce(own: Announcement): void {
    this.#step({ kind: 'announce', own });
  }

  suspect(peer: PeerId): void {
    this.#step({ kind: 'suspect', peer });
  }

  peers(): readonly SitePeer[] {
    return this.#machine.peers();
  }

  heard(from: BeaconEndpoint, beacon: Beacon, multicast: boolean): void {
    this.#step({ kind: 'heard', from, site: SITE, multicast, beacon });
  }

  #step(event: BeaconEvent): void {
    const { network, host } = this.#setup;
    if (host.life !== this.#life) return;
    for (const action of this.#machine.step(event, network.queue.nowMs)) {
      if (action.kind === 'multicast') this.#segment.multicast(network, host, this.#endpoint, action.beacon);
      else if (action.kind === 'unicast')
        this.#segment.unicast(network, host, this.#endpoint, action.to.address, action.beacon);
      else if (action.kind !== 'ignored') this.#gather();
    }
    const at = this.#machine.nextWake();
    // As the service does: an alarm that is too early finds nothing to do.
    if (at === undefined || (this.#wake?.run !== undefined && this.#wake.atMs <= at)) return;
    cancel(this.#wake);
    this.#wake = network.queue.at(at, () => this.#ring());
  }

  #ring(): void {
    const { host } = this.#setup;
    if (host.state === 'stopped') host.backlog.push(() => this.#step({ kind: 'wake' }));
    else this.#step({ kind: 'wake' });
  }

  #gather(): void {
    if (this.#gathering) return;
    this.#gathering = true;
    this.#setup.network.queue.after(GATHER_MS, () => {
      this.#gathering = false;
      if (this.#setup.host.life === this.#life) this.#setup.onChange();
    });
  }
}

/** Knows at once who comes and says goodbye, and who died after three seconds, or as soon as a suspicion is certain: what the beacon promises. */
const SILENT_MS = 3000;

export class Oracle {
  readonly #here = new Map<PeerId, { readonly peer: SitePeer; readonly presence: OraclePresence }>();
  #view: readonly SitePeer[] | undefined;
  readonly create: PresenceFor = (setup) => new OraclePresence(this, setup);

  say(presence: OraclePresence, peer: SitePeer, atOnce: boolean): void {
    this.#here.set(peer.id, { peer, presence });
    this.#view = undefined;
    if (atOnce) this.#tell();
  }

  went(presence: OraclePresence): void {
    if (this.#here.get(presence.self.id)?.presence !== presence) return;
    this.#here.delete(presence.self.id);
    this.#view = undefined;
    this.#tell();
  }

  view(): readonly SitePeer[] {
    this.#view ??= [...this.#here.values()].map(({ peer }) => peer);
    return this.#view;
  }

  /** One that lives answers. */
  suspect(id: PeerId, queue: EventQueue): void {
    const known = this.#here.get(id);
    if (known === undefined || known.presence.isAlive) return;
    queue.after(SUSPECT_MS, () => this.went(known.presence));
  }

  #tell(): void {
    for (const { presence } of this.#here.values()) presence.changed();
  }
}

class OraclePresence implements SimPresence {
  readonly self: PeerRef;
  readonly #oracle: Oracle;
  readonly #setup: PresenceSetup;
  readonly #life: number;
  #own: Announcement;
  #gathering = false;

  constructor(oracle: Oracle, setup: PresenceSetup) {
    this.#oracle = oracle;
    this.#setup = setup;
    this.#own = setup.own;
    this.#life = setup.host.life;
    this.self = setup.self;
  }

  start(): void {
    this.#say(true);
  }

  leave(): void {
    this.#setup.network.queue.after(this.#setup.network.delayMs, () => this.#oracle.went(this));
  }

  died(): void {
    this.#setup.network.queue.after(SILENT_MS, () => this.#oracle.went(this));
  }

  announce(own: Announcement): void {
    const before = this.#own;
    this.#own = own;
    const matters =
      before.holdings.length !== own.holdings.length ||
      before.crossing.length !== own.crossing.length ||
      own.holdings.some(({ held, of }, i) => held === of && before.holdings[i]?.held !== held);
    this.#say(matters);
  }

  suspect(peer: PeerId): void {
    this.#oracle.suspect(peer, this.#setup.network.queue);
  }

  get isAlive(): boolean {
    return this.#setup.host.life === this.#life;
  }

  peers(): readonly SitePeer[] {
    return this.#oracle.view().filter((peer) => peer.id !== this.self.id);
  }

  changed(): void {
    if (this.#gathering || this.#setup.host.life !== this.#life) return;
    this.#gathering = true;
    this.#setup.network.queue.after(GATHER_MS, () => {
      this.#gathering = false;
      if (this.#setup.host.life === this.#life) this.#setup.onChange();
    });
  }

  #say(atOnce: boolean): void {
    this.#oracle.say(this, { ...this.self, ...this.#own }, atOnce);
    if (atOnce) this.changed();
  }
}
