// Bounds on connections: how many in all and per address, how slow, and on which of our addresses.
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

export interface HttpLimits {
  readonly connections: number;
  /** Of one address; loopback is exempt, for the endpoint's own tools and test networks come from there. */
  readonly connectionsPerAddress: number;
  /** For the request's head. A boot ROM sends it in one packet; a slow trickle is an attack. */
  readonly headMs: number;
  /** For the whole request, body included. */
  readonly requestMs: number;
  /** A connection on which nothing moves, in either direction, is closed. */
  readonly idleMs: number;
  /** Kept open after an answer, for the next request. */
  readonly keepAliveMs: number;
}

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  connections: 1024,
  connectionsPerAddress: 48,
  headMs: 10_000,
  requestMs: 30_000,
  idleMs: 60_000,
  keepAliveMs: 30_000,
};

export interface ConnectionCounts {
  open: number;
  refused: number;
}

/** Refuses by closing: a target tries again, an attacker costs nothing. `addresses` empty: all of ours. */
export function limitConnections(
  server: Server,
  limits: HttpLimits,
  addresses: () => readonly string[],
): ConnectionCounts {
  const counts: ConnectionCounts = { open: 0, refused: 0 };
  const byAddress = new Map<string, number>();
  server.maxConnections = limits.connections;
  server.on('drop', () => counts.refused++);
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const local = socket.localAddress ?? '';
    const already = byAddress.get(address) ?? 0;
    const wanted = addresses();
    const served = isLoopback(local) || wanted.length === 0 || wanted.includes(local);
    if (!served || (already >= limits.connectionsPerAddress && !isLoopback(address))) {
      counts.refused++;
      socket.destroy();
      return;
    }
    counts.open++;
    byAddress.set(address, already + 1);
    socket.once('close', () => {
      counts.open--;
      const left = (byAddress.get(address) ?? 1) - 1;
      if (left === 0) byAddress.delete(address);
      else byAddress.set(address, left);
    });
  });
  return counts;
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.');
}
