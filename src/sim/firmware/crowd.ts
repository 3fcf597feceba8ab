// Many emulated machines on a real network at once: one driver, a port for the sockets, and how long each took to each stage.
import { ANY_ADDRESS, type Ipv4, LIMITED_BROADCAST, type Mac, parseMac } from '../../base/addresses.ts';
import { toHex } from '../../base/bytes.ts';
import type { Random } from '../../base/random.ts';
import type { Clock, MonotonicMs, Timers } from '../../base/time.ts';
import type { Dialect } from '../../boot/quirks.ts';
import type { Endpoint } from '../../dhcp/destination.ts';
import { BootingMachine } from './booting.ts';
import type { BootOutcome, FirmwareAction, FirmwareEvent, HttpAnswer, Stage } from './firmware.ts';
import type { HttpAsked } from './lan.ts';
import type { FirmwareName } from './names.ts';

export interface ClientSocket {
  send(to: Endpoint, bytes: Uint8Array): void;
  close(): void;
}

/** The network as many machines on one interface have it. */
export interface ClientWire {
  /** Broadcasts from port 68 to the DHCP servers. */
  broadcast(bytes: Uint8Array): void;
  /** Every DHCP packet that is broadcast to port 68, whosever it is. */
  onBroadcast(handler: (bytes: Uint8Array, from: Endpoint) => void): void;
  /** Gives the interface this address too, until the wire is closed. */
  claim(address: Ipv4): Promise<void>;
  open(local: Endpoint, onDatagram: (bytes: Uint8Array, from: Endpoint) => void): Promise<ClientSocket>;
  http(asked: HttpAsked, localAddress: Ipv4): Promise<HttpAnswer>;
}

export interface CrowdOptions {
  readonly firmware: FirmwareName;
  readonly count: number;
  readonly until: 'script' | 'agent';
  /** See `BootingOptions`. */
  readonly takesOnly?: Dialect | undefined;
  /** Three bytes: `52:54:77`. */
  readonly macPrefix: string;
  readonly wire: ClientWire;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** They are switched on one after the other, evenly over this time; 0: all in one moment. */
  readonly withinMs: number;
  /** After it, whoever has not ended counts as `still-booting`. */
  readonly timeoutMs: number;
  onEnd?(client: CrowdClient): void;
}

export interface CrowdClient {
  readonly mac: Mac;
  address: Ipv4;
  /** Since power-on: the first address, and the last script. */
  readonly reachedMs: Partial<Record<Stage, number>>;
  outcome: BootOutcome | undefined;
}

/** The broadcast bit in the first byte of `flags` (RFC 2131 §2): no reply can be sent to a card that is not there. */
const FLAGS_AT = 10;
const CHADDR_AT = 28;

/** Switches all on; resolves when all have ended or the time is over. */
export async function bootCrowd(options: CrowdOptions): Promise<readonly CrowdClient[]> {
  const machines = Array.from({ length: options.count }, (_, number) => new CrowdMachine(number, options));
  const byMac = new Map(machines.map((machine) => [machine.macHex, machine]));
  options.wire.onBroadcast((bytes, from) => {
    byMac.get(toHex(bytes.subarray(CHADDR_AT, CHADDR_AT + 6)))?.arrived(68, bytes, from);
  });
  const stepMs = options.withinMs / options.count;
  const all = Promise.all(machines.map((machine, number) => machine.boot(number * stepMs)));
  let cancel = () => {};
  const timeUp = new Promise<void>((resolve) => {
    cancel = options.timers.after(options.timeoutMs, resolve);
  });
  await Promise.race([all, timeUp]);
  cancel();
  for (const machine of machines) machine.stop();
  return machines.map(({ client }) => client);
}

class CrowdMachine {
  readonly client: CrowdClient;
  readonly macHex: string;
  readonly #options: CrowdOptions;
  readonly #machine: BootingMachine;
  readonly #sockets = new Map<string, ClientSocket>();
  #startedMs: MonotonicMs = 0;
  #cancelWake = () => {};
  /** Actions are performed one after the other: an address must be there before anything is sent from it. */
  #performed: Promise<void> = Promise.resolve();
  #httpAsked = 0;
  #finish: () => void = () => {};
  #stopped = false;

  constructor(number: number, options: CrowdOptions) {
    this.#options = options;
    this.macHex = `${options.macPrefix.replaceAll(':', '')}${number.toString(16).padStart(6, '0')}`;
    const mac = parseMac(this.macHex) ?? (options.macPrefix as Mac);
    this.client = { mac, address: ANY_ADDRESS, reachedMs: {}, outcome: undefined };
    const { firmware, until, random, takesOnly } = options;
    const uuid = Uint8Array.from({ length: 16 }, (_, i) =>
      i < 12 ? 0x77 : Number.parseInt(this.macHex.slice(4 + (i - 12) * 2, 6 + (i - 12) * 2), 16),
    );
    this.#machine = new BootingMachine({ firmware, until, random, takesOnly, hardware: { mac, uuid } });
  }

  boot(afterMs: number): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    if (afterMs === 0) this.#powerOn();
    else this.#cancelWake = this.#options.timers.after(afterMs, () => this.#powerOn());
    return ended;
  }

  #powerOn(): void {
    this.#startedMs = this.#options.clock.nowMs();
    this.#step({ kind: 'power-on' });
  }

  arrived(port: number, bytes: Uint8Array, from: Endpoint): void {
    this.#step({ kind: 'datagram', port, from, bytes });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelWake();
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }

  #step(event: FirmwareEvent): void {
    if (this.#stopped) return;
    const { clock, timers } = this.#options;
    const now = clock.nowMs();
    for (const action of this.#machine.step(event, now)) {
      this.#performed = this.#performed
        .then(() => this.#perform(action))
        .catch((error) => this.#broke(error));
    }
    this.#cancelWake();
    const wake = this.#machine.nextWake();
    if (wake === undefined) return;
    this.#cancelWake = timers.after(Math.max(1, Math.ceil(wake - now)), () => this.#step({ kind: 'wake' }));
  }

  async #perform(action: FirmwareAction): Promise<void> {
    if (this.#stopped) return;
    const { wire, clock } = this.#options;
    switch (action.kind) {
      case 'send':
        return this.#send(action);
      case 'configure':
        if (action.address !== ANY_ADDRESS) await wire.claim(action.address);
        this.client.address = action.address;
        return;
      case 'http': {
        const asked = ++this.#httpAsked;
        // Not awaited: the machine goes on waiting by its own timers.
        void wire.http(action, this.client.address).then((answer) => {
          if (asked === this.#httpAsked) this.#step({ kind: 'http', answer });
        });
        return;
      }
      case 'reached':
        if (action.stage === 'script' || this.client.reachedMs[action.stage] === undefined) {
          this.client.reachedMs[action.stage] = clock.nowMs() - this.#startedMs;
        }
        return;
      case 'end':
        this.client.outcome = action.outcome;
        this.stop();
        this.#options.onEnd?.(this.client);
        this.#finish();
    }
  }

  async #send({ port, to, bytes }: FirmwareAction & { kind: 'send' }): Promise<void> {
    const { wire } = this.#options;
    if (to.address === LIMITED_BROADCAST) {
      bytes[FLAGS_AT] = (bytes[FLAGS_AT] ?? 0) | 0x80;
      wire.broadcast(bytes);
      return;
    }
    const local = { address: this.client.address, port };
    const key = `${local.address}:${port}`;
    let socket = this.#sockets.get(key);
    if (socket === undefined) {
      socket = await wire.open(local, (datagram, from) => this.arrived(port, datagram, from));
      if (this.#stopped) {
        socket.close();
        return;
      }
      this.#sockets.set(key, socket);
    }
    socket.send(to, bytes);
  }

  /** The wire refused: that machine cannot go on. */
  #broke(error: unknown): void {
    this.client.outcome ??= { kind: 'failed', code: 'FETCH-FAILED', why: String(error) };
    this.stop();
    this.#finish();
  }
}

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface CrowdReport {
  readonly firmware: FirmwareName;
  readonly count: number;
  /** Got what was asked for: the script, or the agent's files; or boot their own disk as they were told. */
  readonly booted: number;
  /** Milliseconds since power-on, of those that came there. */
  readonly stagesMs: Partial<Record<Stage, Percentiles>>;
  /** Why the others did not, with how many. */
  readonly failures: Readonly<Record<string, number>>;
}

export function reportCrowd(firmware: FirmwareName, clients: readonly CrowdClient[]): CrowdReport {
  const failures: Record<string, number> = {};
  let booted = 0;
  for (const { outcome } of clients) {
    if (outcome !== undefined && outcome.kind !== 'failed') {
      booted += 1;
      continue;
    }
    const why =
      outcome === undefined ? 'still booting when the time was over' : `${outcome.code}: ${outcome.why}`;
    failures[why] = (failures[why] ?? 0) + 1;
  }
  const stagesMs: Partial<Record<Stage, Percentiles>> = {};
  for (const stage of ['address', 'nbp', 'script', 'files'] as const) {
    const times = clients.flatMap(({ reachedMs }) => reachedMs[stage] ?? []).sort((a, b) => a - b);
    if (times.length > 0) stagesMs[stage] = percentiles(times);
  }
  return { firmware, count: clients.length, booted, stagesMs, failures };
}

/** Of ascending values; whole milliseconds. */
function percentiles(sorted: readonly number[]): Percentiles {
  const at = (share: number) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? 0);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
