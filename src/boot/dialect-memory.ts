// Remembers which dialect each make of firmware takes, and answers a machine that asks again in the other one.
//
// A firmware that refuses our offer says nothing: it asks again, with the same transaction. But so does one that has no address yet,
// because the store's DHCP server is slow or a packet was lost. So a retry is never taken for a refusal by itself: the other
// dialect is tried, at once or after `patience` repetitions, and each later retry is answered in turn. Only a retry after an
// address was offered (we may hear that on port 68) is held against the dialect. What proves a dialect is a request for our file; what
// proves it wrong, a machine that had an address, took nothing of ours, and came back.
import { MOST_DIALECTS } from '../api/firmware.ts';
import type { Mac } from '../base/addresses.ts';
import type { MonotonicMs } from '../base/time.ts';
import { type DialectRow, DialectRows } from './dialect-rows.ts';
import type { Fingerprint } from './fingerprint.ts';
import type { Dialect, DialectRule } from './quirks.ts';

export interface Asked {
  readonly mac: Mac;
  /** Of its DISCOVER. */
  readonly xid: number;
  readonly fingerprint: Fingerprint;
  readonly rule: DialectRule;
}

/** `rule`: the table of quirks says so. `remembered`: it booted machines of this firmware, or this machine. `retry`: the other one was refused, or may have been. `failed`: the other one failed twice. */
export type DialectReason = 'rule' | 'remembered' | 'retry' | 'failed';

export interface DialectChoice {
  readonly dialect: Dialect;
  readonly reason: DialectReason;
  /** That have booted by it, for `remembered`. */
  readonly machines: number;
}

const REASONS: Readonly<Record<DialectReason, (machines: number) => string>> = {
  rule: () => 'as the rule for its kind says',
  remembered: (machines) => `remembered of ${machines} machine${machines === 1 ? '' : 's'} of this firmware`,
  retry: () => 'it asked again',
  failed: () => 'the other one failed',
};

/** For people: `offered-file (it asked again)`. */
export function describeDialect({ dialect, reason, machines }: DialectChoice): string {
  return `${dialect} (${REASONS[reason](machines)})`;
}

export type DialectFactHeard =
  /** A DHCP server offered the machine an address. */
  | { readonly kind: 'address-offered'; readonly mac: Mac; readonly xid: number }
  /** It took the address of a DHCP server. */
  | { readonly kind: 'chose'; readonly mac: Mac; readonly address: string | undefined }
  | { readonly kind: 'asked-4011'; readonly mac: Mac; readonly address: string }
  /** Somebody at this address asks us for a file by TFTP. */
  | { readonly kind: 'fetches'; readonly address: string }
  /** Another program than its firmware speaks: whatever it was given, wherever from, runs. */
  | { readonly kind: 'runs'; readonly mac: Mac };

/** Less between two of the same transaction is a copy of the packet: two paths through a switch or a relay. */
const RETRY_MS = 1_000;
/** EDK2 and PXE 2.1 wait 32 s at the most before they ask once more. */
const TRANSACTION_MS = 40_000;
/** Whoever comes back later than this may have been used for something else meanwhile. */
const CAME_BACK_MS = 5 * 60_000;
/** Failures in a row. */
const ENOUGH = 2;
const MOST_MACHINES = 4096;

/** One machine's attempt, or the last one that it made. */
interface Attempt extends Asked {
  choice: DialectChoice;
  askedMs: MonotonicMs;
  patience: number;
  /** What we have sent: another boot host may have been the one to answer. */
  readonly gave: Set<Dialect>;
  /** It was asked again after an address had been offered. */
  refused: Dialect | undefined;
  hasAddress: boolean;
  wentOn: boolean;
  asked4011: boolean;
  isOver: boolean;
}

interface Machine {
  readonly attempt: Attempt;
  /** How it begins, whatever the rest of its make does. */
  begin: Dialect | undefined;
  beginReason: DialectReason;
  failures: number;
}

export class DialectMemory {
  readonly #rows = new DialectRows(MOST_DIALECTS);
  readonly #machines = new Map<Mac, Machine>();
  readonly #addresses = new Map<string, Mac>();

  /** What is remembered of makes of firmware: to be kept, shared, shown and forgotten. */
  get rows(): DialectRows {
    return this.#rows;
  }

  get size(): number {
    return this.#machines.size;
  }

  /** How the last offer to the machine was worded, and why. */
  choiceOf(mac: string): DialectChoice | undefined {
    return this.#machines.get(mac as Mac)?.attempt.choice;
  }

  /** A firmware's DISCOVER: how to answer it. */
  asked(asked: Asked, now: MonotonicMs, wallMs: number): DialectChoice {
    const known = this.#machines.get(asked.mac);
    const same = known?.attempt.fingerprint === asked.fingerprint ? known : undefined;
    if (same !== undefined && isSameTransaction(same.attempt, asked, now)) {
      this.#again(same.attempt, now);
      return same.attempt.choice;
    }
    if (same !== undefined) this.#judge(same, now, wallMs);
    const machine: Machine = {
      attempt: {
        ...asked,
        choice: this.#begin(asked, same),
        askedMs: now,
        patience: asked.rule.patience,
        gave: new Set(),
        refused: undefined,
        hasAddress: false,
        wentOn: false,
        asked4011: false,
        isOver: false,
      },
      begin: same?.begin,
      beginReason: same?.beginReason ?? 'rule',
      failures: same?.failures ?? 0,
    };
    if (machine.attempt.choice.reason === 'remembered') machine.attempt.patience = 1;
    remember(this.#machines, asked.mac, machine);
    return machine.attempt.choice;
  }

  /** The offer has been sent. */
  gave(mac: Mac, dialect: Dialect): void {
    this.#machines.get(mac)?.attempt.gave.add(dialect);
  }

  heard(fact: DialectFactHeard, wallMs: number): void {
    const mac = fact.kind === 'fetches' ? this.#addresses.get(fact.address) : fact.mac;
    const machine = mac === undefined ? undefined : this.#machines.get(mac);
    if (machine === undefined || machine.attempt.isOver) return;
    const { attempt } = machine;
    switch (fact.kind) {
      case 'address-offered':
        if (fact.xid === attempt.xid) attempt.hasAddress = true;
        return;
      case 'chose':
      case 'asked-4011':
        attempt.wentOn = true;
        attempt.hasAddress = true;
        attempt.asked4011 ||= fact.kind === 'asked-4011';
        if (fact.address !== undefined) remember(this.#addresses, fact.address, attempt.mac);
        return;
      case 'fetches':
        this.#worked(machine, wallMs);
        return;
      case 'runs':
        attempt.isOver = true;
        return;
    }
  }

  /** What another boot host says; where an administrator had something forgotten, machines are asked anew. How many rows were news. */
  adopt(rows: readonly DialectRow[]): number {
    const news = this.#rows.adopt(rows);
    const gone = new Set(
      this.#rows.list().flatMap(({ dialect, fingerprint }) => (dialect === null ? [fingerprint] : [])),
    );
    for (const machine of this.#machines.values()) {
      if (gone.has(machine.attempt.fingerprint)) machine.begin = undefined;
    }
    return news;
  }

  /** What was learnt of this make of firmware, or of all; how many rows that were. */
  forget(fingerprint: Fingerprint | undefined, wallMs: number): number {
    for (const machine of this.#machines.values()) {
      if (fingerprint === undefined || machine.attempt.fingerprint === fingerprint) machine.begin = undefined;
    }
    return this.#rows.forget(fingerprint, wallMs);
  }

  #begin({ fingerprint, rule }: Asked, known: Machine | undefined): DialectChoice {
    const row = this.#rows.of(fingerprint);
    if (known?.begin !== undefined) {
      return {
        dialect: known.begin,
        reason: known.beginReason,
        machines: row?.dialect === known.begin ? row.machines : 1,
      };
    }
    if (row?.dialect == null) return { dialect: rule.dialect, reason: 'rule', machines: 0 };
    // Nobody has booted by it yet: it stands here because the other one failed.
    const reason = row.machines === 0 ? 'failed' : 'remembered';
    return { dialect: row.dialect, reason, machines: row.machines };
  }

  #again(attempt: Attempt, now: MonotonicMs): void {
    if (now - attempt.askedMs < RETRY_MS) return;
    attempt.askedMs = now;
    // It had taken an offer and its server withdrew the address (a NAK): the offers it has are still good.
    if (attempt.wentOn) return;
    const { dialect } = attempt.choice;
    if (attempt.hasAddress && attempt.gave.has(dialect)) attempt.refused ??= dialect;
    else if (attempt.patience > 0) {
      attempt.patience -= 1;
      return;
    }
    attempt.patience = 0;
    attempt.choice = { dialect: otherDialect(dialect), reason: 'retry', machines: 0 };
  }

  #worked(machine: Machine, wallMs: number): void {
    const { attempt } = machine;
    attempt.isOver = true;
    const dialect = taken(attempt);
    // Another boot host's offer: it learns.
    if (dialect === undefined) return;
    const isNews = machine.begin !== dialect || machine.beginReason !== 'remembered';
    const { fingerprint, refused } = attempt;
    this.#rows.worked(fingerprint, dialect, { isNews, againstOther: refused !== undefined }, wallMs);
    machine.begin = dialect;
    machine.beginReason = 'remembered';
    machine.failures = 0;
  }

  /** It begins anew: has its last attempt failed, and was that our dialect's fault? */
  #judge(machine: Machine, now: MonotonicMs, wallMs: number): void {
    const { attempt } = machine;
    const [given, another] = attempt.gave;
    if (attempt.isOver || !attempt.hasAddress || now - attempt.askedMs > CAME_BACK_MS) return;
    // Both were tried: it failed for another reason.
    if (given === undefined || another !== undefined) return;
    machine.failures += 1;
    this.#rows.failed(attempt.fingerprint, given, attempt.mac, wallMs);
    if (machine.failures < ENOUGH) return;
    machine.failures = 0;
    machine.begin = otherDialect(given);
    machine.beginReason = 'failed';
  }
}

function isSameTransaction(attempt: Attempt, { xid }: Asked, now: MonotonicMs): boolean {
  return attempt.xid === xid && !attempt.isOver && now - attempt.askedMs <= TRANSACTION_MS;
}

/** Which of the offers that it got it has taken. */
function taken({ asked4011, gave }: Attempt): Dialect | undefined {
  if (asked4011 && gave.has('binl')) return 'binl';
  // EDK2 prefers an offer with option 43 when it has both.
  return gave.has('offered-file') ? 'offered-file' : [...gave][0];
}

export function otherDialect(dialect: Dialect): Dialect {
  return dialect === 'binl' ? 'offered-file' : 'binl';
}

/** As the newest; the oldest goes when there are too many. */
function remember<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.keys().next();
  if (map.size > MOST_MACHINES && oldest.done !== true) map.delete(oldest.value);
}
