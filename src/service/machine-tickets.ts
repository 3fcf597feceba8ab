// Boot tickets of machines: given with a plan to image, kept through power cuts and restarts, used up when the disk is sealed.
import type { Plan } from '../api/agent.ts';
import type { DiskFacts } from '../api/identity.ts';
import type { ImagedAnswer, ImagedRecord, NameWish } from '../api/machines.ts';
import type { Log } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { likeness } from '../boot/identity.ts';
import { nameGoesTo, nextName } from '../boot/names.ts';
import { isOfOneMachine, type NumberedAssignment, WAIT_MS } from '../boot/plan.ts';
import { resumePolicy, ticketId, ticketState } from '../boot/ticket.ts';
import type { Elsewhere } from './imaged-elsewhere.ts';
import type { MachineRow } from './machine-index.ts';

export type ImagePlan = Extract<Plan, { kind: 'image' }>;

export interface TicketsOptions {
  /** Rows that are kept; ours to look for names in. */
  readonly rows: () => Iterable<MachineRow>;
  readonly keptCount: () => number;
  readonly mostKept: number;
  readonly elsewhere: Elsewhere;
  /** Random, never the same twice. */
  readonly newTicket: () => string;
  /** For `{store}` in names. */
  readonly siteName: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Answers of `imaged` are at most so long; whoever asks goes on after `upTo`. */
const MOST_TOLD = 1024;
const MOST_RESERVED = 1024;

interface Reserved {
  readonly template: string;
  readonly name: string;
}

export class Tickets {
  readonly #options: TicketsOptions;
  /** Machines by the revision of an assignment of one machine which they took. */
  readonly #takers = new Map<number, string>();
  /** Rows in the order of their last change that other boot hosts are to hear of. */
  readonly #changed = new Map<string, { readonly row: MachineRow; readonly at: number }>();
  readonly #run: string;
  /** Names given for machines of other boot hosts, which soon tell of them themselves; the oldest first. */
  readonly #reserved = new Map<string, Reserved>();
  #changes = 0;

  constructor(options: TicketsOptions) {
    this.#options = options;
    this.#run = ticketId(options.newTicket());
  }

  /** A row from the disk, at the start. */
  restore(row: MachineRow): void {
    for (const taken of [row.planned, row.done])
      if (taken !== undefined) this.#takers.set(taken.revision, row.id);
    this.#tell(row);
  }

  drop(row: MachineRow, into?: MachineRow): void {
    this.#changed.delete(row.id);
    for (const [revision, id] of this.#takers) {
      if (id !== row.id) continue;
      if (into === undefined) this.#takers.delete(revision);
      else this.#takers.set(revision, into.id);
    }
  }

  holder(revision: number): string | undefined {
    return this.#takers.get(revision);
  }

  /**
   * Takes what the machine's disks tell: an imaging that was finished without anybody hearing of it counts as done,
   * whichever boot host began it.
   */
  settle(row: MachineRow, disks: readonly DiskFacts[]): void {
    const { clock, elsewhere, log } = this.#options;
    const { planned } = row;
    if (planned?.ticket !== undefined) {
      const state = ticketState({ id: ticketId(planned.ticket), begun: planned.begun }, disks);
      if (state.kind === 'finished') {
        log.info({ machine: row.id, image: planned.image, why: state.why }, 'imaging had finished unheard');
        this.done(row);
      }
    }
    for (const record of elsewhere.about(row)) {
      // What another machine began says nothing about this one's disk.
      if (record.state !== 'begun' || likeness(row, { depth: 'whole', identity: record.identity }) !== 'same')
        continue;
      if (ticketState({ id: record.ticket, begun: record.disk }, disks).kind !== 'finished') continue;
      elsewhere.note({ ...record, state: 'done', wallMs: clock.wallMs() });
    }
    for (const { content } of disks) {
      const { receipt } = content;
      if (receipt === undefined || receipt.machine !== row.id) continue;
      const own = [planned?.ticket, row.done?.ticket].map((one) => ticketId(one ?? ''));
      if (own.includes(receipt.ticket)) continue;
      const { ticket, image, name } = receipt;
      if (elsewhere.about(row).some((one) => one.ticket === ticket)) continue;
      elsewhere.note({
        identity: row.identity,
        ticket,
        image,
        state: 'done',
        // Long ago, for all that is known: what is assigned now by name is meant for it.
        wallMs: 0,
        ...(name === undefined ? {} : { name }),
      });
    }
  }

  /** The plan with its ticket: a new one, or the open one of the same assignment; a plan to wait when it cannot be given. */
  issue(
    row: MachineRow,
    plan: ImagePlan,
    assignment: NumberedAssignment,
    template: string | undefined,
  ): Plan {
    const { keptCount, log, mostKept, newTicket } = this.#options;
    if (!row.kept && keptCount() >= mostKept) {
      return wait('PB-MACHINES-FULL: this peer remembers as many machines as it may');
    }
    const name = this.nameOf(row, template);
    if (template !== undefined && name === undefined) {
      return wait(`PB-NAME-TAKEN: no name can be made of ${template} that no other machine has`);
    }
    const image = `${plan.image.name}@${plan.image.version}`;
    const open = row.planned?.revision === assignment.revision ? row.planned : undefined;
    const ticket = open?.ticket ?? newTicket();
    row.planned = {
      revision: assignment.revision,
      image,
      ticket,
      ...(open?.begun === undefined ? {} : { begun: open.begun }),
    };
    const isNamed = name !== undefined && name !== row.name;
    if (isNamed && row.name !== undefined && row.nameTemplate === template) {
      const fields = { machine: row.id, was: row.name, name, other: this.namesake(row) };
      log.warn(fields, 'name was given to another machine, too: this one gets the next');
    }
    row.name = name ?? row.name;
    row.nameTemplate = template ?? row.nameTemplate;
    row.kept = true;
    if (isNamed) this.#tell(row);
    if (isOfOneMachine(assignment.machine)) this.#takers.set(assignment.revision, row.id);
    const disk = resumePolicy(plan.disk, { id: ticketId(ticket), begun: row.planned.begun }, row.disks ?? []);
    return { ...plan, disk, ticket, ...(row.name === undefined ? {} : { name: row.name }) };
  }

  /** The ends of this disk were zeroed under the row's ticket; false when that is no news. */
  begun(row: MachineRow, disk: string): boolean {
    const { planned } = row;
    if (planned?.ticket === undefined || planned.begun?.name === disk) return false;
    const serial = row.disks?.find((one) => one.name === disk)?.serial;
    row.planned = { ...planned, begun: { name: disk, ...(serial === undefined ? {} : { serial }) } };
    this.#tell(row);
    return true;
  }

  done(row: MachineRow): void {
    if (row.planned === undefined) return;
    const { begun: _, ...rest } = row.planned;
    row.done = { ...rest, wallMs: this.#options.clock.wallMs() };
    this.#tell(row);
  }

  /** For the other boot hosts. */
  imaged(since: number): ImagedAnswer {
    const wallMs = this.#options.clock.wallMs();
    const told = Array.from(this.#changed.values())
      .filter(({ at }) => at > since)
      .slice(0, MOST_TOLD);
    return {
      run: this.#run,
      upTo: told.at(-1)?.at ?? Math.min(since, this.#changes),
      records: told.flatMap(({ row }) => recordsOf(row, wallMs)),
      names: told.flatMap(({ row: { id, identity, name } }) =>
        name === undefined ? [] : [{ machine: id, identity, name }],
      ),
    };
  }

  #tell(row: MachineRow): void {
    if (row.planned?.begun === undefined && row.done === undefined && row.name === undefined) return;
    this.#changes += 1;
    this.#changed.delete(row.id);
    this.#changed.set(row.id, { row, at: this.#changes });
  }

  /** Kept for the machine's life, unless it is to be called by another template now, or another one has the better right to it. */
  nameOf(row: MachineRow, template: string | undefined): string | undefined {
    if (template === undefined) return row.name;
    if (row.nameTemplate === template && row.name !== undefined && !this.#mustYield(row)) return row.name;
    const asked = this.#reserved.get(row.id);
    const taken = this.#taken(row);
    if (asked?.template === template && !taken.has(asked.name.toLowerCase())) return asked.name;
    return nextName(template, this.#options.siteName, taken);
  }

  /** Would `nameOf` give it one that it does not have yet? */
  needsName(row: MachineRow, template: string | undefined): boolean {
    return template !== undefined && this.nameOf(row, template) !== row.name;
  }

  /** The boot host that numbers has said how it is to be called. */
  reserve(machine: string, reserved: Reserved): void {
    this.#reserved.delete(machine);
    const [oldest] = this.#reserved.keys();
    if (this.#reserved.size >= MOST_RESERVED && oldest !== undefined) this.#reserved.delete(oldest);
    this.#reserved.set(machine, reserved);
  }

  /** A name for a machine of another boot host, the same again when it asks again; `known` is our own row of it. */
  nameFor({ machine, identity, template }: NameWish, known: MachineRow | undefined): string | undefined {
    if (known?.nameTemplate === template && known.name !== undefined && !this.#mustYield(known))
      return known.name;
    const taken = this.#taken({ id: machine, depth: 'whole', identity }, known);
    const before = this.#reserved.get(machine);
    if (before?.template === template && !taken.has(before.name.toLowerCase())) return before.name;
    const name = nextName(template, this.#options.siteName, taken);
    if (name !== undefined) this.reserve(machine, { template, name });
    return name;
  }

  /** Another machine of the site with the same name, as it can be after two boot hosts could not hear each other. */
  namesake(row: MachineRow): string | undefined {
    const other = row.name === undefined ? undefined : this.#options.elsewhere.namesake(row, row.name);
    return other === undefined ? undefined : calledBy(other.identity);
  }

  /** What is on a disk stays; of two that are not imaged yet both boot hosts choose the same one. */
  #mustYield(row: MachineRow): boolean {
    if (row.name === undefined || row.done !== undefined || row.planned?.begun !== undefined) return false;
    const other = this.#options.elsewhere.namesake(row, row.name);
    if (other === undefined) return false;
    return other.isImaged || nameGoesTo(row.identity, other.identity) === 'second';
  }

  #taken(row: Pick<MachineRow, 'id' | 'depth' | 'identity'>, known?: MachineRow): Set<string> {
    const taken = new Set(this.#options.elsewhere.namesBut(row));
    for (const other of this.#options.rows()) {
      if (other.id !== row.id && other !== known && other.name !== undefined)
        taken.add(other.name.toLowerCase());
    }
    for (const [machine, { name }] of this.#reserved) if (machine !== row.id) taken.add(name.toLowerCase());
    return taken;
  }
}

/** For people, who look for it. */
function calledBy({ serial, uuid, macs }: MachineRow['identity']): string {
  return serial ?? macs[0] ?? uuid ?? 'unknown';
}

function recordsOf(row: MachineRow, wallMs: number): ImagedRecord[] {
  const { done, identity, name, planned } = row;
  const common = { identity, ...(name === undefined ? {} : { name }) };
  const records: ImagedRecord[] = [];
  if (done?.ticket !== undefined) {
    const { image } = done;
    const ticket = ticketId(done.ticket);
    records.push({ ...common, ticket, image, state: 'done', ageMs: Math.max(0, wallMs - done.wallMs) });
  }
  if (planned?.ticket !== undefined && planned.begun !== undefined && planned.ticket !== done?.ticket) {
    const { begun, image } = planned;
    const ticket = ticketId(planned.ticket);
    const disk = { name: begun.name, ...(begun.serial === undefined ? {} : { serial: begun.serial }) };
    records.push({ ...common, ticket, image, state: 'begun', disk, ageMs: 0 });
  }
  return records;
}

function wait(reason: string): Plan {
  return { kind: 'wait', retryAfterMs: WAIT_MS, reason };
}
