// What other boot hosts of the site have imaged and named, so that no machine is imaged twice, and no name given twice, because another one answered.
import { ImagedAnswer, type NamedMachine } from '../api/machines.ts';
import type { Ipv4 } from '../base/addresses.ts';
import type { Log } from '../base/log.ts';
import { LogLimit } from '../base/log-limit.ts';
import type { Clock, MonotonicMs, Timers } from '../base/time.ts';
import { type Facts, likeness } from '../boot/identity.ts';
import type { ImagedElsewhere, MachineStore } from './machine-store.ts';

export interface BootHost {
  readonly id: string;
  readonly address: Ipv4;
  readonly httpPort: number;
}

/** Port: the JSON of another host's `GET /site/v1/imaged?since=…`; undefined when it does not answer in time. */
export type AskImaged = (host: BootHost, since: number) => Promise<unknown>;

export interface Elsewhere {
  /** What was heard of this machine, or of one that it cannot be told from, the last first: better not imaged than imaged twice. */
  about(machine: Facts): readonly ImagedElsewhere[];
  /** Names that machines other than this one have there, in lower case. */
  namesBut(machine: Facts): readonly string[];
  /** Another machine that has this name there. */
  namesake(machine: Facts, name: string): Namesake | undefined;
  /** It was found on the machine's own disk. */
  note(record: ImagedElsewhere): void;
  /** Drops what is known of this machine. */
  forget(machine: Facts): void;
  /** Asks every boot host for news; resolves when all have answered, or after `ENOUGH_MS`. Never rejects. */
  sync(): Promise<void>;
  start(): void;
  stop(): void;
}

export interface Namesake {
  readonly identity: NamedMachine['identity'];
  /** It stands on its disk, or soon will. */
  readonly isImaged: boolean;
}

export interface ElsewhereOptions {
  readonly store: MachineStore;
  /** Live boot hosts of the site, without us. */
  readonly hosts: () => readonly BootHost[];
  readonly ask: AskImaged;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

/** A booting machine waits for this: iPXE's request may be silent for much longer. */
const ENOUGH_MS = 700;
const LOOK_MS = 10_000;
/** Live ones are asked twice in this time. */
const UNHEARD_MS = 15_000;
/** Whoever claims to be a boot host may tell this much. */
const MOST_RECORDS = 8192;

export function createElsewhere(options: ElsewhereOptions): Elsewhere {
  const { store, clock, timers, log } = options;
  const records = new Map(store.elsewhere().map((record) => [record.ticket, record]));
  /** By the machine's id, which all boot hosts make alike of what it tells. */
  const named = new Map<string, NamedMachine>();
  let byName: ReadonlyMap<string, readonly Namesake[]> | undefined;
  const heardFrom = new Map<string, { readonly run: string; readonly upTo: number }>();
  /** Since when a host has given no answer that can be believed, until that was said. */
  const unheard = new Map<string, { readonly sinceMs: MonotonicMs; said: boolean }>();
  const asking = new Map<string, Promise<void>>();
  const logLimit = new LogLimit(5);
  let cancel: (() => void) | undefined;

  function keep(record: ImagedElsewhere): void {
    const before = records.get(record.ticket);
    if (before?.state === 'done' && record.state === 'begun') return;
    if (before === undefined && records.size >= MOST_RECORDS) {
      if (logLimit.admit('full', clock.nowMs()) !== undefined) {
        log.warn({ records: records.size }, 'other boot hosts tell of more machines than are kept');
      }
      return;
    }
    records.set(record.ticket, record);
    byName = undefined;
    // Only what is final is worth the disk: a `begun` comes again with the next question.
    if (record.state !== 'done') return;
    try {
      store.saveElsewhere(record);
    } catch (error) {
      log.error({ err: error }, 'imaged machine of another host could not be remembered');
    }
  }

  /** A dead host is soon no host; one that stays may lack our token, and then two hosts do not know what the other images. */
  function silent(host: BootHost): void {
    const now = clock.nowMs();
    const one = unheard.get(host.id) ?? { sinceMs: now, said: false };
    unheard.set(host.id, one);
    if (one.said || now - one.sinceMs < UNHEARD_MS) return;
    one.said = true;
    const fields = { host: host.address, httpPort: host.httpPort };
    log.warn(fields, 'boot host does not tell what it imaged: has it the same adminToken, or none as we?');
  }

  async function askOne(host: BootHost): Promise<void> {
    const before = heardFrom.get(host.id);
    const parsed = ImagedAnswer.safeParse(await options.ask(host, before?.upTo ?? 0));
    if (!parsed.success) return silent(host);
    unheard.delete(host.id);
    let answer = parsed.data;
    if (before !== undefined && answer.run !== before.run) {
      // It was restarted: its numbers begin anew.
      const again = ImagedAnswer.safeParse(await options.ask(host, 0));
      if (!again.success) return;
      answer = again.data;
    }
    heardFrom.set(host.id, { run: answer.run, upTo: answer.upTo });
    const wallMs = clock.wallMs();
    for (const { ageMs, ...record } of answer.records) keep({ ...record, wallMs: wallMs - ageMs });
    for (const one of answer.names ?? []) {
      byName = undefined;
      named.delete(one.machine);
      const [oldest] = named.keys();
      if (named.size >= MOST_RECORDS && oldest !== undefined) named.delete(oldest);
      named.set(one.machine, one);
    }
  }

  function ask(host: BootHost): Promise<void> {
    const already = asking.get(host.id);
    if (already !== undefined) return already;
    const asked = askOne(host)
      .catch((error: unknown) => log.debug({ host: host.address, err: error }, 'boot host does not tell'))
      .finally(() => asking.delete(host.id));
    asking.set(host.id, asked);
    return asked;
  }

  async function sync(): Promise<void> {
    const hosts = options.hosts();
    if (hosts.length === 0) return;
    const enough = Promise.withResolvers<void>();
    const stop = timers.after(ENOUGH_MS, enough.resolve);
    await Promise.race([Promise.all(hosts.map(ask)), enough.promise]);
    stop();
  }

  function look(): void {
    void sync().finally(() => {
      if (cancel !== undefined) cancel = timers.after(LOOK_MS, look);
    });
  }

  function about(machine: Facts): ImagedElsewhere[] {
    return Array.from(records.values())
      .filter(({ identity }) => likeness(machine, { depth: 'whole', identity }) !== 'other')
      .sort((a, b) => b.wallMs - a.wallMs);
  }

  /** Every name there, in lower case, with whose it is; made anew after each change, since all machines are looked up when they are listed. */
  function namesakes(): ReadonlyMap<string, readonly Namesake[]> {
    if (byName !== undefined) return byName;
    const made = new Map<string, Namesake[]>();
    const add = (name: string, one: Namesake) => {
      const all = made.get(name.toLowerCase());
      if (all === undefined) made.set(name.toLowerCase(), [one]);
      else all.push(one);
    };
    for (const { identity, name } of records.values())
      if (name !== undefined) add(name, { identity, isImaged: true });
    for (const { identity, name } of named.values()) add(name, { identity, isImaged: false });
    byName = made;
    return made;
  }
  const isOther = (machine: Facts, { identity }: Namesake) =>
    likeness(machine, { depth: 'whole', identity }) === 'other';

  return {
    about,
    namesBut: (machine) =>
      Array.from(namesakes())
        .filter(([, all]) => all.some((one) => isOther(machine, one)))
        .map(([name]) => name),
    namesake: (machine, name) =>
      namesakes()
        .get(name.toLowerCase())
        ?.find((one) => isOther(machine, one)),
    note: keep,
    forget(machine) {
      byName = undefined;
      for (const { ticket } of about(machine)) {
        records.delete(ticket);
        store.dropElsewhere(ticket);
      }
      for (const [id, one] of named) if (!isOther(machine, { ...one, isImaged: false })) named.delete(id);
    },
    sync,
    start() {
      cancel = () => {};
      look();
    },
    stop() {
      cancel?.();
      cancel = undefined;
    },
  };
}

/** A site with one boot host. */
export const NOBODY_ELSE: Elsewhere = {
  about: () => [],
  namesBut: () => [],
  namesake: () => undefined,
  note: () => {},
  forget: () => {},
  sync: async () => {},
  start: () => {},
  stop: () => {},
};
