// UDP sockets for TFTP: a listener per address and a connected socket per transfer.
import { createSocket, type Socket } from 'node:dgram';
import { isIPv4 } from 'node:net';
import type { Ipv4 } from '../base/addresses.ts';
import { PeerbootError } from '../base/errors.ts';
import type { Endpoint, TftpListener, TftpSockets } from '../tftp/ports.ts';

/** Requests arrive in a burst when a store switches on its tills; the kernel may grant less. */
const LISTENER_BUFFER_BYTES = 1024 * 1024;

export const tftpSockets: TftpSockets = {
  async listen(local, onRequest) {
    const socket = newSocket();
    await bind(socket, local);
    socket.setRecvBufferSize(LISTENER_BUFFER_BYTES);
    socket.on('message', (bytes, from) =>
      onRequest({ address: from.address as Ipv4, port: from.port }, bytes),
    );
    // ICMP answers to an ERROR we sent: nothing to do.
    socket.on('error', () => {});
    const listener: TftpListener = {
      local: { address: local.address, port: socket.address().port },
      send: (to, bytes) => socket.send(bytes, to.port, to.address),
      close: () => new Promise((resolve) => socket.close(() => resolve())),
    };
    return listener;
  },

  connect(local, client, handlers) {
    const socket = newSocket();
    let usable = true;
    let closed = false;
    const onError = (error: NodeJS.ErrnoException | null) => {
      if (error === null || closed) return;
      if (error.syscall === 'bind' || error.syscall === 'connect') usable = false;
      if (!usable || error.code === 'ECONNREFUSED') queueMicrotask(handlers.onUnreachable);
    };
    socket.on('error', onError);
    socket.on('message', handlers.onPacket);
    // Bound and connected before this returns, because the lookup answers at once.
    socket.bind({ address: local, port: 0, exclusive: true });
    if (usable) socket.connect(client.port, client.address);
    return {
      send(packet, repeated = false) {
        if (!usable || closed) return;
        // The first system call after an ICMP answer takes the error along, and in a burst that is the next send.
        // Only repetitions listen for it: a client that has gone is first noticed by its silence, and listening costs.
        if (repeated) socket.send(packet, onError);
        else socket.send(packet);
      },
      close() {
        if (closed) return;
        closed = true;
        socket.close();
      },
    };
  },
};

/** Only literal addresses come here: answering them at once spares every datagram a turn of the event loop. */
function newSocket(): Socket {
  return createSocket({
    type: 'udp4',
    lookup: (host, _options, callback) =>
      callback(isIPv4(host) ? null : new Error(`not an IPv4 address: ${host}`), host, 4),
  });
}

function bind(socket: Socket, local: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.close();
      reject(portError(error, local));
    });
    socket.bind({ address: local.address, port: local.port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      resolve();
    });
  });
}

function portError(error: NodeJS.ErrnoException, local: Endpoint): unknown {
  const place = `UDP ${local.address}:${local.port} (TFTP)`;
  if (error.code === 'EADDRINUSE')
    return new PeerbootError('PB-PORT-IN-USE', `${place} is already taken`, { cause: error });
  if (error.code === 'EACCES' || error.code === 'EPERM')
    return new PeerbootError('PB-PORT-DENIED', `${place} may not be opened`, { cause: error });
  return error;
}
