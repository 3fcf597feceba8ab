// Who may start a transfer: a rate of requests per client and bounds on transfers at once, because UDP senders can be forged.
import type { Ipv4 } from '../base/addresses.ts';
import { assert } from '../base/errors.ts';
import type { MonotonicMs } from '../base/time.ts';

export interface TftpLimits {
  /** Transfers at once for one client address. */
  readonly perClient: number;
  /** Transfers at once. */
  readonly total: number;
  /** Requests that one client may send at once, and how many it regains a second. */
  readonly requestBurst: number;
  readonly requestsPerSecond: number;
}

/** GRUB asks for a hundred modules and fonts one right after the other; a boot ROM for two or three files. */
export const DEFAULT_TFTP_LIMITS: TftpLimits = {
  perClient: 8,
  total: 512,
  requestBurst: 128,
  requestsPerSecond: 32,
};

export type RefusedBy = 'rate' | 'per-client' | 'total';

interface ClientState {
  tokens: number;
  filledAt: MonotonicMs;
  transfers: number;
}

/** More client addresses than any site has: beyond it the senders are forged, and the least recent are forgotten. */
const CLIENTS_REMEMBERED = 4096;

/** Counts; time is an argument. A refused request gets no answer: the client asks again later, a forged one costs nothing. */
export class Admission {
  readonly #limits: TftpLimits;
  readonly #clients = new Map<Ipv4, ClientState>();
  #active = 0;

  constructor(limits: TftpLimits) {
    this.#limits = limits;
  }

  get active(): number {
    return this.#active;
  }

  /** Takes one request off the client's allowance: false when it has none left. */
  request(address: Ipv4, now: MonotonicMs): boolean {
    const client = this.#client(address, now);
    const { requestBurst, requestsPerSecond } = this.#limits;
    const regained = ((now - client.filledAt) / 1000) * requestsPerSecond;
    client.tokens = Math.min(requestBurst, client.tokens + regained);
    client.filledAt = now;
    if (client.tokens < 1) return false;
    client.tokens--;
    return true;
  }

  /** Counts a transfer in, or says which bound forbids it. */
  begin(address: Ipv4, now: MonotonicMs): RefusedBy | undefined {
    const client = this.#client(address, now);
    if (client.transfers >= this.#limits.perClient) return 'per-client';
    if (this.#active >= this.#limits.total) return 'total';
    client.transfers++;
    this.#active++;
    return undefined;
  }

  end(address: Ipv4): void {
    const client = this.#clients.get(address);
    assert(client !== undefined, 'a client with a transfer is remembered');
    client.transfers--;
    this.#active--;
  }

  #client(address: Ipv4, now: MonotonicMs): ClientState {
    const known = this.#clients.get(address) ?? {
      tokens: this.#limits.requestBurst,
      filledAt: now,
      transfers: 0,
    };
    // Re-inserted, so that the map's order is that of last use.
    this.#clients.delete(address);
    this.#clients.set(address, known);
    if (this.#clients.size > CLIENTS_REMEMBERED) this.#forgetOne();
    return known;
  }

  #forgetOne(): void {
    for (const [address, client] of this.#clients) {
      if (client.transfers > 0) continue;
      this.#clients.delete(address);
      return;
    }
  }
}
