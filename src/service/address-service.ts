// Hands out addresses on an isolated staging network that has no DHCP server: only when told to, and only while nobody else does.
import { ANY_ADDRESS, type Ipv4 } from '../base/addresses.ts';
import type { Log } from '../base/log.ts';
import { LogLimit } from '../base/log-limit.ts';
import type { Clock, Timers } from '../base/time.ts';
import {
  addressDestination,
  addressReply,
  isInNetwork,
  readRequest,
  type ServedNetwork,
} from '../dhcp/address-server.ts';
import type { Endpoint } from '../dhcp/destination.ts';
import { type Lease, type LeaseClient, LeasePool, type PoolRange } from '../dhcp/lease-pool.ts';
import { type DhcpPacket, encodePacket } from '../dhcp/packet.ts';

/** Port: durable when `save` returns; throws when it cannot be. The adapter is `io/lease-store`. */
export interface LeaseStore {
  load(): readonly Lease[];
  save(leases: readonly Lease[]): void;
}

export interface AddressServiceOptions {
  readonly network: ServedNetwork;
  readonly range: PoolRange;
  readonly store: LeaseStore;
  /** Does somebody on the network use it already? */
  readonly isTaken: (address: Ipv4) => Promise<boolean>;
  /** Asks who else gives addresses; us it leaves out. */
  readonly otherServers: () => Promise<readonly Ipv4[]>;
  /** Is it another peer of ours that was told the same? Of two peers the one with the lower address goes on. */
  readonly isPeer: (server: Ipv4) => boolean;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

/** Why a request for an address gets no answer. */
export type NoAddress =
  | 'not-yet-listened'
  | 'another-server'
  | 'no-address-left'
  | 'unknown-lease'
  | 'not-kept'
  | 'unusable-address';

export type AddressState =
  /** Not a word before it is known that nobody else gives addresses. */
  | { readonly kind: 'listening' }
  | { readonly kind: 'serving' }
  | { readonly kind: 'standing-down'; readonly server: Ipv4 };

export interface AddressService {
  receive(packet: DhcpPacket, source: Endpoint, send: (bytes: Uint8Array, to: Endpoint) => void): void;
  state(): AddressState;
  leases(): readonly Lease[];
  stats(): { readonly replies: number; readonly ignored: Readonly<Partial<Record<NoAddress, number>>> };
  /** Resolves when it is known whether we serve. */
  start(): Promise<void>;
  stop(): void;
}

/** How often it is asked whether somebody else has begun to give addresses. */
const LOOK_MS = 60_000;
/** Addresses that are tried for one DISCOVER before the client has to ask again. */
const MOST_TRIES = 4;

export function createAddressService(options: AddressServiceOptions): AddressService {
  const { network, store, clock, timers, log } = options;
  const pool = new LeasePool(options.range, ownAddresses(network), store.load());
  const ignored: Partial<Record<NoAddress, number>> = {};
  const limit = new LogLimit(10);
  const probing = new Set<LeaseClient>();
  let replies = 0;
  let state: AddressState = { kind: 'listening' };
  let cancel: (() => void) | undefined;

  function ignore(reason: NoAddress, client?: LeaseClient): void {
    ignored[reason] = (ignored[reason] ?? 0) + 1;
    const leftOut = limit.admit(reason, clock.nowMs());
    if (leftOut !== undefined) log.info({ reason, client, leftOut }, 'no address given');
  }

  function standDown(server: Ipv4): void {
    if (server === network.server) return;
    if (options.isPeer(server) && before(network.server, server)) return;
    if (state.kind !== 'standing-down') {
      log.warn({ code: 'PB-DHCP-SERVED', server }, 'another DHCP server gives addresses here: we stop');
    }
    state = { kind: 'standing-down', server };
  }

  async function look(): Promise<void> {
    try {
      const others = await options.otherServers();
      const serving = state.kind === 'serving';
      for (const server of others) standDown(server);
      const weYield = others.some((server) => !(options.isPeer(server) && before(network.server, server)));
      if (!weYield) {
        if (!serving) log.info({ addresses: pool.size }, 'nobody else gives addresses here: we do');
        state = { kind: 'serving' };
      }
    } catch (error) {
      log.warn({ err: error }, 'could not ask who else gives addresses');
    }
  }

  async function lookAgain(): Promise<void> {
    await look();
    if (cancel !== undefined) cancel = timers.after(LOOK_MS, () => void lookAgain());
  }

  /** Durable before the client hears of it: a restart must not give its address to another. */
  function keep(): boolean {
    try {
      store.save(pool.leases(clock.wallMs()));
      return true;
    } catch (error) {
      log.error({ err: error }, 'lease could not be kept');
      return false;
    }
  }

  /** An address for the client that nobody else uses. */
  async function findAddress(client: LeaseClient, asked: Ipv4 | undefined): Promise<Ipv4 | undefined> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const address = pool.offer(client, asked, clock.wallMs());
      if (address === undefined || pool.of(client) === address) return address;
      if (!(await options.isTaken(address))) return address;
      log.warn({ address }, 'somebody uses this address without a lease: left alone');
      pool.isTaken(address, clock.wallMs());
    }
    return undefined;
  }

  return {
    receive(packet, source, send) {
      const request = readRequest(packet, network.server);
      if (request === undefined) return;
      const reply = (type: 'OFFER' | 'ACK' | 'NAK', address?: Ipv4) => {
        const to = addressDestination(type, packet, source);
        if (to === undefined) return ignore('unusable-address');
        replies += 1;
        send(encodePacket(addressReply(packet, type, address, network)), to);
      };
      if (request.kind === 'chose-another') {
        pool.release(request.client);
        standDown(request.server);
        return;
      }
      if (state.kind === 'listening') return ignore('not-yet-listened');
      if (state.kind === 'standing-down') return ignore('another-server');
      switch (request.kind) {
        case 'discover': {
          const { client, asked } = request;
          // It asks again while we probe for it: the first answer will do.
          if (probing.has(client)) return;
          probing.add(client);
          void findAddress(client, asked)
            .then((address) => {
              if (state.kind !== 'serving') return;
              if (address === undefined) ignore('no-address-left', client);
              else reply('OFFER', address);
            })
            .catch((error: unknown) => log.error({ err: error }, 'no address could be found'))
            .finally(() => probing.delete(client));
          return;
        }
        case 'request': {
          const { client, address } = request;
          const isIts = pool.of(client) === address;
          if (request.state !== 'selecting' && !isIts) {
            // A lease that we do not know may be another server's: only an address of another network is surely wrong.
            if (!isInNetwork(address, network) || pool.of(client) !== undefined) return reply('NAK');
            return ignore('unknown-lease', client);
          }
          const now = clock.wallMs();
          if (!pool.take(client, address, now + network.leaseSeconds * 1000, now)) return reply('NAK');
          if (keep()) reply('ACK', address);
          else ignore('not-kept', client);
          return;
        }
        case 'decline':
          log.warn({ address: request.address }, 'a machine found its address in use: left alone');
          pool.isTaken(request.address, clock.wallMs());
          keep();
          return;
        case 'release':
          pool.release(request.client);
          keep();
          return;
        case 'inform':
          reply('ACK');
          return;
      }
    },
    state: () => state,
    leases: () => pool.leases(clock.wallMs()),
    stats: () => ({ replies, ignored: { ...ignored } }),
    async start() {
      cancel = () => {};
      await lookAgain();
    },
    stop() {
      cancel?.();
      cancel = undefined;
    },
  };
}

function ownAddresses({ server, router, nameServers }: ServedNetwork): readonly Ipv4[] {
  return [server, ...(router === undefined ? [] : [router]), ...nameServers, ANY_ADDRESS];
}

function before(a: Ipv4, b: Ipv4): boolean {
  const [left, right] = [a, b].map((address) =>
    address
      .split('.')
      .map((part) => part.padStart(3, '0'))
      .join('.'),
  );
  return (left as string) < (right as string);
}
