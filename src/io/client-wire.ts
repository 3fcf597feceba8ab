// The wire of emulated machines on Linux: one socket hears the DHCP broadcasts for all, and each machine's address is one more of the interface's.
import { spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { request } from 'node:http';
import { isIPv4 } from 'node:net';
import { ANY_ADDRESS, type Ipv4, LIMITED_BROADCAST } from '../base/addresses.ts';
import { PeerbootError } from '../base/errors.ts';
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT, type Endpoint } from '../dhcp/destination.ts';
import type { ServedInterface } from '../dhcp/ports.ts';
import { openUdp } from './udp.ts';

/** Structurally the answer that emulated firmware takes. */
export interface WireAnswer {
  readonly status: number;
  readonly sizeBytes: number;
  readonly body: Uint8Array;
}

export interface LinuxClientWire {
  broadcast(bytes: Uint8Array): void;
  onBroadcast(handler: (bytes: Uint8Array, from: Endpoint) => void): void;
  claim(address: Ipv4): Promise<void>;
  open(
    local: Endpoint,
    onDatagram: (bytes: Uint8Array, from: Endpoint) => void,
  ): Promise<{ send(to: Endpoint, bytes: Uint8Array): void; close(): void }>;
  http(
    asked: {
      readonly method: string;
      readonly url: string;
      readonly headers: readonly (readonly [string, string])[];
    },
    localAddress: Ipv4,
  ): Promise<WireAnswer>;
  /** Takes back every address that was claimed. */
  close(): Promise<void>;
}

/** Should this process die, the kernel takes the addresses back by itself. */
const ADDRESS_LIFE_S = 900;
const KEPT_BYTES = 64 * 1024;
const HTTP_TIMEOUT_MS = 30_000;

/** Rejects with PB-LINUX-ONLY, PB-PORT-DENIED or PB-PORT-IN-USE. */
export async function openClientWire(served: ServedInterface): Promise<LinuxClientWire> {
  if (process.platform !== 'linux') {
    throw new PeerbootError('PB-LINUX-ONLY', `emulated machines need Linux, this is ${process.platform}`);
  }
  const handlers: ((bytes: Uint8Array, from: Endpoint) => void)[] = [];
  const onError = () => {};
  // Broadcasts are heard on 0.0.0.0, and leave by the interface whose address the socket has.
  const listener = await openUdp({
    local: { address: ANY_ADDRESS, port: DHCP_CLIENT_PORT },
    onDatagram: (bytes, from) => {
      for (const handler of handlers) handler(bytes, from);
    },
    onError,
  });
  const sender = await openUdp({
    local: { address: served.address, port: DHCP_CLIENT_PORT },
    onDatagram: () => {},
    onError,
  });
  const addresses = new ClaimedAddresses(served.name);
  return {
    broadcast(bytes) {
      // What the system refuses counts as lost: the machine asks again.
      sender.send(bytes, { address: LIMITED_BROADCAST, port: DHCP_SERVER_PORT }).catch(onError);
    },
    onBroadcast: (handler) => void handlers.push(handler),
    claim: (address) => addresses.claim(address),
    open: openClientSocket,
    http: askOverHttp,
    async close() {
      await Promise.all([listener.close(), sender.close()]);
      await addresses.release();
    },
  };
}

/** Gathers claims of the same moment into one call of `ip`. */
class ClaimedAddresses {
  readonly #device: string;
  readonly #claimed = new Map<Ipv4, Promise<void>>();
  #waiting: Ipv4[] = [];
  #batch: Promise<void> | undefined;

  constructor(device: string) {
    this.#device = device;
  }

  claim(address: Ipv4): Promise<void> {
    const known = this.#claimed.get(address);
    if (known !== undefined) return known;
    this.#waiting.push(address);
    this.#batch ??= new Promise<void>((resolve, reject) => {
      setTimeout(() => {
        const lines = this.#waiting.map((one) => this.#add(one));
        this.#waiting = [];
        this.#batch = undefined;
        runIp(lines).then(resolve, reject);
      }, 5);
    });
    this.#claimed.set(address, this.#batch);
    return this.#batch;
  }

  async release(): Promise<void> {
    const lines = [...this.#claimed.keys()].map((one) => `addr del ${one}/32 dev ${this.#device}`);
    this.#claimed.clear();
    if (lines.length > 0) await runIp(lines);
  }

  /** `preferred_lft 0`: never the source of anything else that this host sends. */
  #add(address: Ipv4): string {
    return `addr replace ${address}/32 dev ${this.#device} valid_lft ${ADDRESS_LIFE_S} preferred_lft 0`;
  }
}

function runIp(lines: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const refused = (why: string) =>
      reject(new PeerbootError('PB-ADDRESS-REFUSED', `ip addr: ${why.trim() || 'refused'}`));
    const child = spawn('ip', ['-force', '-batch', '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    child.on('error', (error) => refused(error.message));
    child.on('close', (status) => (status === 0 ? resolve() : refused(errors)));
    child.stdin.end(`${lines.join('\n')}\n`);
  });
}

function openClientSocket(
  local: Endpoint,
  onDatagram: (bytes: Uint8Array, from: Endpoint) => void,
): Promise<{ send(to: Endpoint, bytes: Uint8Array): void; close(): void }> {
  const socket: Socket = createSocket({
    type: 'udp4',
    // Port 68 of the wildcard address is ours too.
    reuseAddr: true,
    lookup: (host, _options, callback) =>
      callback(isIPv4(host) ? null : new Error(`not an IPv4 address: ${host}`), host, 4),
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address: local.address, port: local.port, exclusive: true }, () => {
      socket.off('error', reject);
      // ICMP answers: the machine's timers notice.
      socket.on('error', () => {});
      socket.on('message', (bytes, from) =>
        onDatagram(bytes, { address: from.address as Ipv4, port: from.port }),
      );
      let open = true;
      resolve({
        send: (to, bytes) => {
          if (open) socket.send(bytes, to.port, to.address, () => {});
        },
        close: () => {
          open = false;
          socket.close();
        },
      });
    });
  });
}

const askOverHttp: LinuxClientWire['http'] = ({ method, url, headers }, localAddress) =>
  new Promise((resolve) => {
    const broken = () => resolve({ status: 0, sizeBytes: 0, body: new Uint8Array(0) });
    const asked = request(url, {
      method,
      headers: Object.fromEntries(headers),
      localAddress,
      agent: false,
      timeout: HTTP_TIMEOUT_MS,
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer')));
    asked.on('error', broken);
    asked.on('response', (answer) => {
      const kept: Buffer[] = [];
      let keptBytes = 0;
      let sizeBytes = 0;
      answer.on('data', (data: Buffer) => {
        sizeBytes += data.length;
        if (keptBytes >= KEPT_BYTES) return;
        kept.push(data);
        keptBytes += data.length;
      });
      answer.on('error', broken);
      answer.on('end', () => {
        const body = new Uint8Array(Buffer.concat(kept).subarray(0, KEPT_BYTES));
        const told = Number(answer.headers['content-length'] ?? sizeBytes);
        const whole = method === 'HEAD' || told === sizeBytes;
        resolve({ status: whole ? (answer.statusCode ?? 0) : 0, sizeBytes, body });
      });
    });
    asked.end();
  });
