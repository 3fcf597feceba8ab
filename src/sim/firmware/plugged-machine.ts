// A booting machine on the virtual LAN: performs its actions, brings it what arrives, wakes it, and remembers its way.
import { ANY_ADDRESS, type Ipv4, LIMITED_BROADCAST } from '../../base/addresses.ts';
import type { MonotonicMs } from '../../base/time.ts';
import { cancel, type Ticket } from '../queue.ts';
import { BootingMachine, type BootingOptions } from './booting.ts';
import type { BootOutcome, FirmwareAction, FirmwareEvent, Stage } from './firmware.ts';
import type { Lan, LanHost } from './lan.ts';

export interface Way {
  readonly stage: Stage;
  readonly what: string;
  readonly atMs: MonotonicMs;
}

export class PluggedMachine {
  readonly #lan: Lan;
  readonly #machine: BootingMachine;
  readonly #host: LanHost;
  #alarm: Ticket | undefined;
  #httpAsked = 0;
  readonly way: Way[] = [];
  outcome: BootOutcome | undefined;

  constructor(lan: Lan, segment: number, options: Omit<BootingOptions, 'random'>) {
    this.#lan = lan;
    this.#machine = new BootingMachine({ ...options, random: lan.random });
    this.#host = lan.plug(segment, [], {
      datagram: ({ from, to, bytes }) => {
        if (to.address !== LIMITED_BROADCAST && !this.#host.addresses.has(to.address)) return;
        this.#step({ kind: 'datagram', port: to.port, from, bytes });
      },
    });
  }

  /** 0.0.0.0 while it has none. */
  get address(): Ipv4 {
    const [address = ANY_ADDRESS] = this.#host.addresses;
    return address;
  }

  powerOn(): void {
    this.#step({ kind: 'power-on' });
  }

  /** The link came up a moment ago, at a switch with spanning tree. */
  waitForPort(untilMs: MonotonicMs): void {
    this.#host.silentUntilMs = untilMs;
  }

  /** Nothing reaches it any more. */
  unplug(): void {
    this.#lan.kill(this.#host, 'power');
    cancel(this.#alarm);
  }

  #step(event: FirmwareEvent): void {
    for (const action of this.#machine.step(event, this.#lan.queue.nowMs)) this.#perform(action);
    cancel(this.#alarm);
    const wake = this.#machine.nextWake();
    this.#alarm =
      wake === undefined ? undefined : this.#lan.queue.at(wake, () => this.#step({ kind: 'wake' }));
  }

  #perform(action: FirmwareAction): void {
    const { address } = this;
    switch (action.kind) {
      case 'send':
        this.#lan.send(this.#host, {
          from: { address, port: action.port },
          to: action.to,
          bytes: action.bytes,
        });
        return;
      case 'configure':
        this.#host.addresses.clear();
        if (action.address !== ANY_ADDRESS) this.#host.addresses.add(action.address);
        return;
      case 'http': {
        const asked = ++this.#httpAsked;
        this.#lan.http(this.#host, action, { address, port: 49_152 + asked }, (answer) => {
          if (asked === this.#httpAsked) this.#step({ kind: 'http', answer });
        });
        return;
      }
      case 'reached':
        this.way.push({ stage: action.stage, what: action.what, atMs: this.#lan.queue.nowMs });
        return;
      case 'end':
        this.outcome = action.outcome;
    }
  }
}
