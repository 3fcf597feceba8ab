// A network in memory with virtual time for the TFTP service: datagrams may be lost, doubled or late, all from one seed.
import type { Ipv4 } from '../../src/base/addresses.ts';
import { type Random, randomInt, seededRandom } from '../../src/base/random.ts';
import type { Clock, Timers } from '../../src/base/time.ts';
import type { TftpOption } from '../../src/tftp/packet.ts';
import type { Endpoint, TftpSockets } from '../../src/tftp/ports.ts';
import { type Fetch, fetchByTftp } from './tftp-client.ts';

export interface Weather {
  readonly lossPercent?: number;
  readonly doublePercent?: number;
  /** Each datagram takes 0.1 ms, and up to this much longer. */
  readonly jitterMs?: number;
}

export const SERVER = '10.77.0.1' as Ipv4;

type Deliver = (from: Endpoint, bytes: Uint8Array) => void;

export class TftpWorld {
  readonly random: Random;
  readonly #weather: Weather;
  readonly #ports = new Map<string, Deliver>();
  /** Latest first, so that the next one is taken off the end. */
  readonly #queue: { at: number; run: () => void; cancelled: boolean }[] = [];
  #now = 0;
  #nextPort = 50_000;
  /** Datagrams the server put on the wire, and their bytes. */
  sent = 0;
  sentBytes = 0;

  constructor(seed: number, weather: Weather = {}) {
    this.random = seededRandom(seed);
    this.#weather = weather;
  }

  readonly clock: Clock = { nowMs: () => this.#now, wallMs: () => this.#now };

  readonly timers: Timers = {
    after: (delayMs, wake) => {
      const entry = this.#at(this.#now + delayMs, wake);
      return () => {
        entry.cancelled = true;
      };
    },
  };

  readonly sockets: TftpSockets = {
    listen: async (local, onRequest) => {
      this.open(local, onRequest);
      return {
        local,
        send: (to, bytes) => this.#fromServer(local, to, bytes),
        close: async () => this.shut(local),
      };
    },
    connect: (address, client, handlers) => {
      const local: Endpoint = { address, port: this.#nextPort++ };
      this.open(local, (from, bytes) => {
        // As the kernel does for a connected socket: strangers are dropped.
        if (from.address === client.address && from.port === client.port) handlers.onPacket(bytes);
      });
      return {
        send: (packet) => this.#fromServer(local, client, packet),
        close: () => this.shut(local),
      };
    },
  };

  open(local: Endpoint, deliver: Deliver): void {
    this.#ports.set(key(local), deliver);
  }

  shut(local: Endpoint): void {
    this.#ports.delete(key(local));
  }

  get openPorts(): number {
    return this.#ports.size;
  }

  /** The bytes are held, not copied, until they arrive: as a system does whose socket buffer is full. */
  send(from: Endpoint, to: Endpoint, bytes: Uint8Array): void {
    const { lossPercent = 0, doublePercent = 0, jitterMs = 0 } = this.#weather;
    if (this.random.next() * 100 < lossPercent) return;
    const copies = this.random.next() * 100 < doublePercent ? 2 : 1;
    for (let i = 0; i < copies; i++)
      this.#at(this.#now + 0.1 + this.random.next() * jitterMs, () =>
        this.#ports.get(key(to))?.(from, bytes),
      );
  }

  /** Lets reads from files and the like come to their end, then time go on; until nothing is left or the time is over. */
  async run(untilMs: number): Promise<void> {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const next = this.#queue.at(-1);
      if (next === undefined || next.at > untilMs) return;
      this.#now = next.at;
      // All of one moment at once: reading happens between moments.
      while (this.#queue.at(-1)?.at === next.at) {
        const entry = this.#queue.pop();
        if (entry !== undefined && !entry.cancelled) entry.run();
      }
    }
  }

  #fromServer(from: Endpoint, to: Endpoint, bytes: Uint8Array): void {
    this.sent++;
    this.sentBytes += bytes.length;
    this.send(from, to, bytes);
  }

  #at(at: number, run: () => void) {
    const entry = { at, run, cancelled: false };
    let low = 0;
    let high = this.#queue.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#queue[middle]?.at ?? 0) > at) low = middle + 1;
      else high = middle;
    }
    this.#queue.splice(low, 0, entry);
    return entry;
  }
}

/** Fetches a file as one more machine of this network. */
export function fetchInWorld(
  world: TftpWorld,
  wanted: { file: string; options?: readonly TftpOption[]; address?: string; port?: number },
): Fetch {
  const {
    file,
    options = [],
    address = '10.77.0.50',
    port = 20_000 + randomInt(world.random, 20_000),
  } = wanted;
  const local = { address: address as Ipv4, port };
  return fetchByTftp(world, { local, server: { address: SERVER, port: 69 }, file, options });
}

function key(endpoint: Endpoint): string {
  return `${endpoint.address}:${endpoint.port}`;
}
