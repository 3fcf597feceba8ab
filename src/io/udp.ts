// UDP sockets for DHCP: shared, broadcasting, with a receive buffer that outlasts a stall.
import { createSocket, type Socket } from 'node:dgram';
import { isIPv4 } from 'node:net';
import type { Ipv4 } from '../base/addresses.ts';
import { PeerbootError } from '../base/errors.ts';
import type { UdpOptions, UdpSocket } from '../dhcp/ports.ts';
import { showHolder, udpPortHolders } from './port-holders.ts';

/** Keeps some thousand DISCOVERs through a stall of a second; the kernel may grant less (net.core.rmem_max). */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * Opens a UDP socket at `local`. Address and port are shared (SO_REUSEADDR), so that a socket on one interface's address
 * and the one on 0.0.0.0 can hold the same port: Linux gives a unicast to the former and a broadcast to the latter alone,
 * and sends a limited broadcast out of the interface whose address the socket is bound to.
 */
export async function openUdp(options: UdpOptions): Promise<UdpSocket> {
  const { address, port } = options.local;
  const others = (await udpPortHolders(port)).filter((holder) => holder.pid !== process.pid);
  const sharedWith = others.map(showHolder);
  const socket = createSocket({
    type: 'udp4',
    reuseAddr: true,
    // Only literal addresses come here: answering at once spares every datagram a turn of the event loop.
    lookup: (host, _options, callback) =>
      callback(isIPv4(host) ? null : new Error(`not an IPv4 address: ${host}`), host, 4),
  });
  await bind(socket, options, sharedWith);
  socket.setBroadcast(true);
  socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  socket.on('error', options.onError);
  socket.on('message', (bytes, from) =>
    options.onDatagram(bytes, { address: from.address as Ipv4, port: from.port }),
  );
  return {
    sharedWith: sharedWith.filter((_, i) => ['0.0.0.0', address].includes(others[i]?.address ?? '')),
    send: (bytes, to) =>
      new Promise((resolve, reject) => {
        socket.send(bytes, to.port, to.address, (error) => (error === null ? resolve() : reject(error)));
      }),
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

function bind(socket: Socket, { local }: UdpOptions, holders: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => {
      socket.close();
      const place = `UDP ${local.address}:${local.port}`;
      if (error.code === 'EADDRINUSE') {
        const who = holders.length === 0 ? 'another program' : holders.join(', ');
        reject(new PeerbootError('PB-PORT-IN-USE', `${place} is held by ${who}`, { cause: error }));
      } else if (error.code === 'EACCES' || error.code === 'EPERM') {
        reject(new PeerbootError('PB-PORT-DENIED', `${place} may not be opened`, { cause: error }));
      } else reject(error);
    };
    socket.once('error', fail);
    // `exclusive` keeps a cluster's workers from getting one shared handle.
    socket.bind({ address: local.address, port: local.port, exclusive: true }, () => {
      socket.off('error', fail);
      resolve();
    });
  });
}
