// A process that is present in its site, so that a test can put it into a network namespace, cut it off and kill it.
// Its one argument is a PresenceJob as JSON. Says `{at, peers}` at each change and one JSON line per log line; ends at SIGTERM.
import type { Ipv4 } from '../../src/base/addresses.ts';
import { beaconSockets } from '../../src/io/beacon-sockets.ts';
import { systemClock, systemTimers } from '../../src/io/clock.ts';
import { hostInterfaces } from '../../src/io/interfaces.ts';
import { createPresence } from '../../src/service/presence.ts';
import { DEFAULT_SITE_PORT } from '../../src/swarm/site.ts';
import { IDLE } from './idle-peer.ts';
import { jsonLog, say } from './json-log.ts';

export interface PresenceJob {
  readonly id: string;
  readonly label?: string;
  readonly tags?: readonly string[];
  readonly told?: readonly string[];
  /** For new interfaces: often, unless it is measured. */
  readonly lookEveryMs?: number;
}

const job = JSON.parse(process.argv[2] ?? '{}') as PresenceJob;

const presence = createPresence({
  self: job.id,
  label: job.label ?? '',
  sitePort: () => DEFAULT_SITE_PORT,
  own: { ...IDLE, tags: job.tags ?? [] },
  openNet: beaconSockets({ interfaces: hostInterfaces, lookEveryMs: job.lookEveryMs ?? 500 }),
  random: { next: Math.random },
  clock: systemClock,
  timers: systemTimers,
  log: jsonLog,
});
presence.onChange(() => say({ at: Date.now(), peers: presence.peers() }));
for (const address of job.told ?? []) presence.tellOf({ address: address as Ipv4, port: DEFAULT_SITE_PORT });
await presence.start();
say({ started: Date.now() });
process.on('SIGUSR2', () => say({ stats: presence.stats(), cpuMs: process.cpuUsage().user / 1000 }));
process.once('SIGTERM', () => void presence.stop().then(() => process.exit(0)));
