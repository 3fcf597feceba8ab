// The beacon as a machine: who is in this site, found by multicast and by being told, gone by goodbye or by silence.
//
// Each says one small beat a second: to all, by multicast, or in a large site mostly to its watchers (beacon-watch). A beat names
// the revision of its sender's announcement, so whoever has another one, or none, asks, and only then. One whose beat is overdue,
// or whom somebody suspects, is probed before it is dead.
// Nothing heard here is believed further than to cost a little time: the address is the datagram's source, a goodbye
// counts only from there, a lost or forged word is mended by the next beat, and what is asked is answered at a bounded rate.
//
// Driver and simulator: perform the actions in order, hand in whatever is heard (with our own echo, that is known), and
// wake it by `nextWake`. `multicast` leaves by each interface, stamped with the site of that interface.
import { assert, unreachable } from '../base/errors.ts';
import type { Machine } from '../base/machine.ts';
import { type Random, randomInt } from '../base/random.ts';
import type { MonotonicMs } from '../base/time.ts';
import { Answers } from './beacon-answers.ts';
import { Asks } from './beacon-asks.ts';
import { announcedUplink, type Beacon, type BeaconStamp, boundFacts, type SiteHash } from './beacon-codec.ts';
import { directOnes } from './beacon-direct.ts';
import { Left } from './beacon-left.ts';
import { AnswerLimit, DEAD_MS } from './beacon-pace.ts';
import type { BeaconAction, BeaconEvent, BeaconSetup, IgnoredBeacon, WentWhy } from './beacon-ports.ts';
import { Rhythm } from './beacon-rhythm.ts';
import { Suspects } from './beacon-suspects.ts';
import {
  type BeaconEndpoint,
  BeaconTable,
  findPath,
  type HeardPeer,
  saysTheSame,
  sitePeer,
} from './beacon-table.ts';
import { ToldAddresses } from './beacon-told.ts';
import { Twin } from './beacon-twin.ts';
import { Watch } from './beacon-watch.ts';
import { mattersAtOnce, progressed } from './own-announcement.ts';
import { type Announcement, type PeerId, randomPeerId, type SitePeer } from './site.ts';

const ANSWERS_PER_ADDRESS = 40;
const ANSWERS = 400;
/** Woken so much too late, we were deaf ourselves. */
const DEAF_MS = 250;
/** A change of the uplink by less is not worth telling anybody. */
const UPLINK_CHANGE = 0.25;
const ALWAYS = Number.POSITIVE_INFINITY;

export class BeaconMachine implements Machine<BeaconEvent, BeaconAction> {
  readonly #setup: BeaconSetup;
  readonly #random: Random;
  readonly #table: BeaconTable;
  readonly #watch: Watch;
  readonly #rhythm: Rhythm;
  readonly #told: ToldAddresses;
  readonly #answers: Answers;
  readonly #limit = new AnswerLimit(ANSWERS_PER_ADDRESS, ANSWERS);
  readonly #asks: Asks;
  readonly #suspects: Suspects;
  readonly #left = new Left();
  readonly #twin = new Twin();
  #self: PeerId;
  #sites: ReadonlySet<SiteHash>;
  #own: Announcement;
  #instance: number;
  #revision = 0;
  /** Our announcement has changed since its last revision. */
  #changed = false;
  #state: 'new' | 'here' | 'gone' = 'new';
  #wakeAt: MonotonicMs = ALWAYS;
  #actions: BeaconAction[] = [];

  constructor(setup: BeaconSetup) {
    this.#setup = setup;
    this.#random = setup.random;
    this.#table = new BeaconTable(setup.mostPeers, setup.mostPerAddress);
    this.#watch = new Watch(this.#table);
    this.#rhythm = new Rhythm(setup.random);
    this.#told = new ToldAddresses(setup.random);
    this.#asks = new Asks(setup.random);
    this.#suspects = new Suspects(setup.random);
    this.#answers = new Answers(setup.random);
    this.#self = setup.self;
    this.#sites = new Set(setup.sites);
    this.#own = setup.own;
    this.#instance = randomInt(setup.random, 2 ** 32);
  }

  get self(): PeerId {
    return this.#self;
  }

  /** Live others whose announcement is known, by id. */
  peers(): readonly SitePeer[] {
    return this.#table.view();
  }

  step(event: BeaconEvent, now: MonotonicMs): readonly BeaconAction[] {
    if (this.#state === 'gone') return [];
    this.#actions = [];
    const late = now - this.#wakeAt;
    if (late > DEAF_MS) {
      this.#table.forgive(late);
      this.#suspects.forgive(late);
    }
    this.#take(event, now);
    // Hearing makes nothing due but by the next wake, and it happens most.
    if (this.#state === 'here' && (event.kind !== 'heard' || now >= this.#wakeAt)) this.#due(now);
    this.#wakeAt = this.#nextWake();
    return this.#actions;
  }

  nextWake(): MonotonicMs | undefined {
    return this.#wakeAt === ALWAYS ? undefined : this.#wakeAt;
  }

  #take(event: BeaconEvent, now: MonotonicMs): void {
    switch (event.kind) {
      case 'start':
        assert(this.#state === 'new', 'a beacon starts once');
        this.#state = 'here';
        this.#rhythm.greet(now);
        return;
      case 'wake':
        return;
      case 'heard':
        if (this.#state === 'here') this.#heard(event, now);
        return;
      case 'announce':
        this.#announce(event.own, now);
        return;
      case 'tell':
        this.#told.add(event.where, now);
        return;
      case 'suspect':
        if (this.#state === 'here') this.#suspect(event.peer, now);
        return;
      case 'answered':
        if (this.#state === 'here') this.#sayToAll({ ...this.#stamp(false), ...event }, now);
        return;
      case 'sites':
        this.#sites = new Set(event.sites);
        // Somebody may be behind the new interface.
        if (this.#state === 'here') this.#rhythm.greet(now);
        return;
      case 'leave':
        this.#leave(now);
        return;
      default:
        unreachable(event);
    }
  }

  // Speaking

  #stamp(direct: boolean): BeaconStamp {
    return {
      id: this.#self,
      instance: this.#instance,
      revision: this.#revision,
      freeUplinkBytesPerSecond: announcedUplink(this.#own.freeUplinkBytesPerSecond),
      direct,
    };
  }

  #announcement(wants: boolean, direct: boolean): Beacon {
    const { sitePort } = this.#setup;
    const facts = boundFacts(this.#own);
    return { ...this.#stamp(direct), kind: 'announcement', wants, sitePort, facts };
  }

  #unicast(to: BeaconEndpoint, beacon: Beacon): void {
    this.#actions.push({ kind: 'unicast', to, beacon });
  }

  #announce(own: Announcement, now: MonotonicMs): void {
    if (mattersAtOnce(this.#own, own)) {
      this.#changed = true;
      this.#rhythm.announceSoon(now);
    } else if (progressed(this.#own, own)) {
      this.#changed = true;
      this.#rhythm.announceByAndBy(this.#table.size);
    }
    this.#own = own;
  }

  #direct(now: MonotonicMs): ReadonlyMap<BeaconEndpoint, boolean> {
    return directOnes(this.#table, this.#told, this.#watch.deafMs, now);
  }

  /** The beat, or the announcement in its place. */
  #beat(now: MonotonicMs): void {
    const all = this.#direct(now);
    this.#watch.regroup(this.#self, all, now);
    const turn = this.#rhythm.beat(this.#watch.settled, this.#watch.large, now);
    if (turn === 'announcement') {
      this.#announceToAll(now);
      this.#rhythm.greeted(now);
      return;
    }
    const beat = { ...this.#stamp(false), kind: 'beat' } as const;
    if (turn === 'to-all') this.#actions.push({ kind: 'multicast', beacon: beat });
    else for (const { path } of this.#watch.watchers) this.#unicast(path.endpoint, beat);
    for (const [to, direct] of all) this.#unicast(to, { ...beat, direct });
  }

  #announceToAll(now: MonotonicMs): void {
    // Only what all are sent gets a new revision: else those that were not sent it would ask for it.
    if (this.#changed) this.#revision = (this.#revision + 1) & 0xffff;
    const { wants } = this.#rhythm;
    this.#actions.push({ kind: 'multicast', beacon: this.#announcement(wants, false) });
    for (const [to, direct] of this.#direct(now)) this.#unicast(to, this.#announcement(wants, direct));
    this.#rhythm.announced(this.#table.size, this.#changed, now);
    this.#changed = false;
    this.#answers.announcedToAll();
  }

  #sayToAll(beacon: Beacon, now: MonotonicMs): void {
    this.#actions.push({ kind: 'multicast', beacon });
    for (const to of this.#direct(now).keys()) this.#unicast(to, beacon);
  }

  /** Said to all, so that those who would wait for it as long as for a silence ask it, too. */
  #suspect(id: PeerId, now: MonotonicMs): void {
    const peer = this.#table.get(id);
    if (peer !== undefined && this.#suspects.suspect(peer, true, now)) this.#warn(peer, now);
  }

  #warn({ id }: HeardPeer, now: MonotonicMs): void {
    this.#sayToAll({ ...this.#stamp(false), kind: 'suspicion', subject: id }, now);
  }

  #leave(now: MonotonicMs): void {
    if (this.#state === 'here') {
      const goodbye: Beacon = { ...this.#stamp(false), kind: 'goodbye' };
      // Twice: one lost datagram shall not cost the others three seconds.
      for (let i = 0; i < 2; i++) this.#actions.push({ kind: 'multicast', beacon: goodbye });
      for (const to of this.#direct(now).keys()) this.#unicast(to, goodbye);
    }
    this.#state = 'gone';
  }

  // Hearing

  #heard(event: Extract<BeaconEvent, { kind: 'heard' }>, now: MonotonicMs): void {
    const { from, site, beacon } = event;
    const ignore = (why: IgnoredBeacon) => this.#actions.push({ kind: 'ignored', why, from });
    if (beacon.id === this.#self) {
      if (beacon.instance === this.#instance) {
        this.#told.remove(from);
        ignore('own-echo');
      } else {
        ignore('same-id');
        this.#meetTwin(beacon.instance, now);
      }
      return;
    }
    if (!this.#sites.has(site)) return void ignore('other-site');
    if (this.#left.has(beacon.id, beacon.instance, now)) return void ignore('has-left');
    const known = this.#table.get(beacon.id);
    if (beacon.kind === 'goodbye') {
      if (known?.instance !== beacon.instance || findPath(known, from) === undefined)
        return void ignore('not-its-address');
      this.#left.add(known.id, known.instance, now);
      this.#went(known, 'goodbye', now);
      return;
    }
    if (known === undefined && !this.#table.hasRoom(from.address)) return void ignore('no-room');
    const peer = known ?? this.#table.add(from, beacon, now);
    const before = peer.path;
    const path = this.#table.heard(peer, from, this.#watch.patience(peer).overdueMs, now);
    if (event.multicast) path.multicastAt = now;
    if (event.multicast && known === undefined && beacon.kind === 'beat') this.#rhythm.hurry();
    if (beacon.direct) path.directUntil = this.#table.directUntil = now + DEAD_MS;
    this.#suspects.clear(peer);
    this.#told.answered(from);
    this.#learn(peer, beacon, now, before !== peer.path);
    this.#answer(beacon, from, now, ignore);
    if (beacon.kind === 'suspicion') this.#suspicion(beacon.subject, now);
    if (beacon.kind === 'answered') {
      this.#actions.push({ kind: 'answered', by: beacon.id, mac: beacon.mac, xid: beacon.xid });
    }
  }

  #suspicion(subject: PeerId, now: MonotonicMs): void {
    if (subject === this.#self) {
      this.#rhythm.defend(now);
      // Hearing alone makes nothing due: this does.
      this.#wakeAt = Math.min(this.#wakeAt, this.#rhythm.nextAt());
      return;
    }
    const peer = this.#table.get(subject);
    if (peer !== undefined) this.#suspects.suspect(peer, false, now);
  }

  #learn(peer: HeardPeer, beacon: Beacon, now: MonotonicMs, moved: boolean): void {
    if (peer.instance !== beacon.instance) {
      peer.instance = beacon.instance;
      peer.known = undefined;
    }
    const uplink = beacon.freeUplinkBytesPerSecond;
    const changed = moved || Math.abs(uplink - peer.uplink) > UPLINK_CHANGE * peer.uplink;
    if (changed) peer.uplink = uplink;
    if (beacon.kind === 'announcement') {
      const isNew = peer.facts === undefined;
      // Most are repeated only for those who are new.
      const isNews = changed || (peer.known !== beacon.revision && !saysTheSame(peer, beacon));
      peer.facts = beacon.facts;
      peer.sitePort = beacon.sitePort;
      peer.known = beacon.revision;
      this.#asks.forget(peer);
      // It may not know us, nor hear us soon.
      if (isNew && this.#watch.large && !beacon.wants && peer.asks === 0)
        this.#unicast(peer.path.endpoint, { ...this.#stamp(false), kind: 'beat' });
      if (isNews) this.#tell(peer, isNew ? 'came' : 'changed');
      return;
    }
    if (changed) this.#tell(peer, 'changed');
    if (peer.known !== beacon.revision) this.#asks.want(peer, this.#table.size, now);
  }

  #tell(peer: HeardPeer, kind: 'came' | 'changed'): void {
    this.#table.changed();
    const shown = sitePeer(peer);
    if (shown !== undefined) this.#actions.push({ kind, peer: shown });
  }

  #answer(
    beacon: Beacon,
    from: BeaconEndpoint,
    now: MonotonicMs,
    ignore: (why: IgnoredBeacon) => void,
  ): void {
    const asked = beacon.kind === 'ask' || (beacon.kind === 'announcement' && beacon.wants);
    if (!asked && beacon.kind !== 'probe') return;
    if (!this.#limit.admit(from.address, now)) ignore('asked-too-often');
    else if (asked) this.#answers.ask(from, beacon.direct, this.#table.size, now);
    else this.#unicast(from, { ...this.#stamp(false), kind: 'beat' });
  }

  #went(peer: HeardPeer, why: WentWhy, now: MonotonicMs): void {
    this.#table.remove(peer);
    this.#watch.forget(peer);
    this.#asks.forget(peer);
    this.#suspects.clear(peer);
    for (const { endpoint } of peer.paths) this.#told.silent(endpoint, now);
    const shown = sitePeer(peer);
    if (shown !== undefined) this.#actions.push({ kind: 'went', peer: shown, why });
  }

  #meetTwin(instance: number, now: MonotonicMs): void {
    if (!this.#twin.yields(this.#instance, instance, now)) return;
    this.#self = randomPeerId(this.#random);
    this.#instance = randomInt(this.#random, 2 ** 32);
    this.#actions.push({ kind: 'new-id', id: this.#self });
    this.#rhythm.greet(now);
  }

  // Time

  #due(now: MonotonicMs): void {
    if (now >= this.#rhythm.nextAt()) this.#beat(now);
    const unheard = this.#watch.due(now);
    for (const peer of unheard) {
      this.#suspects.suspect(peer, true, now);
      this.#warn(peer, now);
    }
    if (unheard.length > 0) this.#watch.regroup(this.#self, this.#direct(now), now);
    const { dead, probe } = this.#watch.listen(now);
    for (const peer of dead) this.#went(peer, 'silent', now);
    const suspects = this.#suspects.due(now);
    for (const peer of suspects.dead) this.#went(peer, 'suspect', now);
    for (const to of [...probe, ...suspects.probe])
      this.#unicast(to, { ...this.#stamp(false), kind: 'probe' });
    for (const to of this.#asks.due(this.#table.size, now))
      this.#unicast(to, { ...this.#stamp(false), kind: 'ask' });
    const answer = this.#answers.due(now);
    for (const to of answer?.unicast ?? []) this.#unicast(to, this.#announcement(false, false));
    if (answer?.multicast === true) this.#announceToAll(now);
    for (const to of this.#told.due(now)) this.#unicast(to, this.#announcement(true, true));
  }

  #nextWake(): MonotonicMs {
    if (this.#state !== 'here') return ALWAYS;
    return Math.min(
      this.#rhythm.nextAt(),
      this.#asks.nextAt(),
      this.#answers.nextAt(),
      this.#told.nextAt(),
      this.#suspects.nextAt(),
      this.#watch.nextAt(),
    );
  }
}
