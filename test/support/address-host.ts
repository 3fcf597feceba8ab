// A peer that gives addresses, as a process of its own: the DHCP service and the address service, put together as in a peer.
// Arguments: its interface, its state folder, the range. Says one JSON line per log line.

import { configOf } from '../../src/command/flags.ts';
import { openAddresses } from '../../src/command/peer-addresses.ts';
import { systemClock } from '../../src/io/clock.ts';
import { chooseInterfaces } from '../../src/io/interfaces.ts';
import { createLog } from '../../src/io/log.ts';
import { openUdp } from '../../src/io/udp.ts';
import { createDhcpService } from '../../src/service/dhcp-service.ts';
import { TEST_ASSETS } from './boot-context.ts';

const [name = 'eth0', state = '', dhcpRange = ''] = process.argv.slice(2);
const { config } = configOf({ interface: [name], state, dhcp: 'full', dhcpRange }, {});
const interfaces = chooseInterfaces([name]);
const log = createLog({ level: 'debug' });
const addresses = openAddresses({ config, interfaces, isPeer: () => false, log });
if (addresses === undefined) throw new Error('dhcp: full was not understood');
const dhcp = createDhcpService({
  openUdp,
  interfaces,
  httpPort: 8067,
  assets: TEST_ASSETS,
  observe: false,
  addresses,
  log,
  clock: systemClock,
  onMachineEvent: () => {},
});
await dhcp.start();
log.info({}, 'ready');
await addresses.start();
