// A process that hears the beacons of a site and does nothing with them: what Node itself spends on them.
// Argument: the address of the interface.
import { createSocket } from 'node:dgram';
import { BEACON_GROUP, DEFAULT_SITE_PORT } from '../../src/swarm/site.ts';

const socket = createSocket({ type: 'udp4', reuseAddr: true });
socket.on('message', () => {});
socket.bind({ address: BEACON_GROUP, port: DEFAULT_SITE_PORT }, () => {
  socket.addMembership(BEACON_GROUP, process.argv[2] ?? '');
});
process.once('SIGTERM', () => process.exit(0));
