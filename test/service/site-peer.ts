// A peer whose site is told by the test: routes, control, ledger and view are the real ones.
import type { Ipv4 } from '../../src/base/addresses.ts';
import { PeerbootError } from '../../src/base/errors.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemTimers } from '../../src/io/clock.ts';
import { type ControlStore, createControl, type Told } from '../../src/service/control.ts';
import type { SiteForHttp } from '../../src/service/http-site.ts';
import { createLedger, memoryLedgerStore } from '../../src/service/ledger.ts';
import { createSiteViews } from '../../src/service/site-view.ts';
import { createWanGate } from '../../src/service/wan-gate.ts';
import type { LineState } from '../../src/swarm/line-ports.ts';
import type { Line, LineImage } from '../../src/swarm/node-ports.ts';
import type { Presence, SitePeer } from '../../src/swarm/site.ts';
import { idlePeer } from '../support/idle-peer.ts';
import { DIGEST, handClock, image, testPeer } from './peer.ts';

export const SELF = 'aaaaaaaaaaaaaaaa';
export const OTHER = 'bbbbbbbbbbbbbbbb';
export const TARGET = 'cccccccccccccccc';
const HOST = { host: '127.0.0.1:8067' };

export const other = idlePeer(OTHER, { address: '10.77.0.3' as Ipv4, tags: ['boot-host'] });

export function lineOf(title: string, state: Partial<LineState> = {}) {
  const pausedNow = { value: false };
  const line = {
    name: title,
    image: { manifest: DIGEST, title, rows: 4, storedBytes: () => 1000 } as unknown as LineImage,
    pause: () => {
      pausedNow.value = true;
    },
    resume: () => {
      pausedNow.value = false;
    },
    state: (): LineState => ({
      ...{ strategy: 'line', feeder: 'wan', depth: 0, held: 3, rate: 1234.5, holds: 2 },
      followers: [{ id: TARGET, rate: 10.2, held: 1 }],
      ...state,
      paused: pausedNow.value,
    }),
  };
  return line as unknown as Line;
}

export function siteWorld(
  options: {
    peers?: readonly SitePeer[];
    ask?: () => Promise<unknown>;
    lines?: Line[];
    httpPort?: () => number;
  } = {},
) {
  const clock = handClock();
  const store: ControlStore & { saved?: Told } = {
    load: () => undefined,
    save: (told) => {
      store.saved = told;
    },
  };
  const lines = options.lines ?? [];
  const ledger = createLedger({ store: memoryLedgerStore(), clock, timers: systemTimers, log: silentLog });
  const gate = createWanGate({ ledger, clock, limit: 5_000_000 });
  const control = createControl({ store, lines: () => lines, clock, timers: systemTimers, log: silentLog });
  control.onChange((told) => gate.apply(told.control));
  const presence = { self: SELF, peers: () => options.peers ?? [] } as unknown as Presence;
  const views = createSiteViews({
    ...{ presence, control, gate, ledger, log: silentLog, lines: () => lines, lanLimit: () => null },
    replicas: () => [],
    ask: options.ask ?? (async () => undefined),
    self: {
      ...{
        name: 'till-1',
        site: 'store-1',
        address: () => '10.77.0.2',
        httpPort: () => options.httpPort?.() ?? 8067,
      },
      ...{ tags: () => ['boot-host'], unfit: () => [], freeUplinkBytesPerSecond: () => 12_000_000 },
    },
  });
  const siteRoutes: SiteForHttp = {
    ...{ views, control, ledger },
    content: () => [image('till', '3')],
    evict: async (_, lastCopy) => {
      if (!lastCopy) throw new PeerbootError('PB-LAST-COPY', 'no other peer holds it');
      return { freedBytes: 7 };
    },
  };
  const { http } = testPeer({ siteRoutes });
  const ask = (
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    url: string,
    payload?: object,
    remoteAddress?: string,
  ) =>
    http.app.inject({
      ...{ method, url, headers: HOST },
      ...(payload === undefined ? {} : { payload }),
      ...(remoteAddress === undefined ? {} : { remoteAddress }),
    });
  return { http, ask, store, ledger, gate, control, views: siteRoutes.views };
}
