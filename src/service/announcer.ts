// Says to the site what this peer is, holds and does, as often as it changes.
import type { Clock, Timers } from '../base/time.ts';
import type { SiteNode } from '../swarm/node-ports.ts';
import {
  type Announcement,
  type Holding,
  imageKey,
  type PeerRole,
  type Presence,
  type UnfitReason,
} from '../swarm/site.ts';
import { UplinkMeter } from '../swarm/uplink.ts';

export interface AnnouncerOptions {
  readonly presence: Presence;
  readonly lines: SiteNode['lines'];
  readonly role: PeerRole;
  /** 0 when it has none. */
  readonly httpPort: () => number;
  readonly tags: () => readonly string[];
  readonly unfit: () => readonly UnfitReason[];
  /** Bytes of chunks sent to others so far, by all lines. */
  readonly sentBytes: () => number;
  readonly clock: Clock;
  readonly timers: Timers;
}

export interface Announcer {
  start(): void;
  /** Something worth saying at once has changed. */
  now(): void;
  /** What was said last. */
  last(): Announcement | undefined;
  stop(): void;
}

/** Holdings grow by the chunk; the site need not hear of each. */
const EVERY_MS = 1_000;

export function createAnnouncer(options: AnnouncerOptions): Announcer {
  const { presence, timers } = options;
  const uplink = new UplinkMeter();
  let said = '';
  let last: Announcement | undefined;
  let cancel: (() => void) | undefined;

  function announcement(): Announcement {
    const lines = options.lines().map(({ image, state }) => ({ image, state: state() }));
    const holdings = lines.map(
      ({ image, state }): Holding => ({
        image: imageKey(image.manifest),
        held: state.held,
        of: image.rows,
      }),
    );
    return {
      role: options.role,
      httpPort: options.httpPort(),
      tags: options.tags(),
      holdings: holdings.filter(({ held }) => held > 0),
      freeUplinkBytesPerSecond: uplink.free(options.sentBytes(), options.clock.nowMs()),
      unfit: lines.some(({ state }) => state.slowUplink === true)
        ? [...options.unfit(), 'slow']
        : options.unfit(),
      crossing: lines
        .filter(({ state }) => state.feeder === 'wan')
        .map(({ image }) => imageKey(image.manifest)),
    };
  }

  function now(): void {
    const own = announcement();
    const text = JSON.stringify(own);
    if (text === said) return;
    said = text;
    last = own;
    presence.announce(own);
  }

  function tick(): void {
    now();
    cancel = timers.after(EVERY_MS, tick);
  }

  return {
    start: tick,
    now,
    last: () => last,
    stop: () => cancel?.(),
  };
}
