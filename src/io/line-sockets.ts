// TCP connections of lines: listening with limits, dialling with a time limit, reading straight into chunks.
import { createServer, Socket, type TcpSocketConnectOpts } from 'node:net';
import { ANY_ADDRESS, type Ipv4 } from '../base/addresses.ts';
import { PeerbootError } from '../base/errors.ts';
import type {
  LineEndpoint,
  LineListener,
  LineSocket,
  LineSocketEvents,
  LineTransport,
} from '../swarm/line-transport.ts';

export interface LineSocketsOptions {
  /** Listen here and dial from here: for tests with many nodes on one host; else every address. */
  readonly address?: Ipv4;
  /** Connections to us at most, of one address and of all. */
  readonly perAddress?: number;
  readonly total?: number;
  readonly connectMs?: number;
}

const CONNECT_MS = 1_000;
const PER_ADDRESS = 32;
const TOTAL = 512;
/** Probes after so long a silence; the kernel gives up some minutes later, so lines have beats of their own as well. */
const KEEP_ALIVE_MS = 5_000;
/** Somebody who does not take our last words in this time will not. */
const LINGER_MS = 2_000;
/** For frame heads and control; a chunk's bytes are read into the chunk. */
const SCRATCH_BYTES = 16 * 1024;

export function createLineSockets(options: LineSocketsOptions = {}): LineTransport {
  const { perAddress = PER_ADDRESS, total = TOTAL, connectMs = CONNECT_MS } = options;

  return {
    listen(port, onConnection) {
      const byAddress = new Map<string, number>();
      let open = 0;
      const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS });
      server.on('connection', (socket) => {
        const address = socket.remoteAddress;
        const ofAddress = byAddress.get(address ?? '') ?? 0;
        if (address === undefined || open >= total || ofAddress >= perAddress) {
          socket.on('error', () => {});
          socket.resetAndDestroy();
          return;
        }
        open++;
        byAddress.set(address, ofAddress + 1);
        socket.once('close', () => {
          open--;
          const left = (byAddress.get(address) ?? 1) - 1;
          if (left === 0) byAddress.delete(address);
          else byAddress.set(address, left);
        });
        const remote = { address: address as Ipv4, port: socket.remotePort ?? 0 };
        const line = wrap(socket, remote);
        const events = onConnection(line);
        socket.on('data', (bytes) => events.onBytes(bytes));
        report(socket, events);
      });
      return new Promise<LineListener>((resolve, reject) => {
        const at = { address: options.address ?? ANY_ADDRESS, port };
        server.once('error', (error) => reject(listenFailed(at, error)));
        server.listen({ host: at.address, port, backlog: 1024, exclusive: true }, () => {
          const bound = server.address();
          resolve({
            port: typeof bound === 'object' && bound !== null ? bound.port : port,
            connections: () => open,
            close: () => new Promise((closed) => server.close(() => closed())),
          });
        });
      });
    },

    buffer: (bytes) => new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer),

    dial(to, events) {
      const scratch = new Uint8Array(SCRATCH_BYTES);
      const socket = new Socket({
        onread: {
          buffer: () => events.room?.() ?? scratch,
          callback: (count, buffer) => {
            events.onBytes(buffer.subarray(0, count));
            return true;
          },
        },
      });
      const connecting = setTimeout(() => {
        socket.destroy(new Error(`no connection within ${connectMs} ms`));
      }, connectMs);
      socket.once('connect', () => {
        clearTimeout(connecting);
        socket.setNoDelay(true);
        socket.setKeepAlive(true, KEEP_ALIVE_MS);
        events.onOpen?.();
      });
      socket.once('close', () => clearTimeout(connecting));
      report(socket, events);
      const how: TcpSocketConnectOpts = {
        host: to.address,
        port: to.port,
        ...(options.address === undefined ? {} : { localAddress: options.address }),
      };
      socket.connect(how);
      return wrap(socket, to);
    },
  };
}

function wrap(socket: Socket, remote: LineEndpoint): LineSocket {
  return {
    remote,
    get queuedBytes() {
      return socket.writableLength;
    },
    send(parts, onTaken) {
      if (socket.destroyed || socket.writableEnded) return;
      const last = parts.length - 1;
      if (last > 0) socket.cork();
      for (const [i, bytes] of parts.entries()) {
        socket.write(bytes, (error) => {
          if (i === last && (error === undefined || error === null)) onTaken?.();
        });
      }
      if (last > 0) socket.uncork();
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end() {
      socket.end();
      const lingering = setTimeout(() => socket.destroy(), LINGER_MS);
      socket.once('close', () => clearTimeout(lingering));
    },
    destroy: () => void socket.destroy(),
  };
}

/** Errors are followed by a close: the one event tells the reason. */
function report(socket: Socket, events: LineSocketEvents): void {
  let why = 'closed';
  socket.on('error', (error: NodeJS.ErrnoException) => {
    why = error.code ?? error.message;
  });
  socket.once('close', () => events.onClose(why));
}

function listenFailed(at: LineEndpoint, error: NodeJS.ErrnoException): Error {
  const place = `TCP ${at.address}:${at.port}`;
  if (error.code === 'EADDRINUSE') {
    return new PeerbootError('PB-PORT-IN-USE', `${place} is held by another program`, { cause: error });
  }
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return new PeerbootError('PB-PORT-DENIED', `${place} may not be opened`, { cause: error });
  }
  return error;
}
