// What administrators told one boot host of machines holds at all of them: assignments, their removal, and notes travel between them.
//
// Each order has the time at which it was told, later than every order that its host knew of, and of two about the same
// machine the later one holds: so all hosts come to the same whatever the order in which they hear. Only hosts that share the
// admin token believe each other (io/order-proof).
import {
  type Assignment,
  type AssignmentView,
  type MachineNote,
  Order,
  OrdersAnswer,
} from '../api/machines.ts';
import type { Log } from '../base/log.ts';
import type { Clock, Timers } from '../base/time.ts';
import { normaliseMachineName } from '../boot/plan.ts';
import type { Assignments } from './assignments.ts';
import type { BootHost } from './imaged-elsewhere.ts';

/** When something was told, by what it was about: `assign <machine>` or `note <machine>`. */
export interface OrderTime {
  readonly about: string;
  readonly at: number;
  /** The assignment was taken back. */
  readonly gone?: boolean | undefined;
}

/** Port: durable when `save` returns; throws when it cannot be. The adapter is `io/order-store`. */
export interface OrderStore {
  load(): readonly OrderTime[];
  save(times: readonly OrderTime[]): void;
}

/** Port: another boot host's answer, proved to come from one with our admin token; undefined when it is silent or false. */
export type AskOrders = (host: BootHost) => Promise<unknown>;

export interface SharedAssignments extends Assignments {
  /** All that holds, for other boot hosts. */
  orders(): readonly Order[];
  /** Takes over those that are later than what is known of the same; how many they were. */
  adopt(orders: readonly Order[]): number;
}

/** Removals are remembered so long: a host that was switched off for longer may bring an old assignment back. */
const REMEMBER_GONE_MS = 90 * 24 * 3_600_000;

export function shareAssignments(
  inner: Assignments,
  { store, clock, log }: { readonly store: OrderStore; readonly clock: Clock; readonly log: Log },
): SharedAssignments {
  const times = new Map(store.load().map((time) => [time.about, time]));
  const told = () => inner.list().filter(({ origin }) => origin === 'admin');
  // Made before orders were shared.
  for (const { machine, assignedMs } of told()) {
    const about = `assign ${machine}`;
    if (!times.has(about)) times.set(about, { about, at: assignedMs });
  }
  for (const { machine } of inner.notes()) {
    const about = `note ${machine}`;
    if (!times.has(about)) times.set(about, { about, at: 0 });
  }
  let latest = Math.max(0, ...[...times.values()].map(({ at }) => at));

  /** Later than all that is known here. */
  function now(): number {
    latest = Math.max(clock.wallMs(), latest + 1);
    return latest;
  }

  function stamp(stamps: readonly OrderTime[]): void {
    for (const time of stamps) {
      times.delete(time.about);
      times.set(time.about, time);
      latest = Math.max(latest, time.at);
    }
    const oldest = clock.wallMs() - REMEMBER_GONE_MS;
    for (const { about, at, gone } of times.values()) if (gone === true && at < oldest) times.delete(about);
    store.save([...times.values()]);
  }

  const ofAssignments = (views: readonly AssignmentView[], at: number): OrderTime[] =>
    views.map(({ machine }) => ({ about: `assign ${machine}`, at }));
  const ofNotes = (notes: readonly MachineNote[], at: number): OrderTime[] =>
    notes.map(({ machine }) => ({ about: `note ${normaliseMachineName(machine)}`, at }));

  function put(assignment: Assignment, at = now()): AssignmentView {
    const view = inner.put(assignment, at);
    stamp(ofAssignments([view], at));
    return view;
  }

  function adoptOne({ at, order }: Order): boolean {
    const about = aboutOf(order);
    const known = times.get(about)?.at ?? -1;
    if (known > at || (known === at && words(order) <= words(current(about)))) return false;
    switch (order.kind) {
      case 'assign':
        put(order.assignment, at);
        break;
      case 'unassign':
        inner.remove(order.machine);
        stamp([{ about, at, gone: true }]);
        break;
      case 'note':
        inner.putList([], [order.note]);
        stamp([{ about, at }]);
        break;
    }
    return true;
  }

  function orders(): readonly Order[] {
    const assigned = told().map(
      ({ origin: _, revision: __, assignedMs: ___, ...assignment }): Order['order'] => ({
        kind: 'assign',
        assignment,
      }),
    );
    const gone = [...times.values()]
      .filter((time) => time.gone === true)
      .map(({ about }): Order['order'] => ({ kind: 'unassign', machine: about.slice('assign '.length) }));
    const noted = inner.notes().map((note): Order['order'] => ({ kind: 'note', note }));
    return [...assigned, ...gone, ...noted].map((order) => ({
      at: times.get(aboutOf(order))?.at ?? 0,
      order,
    }));
  }

  const current = (about: string) => orders().find(({ order }) => aboutOf(order) === about)?.order;

  return {
    ...inner,
    put,
    putList(assignments, notes) {
      const views = inner.putList(assignments, notes);
      const at = now();
      stamp([...ofAssignments(views, at), ...ofNotes(notes, at)]);
      return views;
    },
    remove(machine) {
      const about = `assign ${normaliseMachineName(machine)}`;
      const isOurs = told().some((one) => `assign ${one.machine}` === about);
      const removed = inner.remove(machine);
      if (isOurs) stamp([{ about, at: now(), gone: true }]);
      return removed;
    },
    orders,
    adopt(heard) {
      const adopted = heard.filter(adoptOne).length;
      if (adopted > 0) log.info({ orders: adopted }, 'took over what another boot host was told');
      return adopted;
    },
  };
}

/** Two told in the same millisecond: the greater words hold, wherever they are compared. */
function words(order: Order['order'] | undefined): string {
  return order === undefined ? '' : JSON.stringify(Order.shape.order.parse(order));
}

function aboutOf(order: Order['order']): string {
  switch (order.kind) {
    case 'assign':
      return `assign ${normaliseMachineName(order.assignment.machine)}`;
    case 'unassign':
      return `assign ${order.machine}`;
    case 'note':
      return `note ${normaliseMachineName(order.note.machine)}`;
  }
}

export interface OrderSync {
  /** Asks every boot host; resolves when all have answered, or after `ENOUGH_MS`. Never rejects. */
  sync(): Promise<void>;
  start(): void;
  stop(): void;
}

/** A booting machine waits for this. */
const ENOUGH_MS = 700;
const LOOK_MS = 10_000;

export function createOrderSync(options: {
  readonly assignments: SharedAssignments;
  /** Live boot hosts of the site, without us. */
  readonly hosts: () => readonly BootHost[];
  readonly ask: AskOrders;
  readonly timers: Timers;
  readonly log: Log;
}): OrderSync {
  let cancel: (() => void) | undefined;

  async function askOne(host: BootHost): Promise<void> {
    try {
      const answer = OrdersAnswer.safeParse(await options.ask(host));
      if (answer.success) options.assignments.adopt(answer.data.orders);
    } catch (error) {
      options.log.warn(
        { host: host.address, err: error },
        'orders of another boot host could not be taken over',
      );
    }
  }

  async function sync(): Promise<void> {
    const hosts = options.hosts();
    if (hosts.length === 0) return;
    const enough = Promise.withResolvers<void>();
    const stop = options.timers.after(ENOUGH_MS, enough.resolve);
    await Promise.race([Promise.all(hosts.map(askOne)), enough.promise]);
    stop();
  }

  function look(): void {
    void sync().finally(() => {
      if (cancel !== undefined) cancel = options.timers.after(LOOK_MS, look);
    });
  }

  return {
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
