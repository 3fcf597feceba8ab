// Addresses that this peer hands out itself on a staging network: who has which, for how long; a value the service keeps on disk.
import { type Ipv4, ipv4Bytes } from '../base/addresses.ts';
import { assert } from '../base/errors.ts';

/** Whose lease it is: `id:` and option 61 in hexadecimal, else `mac:` and chaddr (RFC 2131 §4.2). */
export type LeaseClient = string;

export interface Lease {
  readonly address: Ipv4;
  readonly client: LeaseClient;
  /** Wall clock, ms since 1970: it is kept over restarts. */
  readonly untilMs: number;
}

export interface PoolRange {
  readonly first: Ipv4;
  readonly last: Ipv4;
}

/** An offer is kept for its client so long. */
const OFFERED_MS = 60_000;
/** An address that somebody else uses is left alone so long. */
const TAKEN_MS = 10 * 60_000;
/** More than a staging network holds; a larger range is a slip. */
export const MOST_ADDRESSES = 4096;

export class LeasePool {
  readonly #addresses: readonly Ipv4[];
  readonly #leases = new Map<Ipv4, Lease>();
  readonly #byClient = new Map<LeaseClient, Ipv4>();
  readonly #offers = new Map<Ipv4, Lease>();
  readonly #taken = new Map<Ipv4, number>();

  /** `own`: addresses that are never given; `kept`: leases from the disk, those outside the range are dropped. */
  constructor(range: PoolRange, own: readonly Ipv4[], kept: readonly Lease[] = []) {
    this.#addresses = addressesOf(range).filter((address) => !own.includes(address));
    for (const lease of kept) if (this.#addresses.includes(lease.address)) this.#put(lease);
  }

  get size(): number {
    return this.#addresses.length;
  }

  /** Those in force, for the disk and for screens. */
  leases(nowMs: number): readonly Lease[] {
    return [...this.#leases.values()].filter(({ untilMs }) => untilMs > nowMs);
  }

  /** The client's own address, also when its lease has run out and nobody else took it. */
  of(client: LeaseClient): Ipv4 | undefined {
    return this.#byClient.get(client);
  }

  /**
   * What to offer: its own address, the one it asks for, else a free one, always the same for the same client as long as
   * it is free; undefined when none is left. The offer is set aside for it.
   */
  offer(client: LeaseClient, asked: Ipv4 | undefined, nowMs: number): Ipv4 | undefined {
    const wishes = [this.#byClient.get(client), this.#offerOf(client), asked];
    const wished = wishes.find((one) => one !== undefined && this.#isFree(one, client, nowMs));
    const address = wished ?? this.#firstFree(client, nowMs);
    if (address === undefined) return undefined;
    this.#dropOffer(client);
    this.#offers.set(address, { address, client, untilMs: nowMs + OFFERED_MS });
    return address;
  }

  /** The client takes the address; false when it is not its to take. */
  take(client: LeaseClient, address: Ipv4, untilMs: number, nowMs: number): boolean {
    if (!this.#isFree(address, client, nowMs)) return false;
    this.#dropOffer(client);
    this.release(client);
    this.#put({ address, client, untilMs });
    return true;
  }

  /** It gives its address back, or took another server's offer. */
  release(client: LeaseClient): void {
    const address = this.#byClient.get(client);
    if (address !== undefined) this.#leases.delete(address);
    this.#byClient.delete(client);
    this.#dropOffer(client);
  }

  /** Somebody else uses it: a probe or the client found out (DECLINE). */
  isTaken(address: Ipv4, nowMs: number): void {
    const lease = this.#leases.get(address);
    if (lease !== undefined) this.#byClient.delete(lease.client);
    this.#leases.delete(address);
    this.#offers.delete(address);
    this.#taken.set(address, nowMs + TAKEN_MS);
  }

  #put(lease: Lease): void {
    const before = this.#leases.get(lease.address);
    if (before !== undefined) this.#byClient.delete(before.client);
    this.#leases.set(lease.address, lease);
    this.#byClient.set(lease.client, lease.address);
  }

  #offerOf(client: LeaseClient): Ipv4 | undefined {
    for (const offer of this.#offers.values()) if (offer.client === client) return offer.address;
    return undefined;
  }

  #dropOffer(client: LeaseClient): void {
    const address = this.#offerOf(client);
    if (address !== undefined) this.#offers.delete(address);
  }

  #isFree(address: Ipv4, client: LeaseClient, nowMs: number): boolean {
    if (!this.#addresses.includes(address) || (this.#taken.get(address) ?? 0) > nowMs) return false;
    return [this.#leases.get(address), this.#offers.get(address)].every(
      (other) => other === undefined || other.client === client || other.untilMs <= nowMs,
    );
  }

  /** From a place that the client's name gives; one that never was anybody's goes before one that was. */
  #firstFree(client: LeaseClient, nowMs: number): Ipv4 | undefined {
    const start = this.size === 0 ? 0 : hashOf(client) % this.size;
    const turned = [...this.#addresses.slice(start), ...this.#addresses.slice(0, start)];
    const free = turned.filter((address) => this.#isFree(address, client, nowMs));
    return free.find((address) => !this.#leases.has(address)) ?? free[0];
  }
}

function addressesOf({ first, last }: PoolRange): Ipv4[] {
  const [from, to] = [numberOf(first), numberOf(last)];
  assert(from <= to && to - from < MOST_ADDRESSES, 'a pool has between 1 and 4096 addresses');
  return Array.from({ length: to - from + 1 }, (_, i) => addressOf(from + i));
}

export function numberOf(address: Ipv4): number {
  return ipv4Bytes(address).reduce((number, byte) => number * 256 + byte, 0);
}

export function addressOf(number: number): Ipv4 {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.') as Ipv4;
}

/** FNV-1a: spreads clients over the range. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
