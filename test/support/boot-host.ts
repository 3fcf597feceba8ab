// A boot host as a process of its own: presence, turns and the DHCP service as a peer has them, without its content.
// Arguments: its interface, then its tags. SIGUSR1 takes the tag boot-host away, SIGUSR2 gives it; says one JSON line per log line.
import { randomBytes } from 'node:crypto';
import { seededRandom } from '../../src/base/random.ts';
import { beaconSockets } from '../../src/io/beacon-sockets.ts';
import { systemClock, systemTimers } from '../../src/io/clock.ts';
import { chooseInterfaces, hostInterfaces } from '../../src/io/interfaces.ts';
import { createLog } from '../../src/io/log.ts';
import { openUdp } from '../../src/io/udp.ts';
import { createTurnTaker } from '../../src/service/boot-turns.ts';
import { createDhcpService } from '../../src/service/dhcp-service.ts';
import { createPresence } from '../../src/service/presence.ts';
import { type Announcement, DEFAULT_SITE_PORT, TAGS } from '../../src/swarm/site.ts';
import { TEST_ASSETS } from './boot-context.ts';
import { IDLE } from './idle-peer.ts';

const [name = 'eth0', ...tags] = process.argv.slice(2);
const log = createLog({ level: 'debug' });
const clock = systemClock;
const timers = systemTimers;
let own: Announcement = { ...IDLE, tags };
const presence = createPresence({
  self: randomBytes(8).toString('hex'),
  label: '',
  sitePort: () => DEFAULT_SITE_PORT,
  own,
  openNet: beaconSockets({ interfaces: () => hostInterfaces().filter((one) => one.name === name) }),
  random: seededRandom(randomBytes(4).readUInt32LE()),
  clock,
  timers,
  log,
});
const turns = createTurnTaker({
  site: '',
  ourselves: () => ({ ...own, id: presence.self }),
  others: () => presence.peers(),
  sayAnswered: presence.sayAnswered,
  onAnswered: presence.onAnswered,
  clock,
  timers,
});
const dhcp = createDhcpService({
  openUdp,
  interfaces: chooseInterfaces([name]),
  httpPort: 8067,
  assets: TEST_ASSETS,
  observe: false,
  turns,
  log,
  clock,
  onMachineEvent: () => {},
});

function retag(next: readonly string[]): void {
  own = { ...own, tags: next };
  presence.announce(own);
}
process.on('SIGUSR1', () => retag([]));
process.on('SIGUSR2', () => retag([TAGS.bootHost]));
presence.onChange(() => log.info({ peers: presence.peers().length }, 'site'));
await presence.start();
await dhcp.start();
log.info({ id: presence.self }, 'ready');
