// Presence of this node in its site: drives the beacon machine over sockets, and tells the house who came and went.
import { WireError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { LogLimit } from '../base/log-limit.ts';
import type { Random } from '../base/random.ts';
import type { Clock, MonotonicMs, Timers } from '../base/time.ts';
import type { BootRequest } from '../boot/turns.ts';
import { BeaconMachine } from '../swarm/beacon.ts';
import { type Beacon, decodeBeacon, encodeBeacon, type SiteHash, siteHash } from '../swarm/beacon-codec.ts';
import {
  type BeaconInterface,
  type BeaconNet,
  isInSubnet,
  type OpenBeaconNet,
  subnetOf,
} from '../swarm/beacon-net.ts';
import type { BeaconAction, BeaconEvent, IgnoredBeacon } from '../swarm/beacon-ports.ts';
import type { BeaconEndpoint } from '../swarm/beacon-table.ts';
import {
  type Announcement,
  DEFAULT_SITE_PORT,
  type PeerId,
  type Presence,
  type SitePeer,
} from '../swarm/site.ts';

export interface PresenceOptions {
  /** `loadPeerId` of io/peer-id; a target makes one up. */
  readonly self: PeerId;
  /** Another machine has our id (a cloned disk): this one is ours from now on. */
  readonly keepId?: (id: PeerId) => void;
  /** Of the site; empty: the subnet of each interface is its site. */
  readonly label: string;
  /** TCP port of our lines, asked at the start; beacons take the same UDP port, if it is free. */
  readonly sitePort: () => number;
  /** Of the group, the same for the whole site. */
  readonly groupPort?: number;
  /** What we say of ourselves until `announce`. */
  readonly own: Announcement;
  /** `beaconSockets` of io/beacon-sockets. */
  readonly openNet: OpenBeaconNet;
  readonly random: Random;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

export interface PresenceStats {
  readonly received: number;
  readonly malformed: number;
  readonly ignored: Readonly<Partial<Record<IgnoredBeacon, number>>>;
}

/** `by`: which peer says so. */
export type AnswerListener = (by: PeerId, request: BootRequest) => void;

export interface PresenceService extends Presence {
  /** Tells the site that we have answered a boot request. */
  sayAnswered(request: BootRequest): void;
  /** Another peer has; returns how to stop listening. */
  onAnswered(listener: AnswerListener): () => void;
  stats(): PresenceStats;
}

/** Listeners are told of many changes at once: in a large site something changes all the time. */
const GATHER_MS = 20;
const LOG_LINES_PER_SECOND = 10;
/** Goodbyes are sent, but their datagrams may still be in our hands when the sockets close. */
const LAST_WORDS_MS = 20;

/** `start` rejects with PB-PORT-IN-USE or PB-PORT-DENIED. */
export function createPresence(options: PresenceOptions): PresenceService {
  const { clock, timers, log } = options;
  const logLimit = new LogLimit(LOG_LINES_PER_SECOND);
  const listeners = new Set<() => void>();
  const answerListeners = new Set<AnswerListener>();
  const ignored: Partial<Record<IgnoredBeacon, number>> = {};
  const told: BeaconEndpoint[] = [];
  let own = options.own;
  let net: BeaconNet | undefined;
  let machine: BeaconMachine | undefined;
  let received = 0;
  let malformed = 0;
  let wake: { readonly at: MonotonicMs; readonly cancel: () => void } | undefined;
  let cancelGathering: (() => void) | undefined;

  function note(level: 'debug' | 'info', kind: string, fields: object, message: string): void {
    const leftOut = logLimit.admit(kind, clock.nowMs());
    if (leftOut !== undefined) log[level]({ ...fields, ...(leftOut === 0 ? {} : { leftOut }) }, message);
  }

  function siteOf(one: BeaconInterface): SiteHash {
    return siteHash(options.label === '' ? `subnet ${subnetOf(one)}` : `label ${options.label}`);
  }

  function sites(): readonly SiteHash[] {
    return net?.interfaces().map(siteOf) ?? [];
  }

  function step(event: BeaconEvent): void {
    if (machine === undefined) return;
    for (const action of machine.step(event, clock.nowMs())) perform(action);
    const next = machine.nextWake();
    // Most of what is heard puts the next wake off: then the earlier one finds nothing to do, and that is cheaper.
    if (next === undefined || (wake !== undefined && wake.at <= next)) return;
    wake?.cancel();
    const cancel = timers.after(Math.max(0, next - clock.nowMs()), () => {
      wake = undefined;
      step({ kind: 'wake' });
    });
    wake = { at: next, cancel };
  }

  function perform(action: BeaconAction): void {
    switch (action.kind) {
      case 'multicast':
        multicast(action.beacon);
        return;
      case 'unicast': {
        const by = net?.towards(action.to.address);
        if (by === undefined) return;
        net?.unicast(by, action.to, encodeBeacon({ site: siteOf(by), beacon: action.beacon }));
        return;
      }
      case 'came':
        note('info', 'came', facts(action.peer), 'peer came');
        changed();
        return;
      case 'went':
        note('info', 'went', { ...facts(action.peer), why: action.why }, 'peer went');
        changed();
        return;
      case 'changed':
        changed();
        return;
      case 'new-id':
        log.warn({ id: action.id }, 'another machine has our id, as after copying a disk: took a new one');
        keepId(action.id);
        changed();
        return;
      case 'answered':
        for (const listener of answerListeners) listener(action.by, action);
        return;
      case 'ignored':
        ignored[action.why] = (ignored[action.why] ?? 0) + 1;
        if (action.why === 'own-echo') return;
        note('debug', action.why, { reason: action.why, source: action.from.address }, 'beacon ignored');
        return;
    }
  }

  function keepId(id: PeerId): void {
    try {
      options.keepId?.(id);
    } catch (error) {
      log.warn(
        { id, error: String(error) },
        'the new id could not be kept: the next start takes another one',
      );
    }
  }

  function multicast(beacon: Beacon): void {
    for (const by of net?.interfaces() ?? []) net?.multicast(by, encodeBeacon({ site: siteOf(by), beacon }));
  }

  function changed(): void {
    cancelGathering ??= timers.after(GATHER_MS, () => {
      cancelGathering = undefined;
      for (const listener of listeners) listener();
    });
  }

  function heard(bytes: Uint8Array, from: BeaconEndpoint, byMulticast: boolean): void {
    received += 1;
    const decoded = decodeBeacon(bytes);
    if (decoded instanceof WireError) {
      malformed += 1;
      note('debug', 'malformed', { source: from.address, detail: decoded.message }, 'beacon ignored');
      return;
    }
    step({ kind: 'heard', from, multicast: byMulticast, ...decoded });
  }

  /** Without a label each subnet is a site of its own, and theirs is not ours. */
  function warnIfBeyond({ address }: BeaconEndpoint): void {
    if (options.label !== '' || net === undefined) return;
    if (net.interfaces().some((one) => isInSubnet(address, one))) return;
    log.warn({ address }, 'told of a peer beyond our subnets: give both the same site label');
  }

  async function start(): Promise<void> {
    const sitePort = options.sitePort();
    net = await options.openNet({
      groupPort: options.groupPort ?? DEFAULT_SITE_PORT,
      port: sitePort,
      onDatagram: heard,
      onInterfaces: () => step({ kind: 'sites', sites: sites() }),
      log,
    });
    machine = new BeaconMachine({
      self: options.self,
      sitePort,
      sites: sites(),
      own,
      random: options.random,
    });
    step({ kind: 'start' });
    for (const where of told) tell(where);
  }

  function tell(where: BeaconEndpoint): void {
    warnIfBeyond(where);
    step({ kind: 'tell', where });
  }

  async function stop(): Promise<void> {
    step({ kind: 'leave' });
    wake?.cancel();
    cancelGathering?.();
    if (net === undefined) return;
    await new Promise<void>((resolve) => timers.after(LAST_WORDS_MS, resolve));
    await net.close();
    net = undefined;
  }

  return {
    get self() {
      return machine?.self ?? options.self;
    },
    start,
    stop,
    peers: () => machine?.peers() ?? [],
    announce(next) {
      own = next;
      step({ kind: 'announce', own });
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    suspect: (peer) => step({ kind: 'suspect', peer }),
    sayAnswered: ({ mac, xid }) => step({ kind: 'answered', mac, xid }),
    onAnswered(listener) {
      answerListeners.add(listener);
      return () => answerListeners.delete(listener);
    },
    tellOf(where) {
      if (machine === undefined) told.push(where);
      else tell(where);
    },
    stats: () => ({ received, malformed, ignored: { ...ignored } }),
  };
}

function facts(peer: SitePeer): object {
  return { peer: peer.id, address: peer.address, role: peer.role };
}
