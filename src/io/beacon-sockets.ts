// Sockets of the beacon: one that hears the group on all interfaces, and one an interface that sends and hears unicast.
//
// The first is bound to the group's own address, where the system can do that, so that several processes of one host share
// it and unicast never goes to the wrong one. The second is bound to its interface's address, alone: it is the source by
// which others know us, and the first process of a host has the site's port there, further ones any.
import { createSocket, type Socket } from 'node:dgram';
import { isIPv4 } from 'node:net';
import { ANY_ADDRESS, type Ipv4 } from '../base/addresses.ts';
import { PeerbootError } from '../base/errors.ts';
import { LogLimit } from '../base/log-limit.ts';
import {
  type BeaconInterface,
  type BeaconNet,
  type BeaconNetOptions,
  isInSubnet,
  type OpenBeaconNet,
} from '../swarm/beacon-net.ts';
import { BEACON_GROUP } from '../swarm/site.ts';
import { showHolder, udpPortHolders } from './port-holders.ts';

export interface BeaconSocketsOptions {
  /** Those to speak on; asked again and again, as they come and go. */
  readonly interfaces: () => readonly BeaconInterface[];
  /** How often to look; a new one is joined, and those that were plugged in again. */
  readonly lookEveryMs?: number;
}

export const LOOK_EVERY_MS = 3_000;
/** Beacons of some hundred peers during a stall of seconds. */
const RECEIVE_BUFFER_BYTES = 512 * 1024;
const LOG_LINES_PER_SECOND = 1;
/** Far addresses whose way back is remembered. */
const MOST_WAYS = 1024;
/** Windows cannot bind to a group's address; there, unicast to a port that two processes share reaches one of them. */
const GROUP_BIND = process.platform === 'win32' ? ANY_ADDRESS : BEACON_GROUP;

interface Sending {
  readonly at: BeaconInterface;
  readonly socket: Socket;
}

export function beaconSockets({ interfaces, lookEveryMs }: BeaconSocketsOptions): OpenBeaconNet {
  return async (options) => {
    const group = await openGroup(options);
    const net = new BeaconSockets(group, options, interfaces);
    await net.look();
    const timer = setInterval(() => void net.look(), lookEveryMs ?? LOOK_EVERY_MS);
    timer.unref();
    net.timer = timer;
    return net;
  };
}

class BeaconSockets implements BeaconNet {
  readonly #group: Socket;
  readonly #options: BeaconNetOptions;
  readonly #present: () => readonly BeaconInterface[];
  readonly #sending = new Map<string, Sending>();
  /** By which interface an address beyond our subnets was heard: the answer goes the same way. */
  readonly #ways = new Map<Ipv4, BeaconInterface>();
  readonly #logLimit = new LogLimit(LOG_LINES_PER_SECOND);
  timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(group: Socket, options: BeaconNetOptions, present: () => readonly BeaconInterface[]) {
    this.#group = group;
    this.#options = options;
    this.#present = present;
  }

  interfaces(): readonly BeaconInterface[] {
    return Array.from(this.#sending.values(), ({ at }) => at);
  }

  towards(address: Ipv4): BeaconInterface | undefined {
    const present = this.interfaces();
    return present.find((one) => isInSubnet(address, one)) ?? this.#ways.get(address) ?? present[0];
  }

  multicast(by: BeaconInterface, bytes: Uint8Array): void {
    this.#send(by, { address: BEACON_GROUP, port: this.#options.groupPort }, bytes);
  }

  unicast(
    by: BeaconInterface,
    to: { readonly address: Ipv4; readonly port: number },
    bytes: Uint8Array,
  ): void {
    this.#send(by, to, bytes);
  }

  #send(by: BeaconInterface, to: { readonly address: Ipv4; readonly port: number }, bytes: Uint8Array): void {
    const socket = this.#sending.get(keyOf(by))?.socket;
    socket?.send(bytes, to.port, to.address, (error) => {
      if (error !== null) this.#note('send', { interface: by.name, to: to.address, error: error.message });
    });
  }

  #note(kind: string, fields: object): void {
    const leftOut = this.#logLimit.admit(kind, performance.now());
    if (leftOut !== undefined) this.#options.log.debug({ ...fields, leftOut }, 'beacon not sent or heard');
  }

  /** Takes up interfaces that came, lets go of those that went, joins the group wherever we are not in it. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look());
    return this.#looking;
  }

  async #look(): Promise<void> {
    if (this.#closed) return;
    const present = new Map(this.#present().map((one) => [keyOf(one), one]));
    let changed = false;
    for (const [key, { at, socket }] of this.#sending) {
      if (present.has(key)) continue;
      changed = true;
      this.#sending.delete(key);
      this.#ways.clear();
      socket.close();
      ignoring(() => this.#group.dropMembership(BEACON_GROUP, at.address));
      this.#options.log.info({ interface: at.name, address: at.address }, 'interface left');
    }
    for (const [key, at] of present) {
      if (!this.#sending.has(key)) changed = (await this.#takeUp(key, at)) || changed;
      if (this.#sending.has(key)) this.#joinGroup(at);
    }
    if (changed && !this.#closed) this.#options.onInterfaces();
  }

  async #takeUp(key: string, at: BeaconInterface): Promise<boolean> {
    try {
      const socket = await openSending(at, this.#options);
      socket.on('message', (bytes, from) => {
        const address = from.address as Ipv4;
        if (!isInSubnet(address, at)) this.#remember(address, at);
        this.#options.onDatagram(bytes, { address, port: from.port }, false);
      });
      socket.on('error', (error) => this.#note('socket', { interface: at.name, error: error.message }));
      this.#sending.set(key, { at, socket });
      this.#options.log.info(
        { interface: at.name, address: at.address, port: socket.address().port },
        'interface joined',
      );
      return true;
    } catch (error) {
      // It may be going just now; the next look tells.
      this.#note('open', { interface: at.name, error: String(error) });
      return false;
    }
  }

  #remember(address: Ipv4, by: BeaconInterface): void {
    if (this.#ways.size >= MOST_WAYS) this.#ways.clear();
    this.#ways.set(address, by);
  }

  #joinGroup(at: BeaconInterface): void {
    try {
      this.#group.addMembership(BEACON_GROUP, at.address);
    } catch (error) {
      // EADDRINUSE: we are in it already. Asked every time, since an interface that was unplugged and plugged in again
      // has the same address, but has forgotten the group.
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return;
      this.#note('join', { interface: at.name, error: String(error) });
    }
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    this.#closed = true;
    await this.#looking;
    const sockets = [this.#group, ...Array.from(this.#sending.values(), ({ socket }) => socket)];
    this.#sending.clear();
    await Promise.all(sockets.map((socket) => new Promise<void>((done) => socket.close(() => done()))));
  }
}

function keyOf({ name, address, netmask }: BeaconInterface): string {
  return `${name} ${address} ${netmask}`;
}

function newSocket(reuseAddr: boolean): Socket {
  return createSocket({
    type: 'udp4',
    reuseAddr,
    recvBufferSize: RECEIVE_BUFFER_BYTES,
    // Only literal addresses come here: answering at once spares every datagram a turn of the event loop.
    lookup: (host, _options, callback) =>
      callback(isIPv4(host) ? null : new Error(`not an IPv4 address: ${host}`), host, 4),
  });
}

async function openGroup({ groupPort, onDatagram, log }: BeaconNetOptions): Promise<Socket> {
  const socket = newSocket(true);
  try {
    await bind(socket, GROUP_BIND, groupPort);
  } catch (error) {
    throw await portError(error as NodeJS.ErrnoException, groupPort);
  }
  socket.on('message', (bytes, from) =>
    onDatagram(bytes, { address: from.address as Ipv4, port: from.port }, true),
  );
  socket.on('error', (error) => log.warn({ error: error.message }, 'beacons are not heard'));
  return socket;
}

async function portError(error: NodeJS.ErrnoException, port: number): Promise<unknown> {
  const place = `UDP ${BEACON_GROUP}:${port}`;
  if (error.code === 'EADDRINUSE') {
    const holders = (await udpPortHolders(port)).map(showHolder).join(', ') || 'another program';
    return new PeerbootError('PB-PORT-IN-USE', `${place} is held by ${holders}, who does not share it`, {
      cause: error,
    });
  }
  if (error.code !== 'EACCES' && error.code !== 'EPERM') return error;
  return new PeerbootError('PB-PORT-DENIED', `${place} may not be opened`, { cause: error });
}

async function openSending(at: BeaconInterface, { port }: BeaconNetOptions): Promise<Socket> {
  try {
    return await openAt(at, port);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    return openAt(at, 0);
  }
}

async function openAt(at: BeaconInterface, port: number): Promise<Socket> {
  const socket = newSocket(false);
  await bind(socket, at.address, port);
  try {
    socket.setMulticastInterface(at.address);
    socket.setMulticastTTL(1);
    // Other processes of this host are peers, too.
    socket.setMulticastLoopback(true);
  } catch (error) {
    socket.close();
    throw error;
  }
  return socket;
}

function bind(socket: Socket, address: Ipv4, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      socket.close();
      reject(error);
    };
    socket.once('error', fail);
    // `exclusive` keeps a cluster's workers from getting one shared handle.
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', fail);
      resolve();
    });
  });
}

function ignoring(act: () => void): void {
  try {
    act();
  } catch {
    // The interface is gone, and its membership with it.
  }
}
