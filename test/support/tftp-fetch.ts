// A process that fetches one file by TFTP over a real socket: server, port, file, where to write it, blksize, windowsize.
import { createSocket, type Socket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { systemTimers } from '../../src/io/clock.ts';
import { type ClientNetwork, fetchByTftp } from './tftp-client.ts';

const [address, port, file = '', to = '', blksize = '1468', windowsize = '1'] = process.argv.slice(2);

let socket: Socket | undefined;
const network: ClientNetwork = {
  timers: systemTimers,
  open(_local, deliver) {
    socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    socket.on('message', (bytes, from) => deliver({ address: from.address as Ipv4, port: from.port }, bytes));
  },
  shut: () => {},
  send: (_from, remote, bytes) => socket?.send(bytes, remote.port, remote.address, sent),
};
// The last acknowledgement is on its way before the port is closed.
function sent(): void {
  if (fetch.result !== undefined) socket?.close();
}

const fetch = fetchByTftp(network, {
  local: { address: '0.0.0.0' as Ipv4, port: 0 },
  server: { address: address as Ipv4, port: Number(port) },
  file,
  options: [
    ['blksize', blksize],
    ['windowsize', windowsize],
    ['tsize', '0'],
  ],
  onEnd() {
    if (typeof fetch.result === 'string') throw new Error(fetch.result);
    if (fetch.result !== undefined) writeFileSync(to, fetch.result);
  },
});
