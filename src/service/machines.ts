// The registry of machines: every event of every service ends here, becomes one ladder per machine, and one log line per rung.
import type { CheckIn, Plan, ProgressAnswer, ProgressReport } from '../api/agent.ts';
import type { CatalogueImage } from '../api/catalogue.ts';
import type { ImagedAnswer, MachineView, NameWish } from '../api/machines.ts';
import { parseMac } from '../base/addresses.ts';
import { toHex } from '../base/bytes.ts';
import type { Log } from '../base/log.ts';
import { LogLimit } from '../base/log-limit.ts';
import type { Clock } from '../base/time.ts';
import {
  normaliseMachineName,
  type PlanDecision,
  planFor,
  specificity,
  type UnknownRule,
  WAIT_MS,
} from '../boot/plan.ts';
import { climb, type Ladder, type MachineEvent, timeOut } from '../boot/progress.ts';
import { type Approvals, createApprovals, type RandomBytes } from './approvals.ts';
import type { Assignments } from './assignments.ts';
import { type Elsewhere, NOBODY_ELSE } from './imaged-elsewhere.ts';
import { choose, type MenuChoice, takeChoice } from './machine-choice.ts';
import { checkInClaim, claimOf } from './machine-claims.ts';
import { learn } from './machine-facts.ts';
import { isImaged, MachineIndex, type MachineRow } from './machine-index.ts';
import { logRung } from './machine-rung-log.ts';
import type { MachineRecord, MachineStore } from './machine-store.ts';
import { Tickets } from './machine-tickets.ts';
import { recordOf, rowOf, viewOf } from './machine-view.ts';

export interface Machines {
  /** Takes in what a service heard; the machine as it stands now, or undefined when it cannot be told who it is. */
  observe(event: MachineEvent): MachineView | undefined;
  /** `observe` of a check-in, with the plan for it; the plan is remembered as the one this machine works on. */
  checkIn(address: string, checkIn: CheckIn): { readonly machine: MachineView; readonly plan: Plan };
  /** `observe` of a report. `restart` when it is of an unknown boot, or when there is a new plan for the machine. */
  report(report: ProgressReport): ProgressAnswer;
  /** What the machine shall do if it asks now. */
  decide(id: string): PlanDecision | undefined;
  /**
   * An image was chosen on this machine's screen. It is good for some minutes and until the machine asks for its script
   * again, and only for an agent that was not running yet: nobody can choose for a machine that waits already.
   */
  choose(id: string, choice: MenuChoice): void;
  /** All machines, the one heard last first. */
  list(): MachineView[];
  /** Codes of machines that wait for approval, and PINs. */
  readonly approvals: Approvals;
  /** What this peer imaged, for the other boot hosts of the site. */
  imaged(since: number): ImagedAnswer;
  /** A name for a machine of another boot host, which asks us since we number; undefined when the template gives none. */
  nameFor(wish: NameWish): string | undefined;
  /** What the other boot hosts say is fresh now. */
  sync(): Promise<void>;
  /** Before `checkIn`: like `sync`, and a machine that is to get a name is given one by the boot host that numbers. Never rejects. */
  ready(address: string, checkIn: CheckIn): Promise<void>;
  /** Forgets a machine, also what it was imaged with; undefined when none has that name. */
  forget(name: string): MachineView | undefined;
  /** By id, MAC, UUID or serial. */
  find(name: string): MachineView | undefined;
  /** Called after every change of a machine; returns how to end it. */
  subscribe(listener: (machine: MachineView) => void): () => void;
  /** Lets silent machines time out to `idle`; `list` does it too. */
  sweep(): void;
}

export interface MachinesOptions {
  readonly store: MachineStore;
  readonly assignments: Assignments;
  /** Of the catalogue in force. */
  readonly images: () => readonly CatalogueImage[];
  readonly clock: Clock;
  readonly log: Log;
  /** What a machine does that nothing is assigned to; `local` when absent. */
  readonly unknown?: UnknownRule;
  /** Of the site, for names of machines. */
  readonly site?: string;
  readonly random: RandomBytes;
  readonly newTicket?: () => string;
  readonly elsewhere?: Elsewhere;
  /** Asks the boot host that numbers; resolves with undefined when that is ourselves, or when it is silent. Never rejects. */
  readonly askName?: (wish: NameWish) => Promise<string | undefined>;
  readonly mostNewcomers?: number;
  readonly mostKnown?: number;
  readonly mostKept?: number;
}

/** Forged DISCOVERs come by thousands a second; each would be a machine newly seen. */
const SEEN_LINES_PER_SECOND = 20;
/** An agent that wrote so lately is alive: another one that says it is the same machine is not believed. */
const ALIVE_MS = 10_000;

export function createMachines(options: MachinesOptions): Machines {
  const { assignments, clock, log, store } = options;
  const elsewhere = options.elsewhere ?? NOBODY_ELSE;
  const unknown = options.unknown ?? 'local';
  const approvals = createApprovals({ clock, random: options.random });
  const index = new MachineIndex({
    mostNewcomers: options.mostNewcomers ?? 4096,
    mostKnown: options.mostKnown ?? 1024,
    onForget(row, into) {
      approvals.end(row.id);
      tickets.drop(row, into);
      if (row.kept) persist(row.id, () => store.dropMachine(row.id));
    },
  });
  const tickets = new Tickets({
    rows: () => index.rows(),
    keptCount: () => index.keptCount,
    mostKept: options.mostKept ?? 16_384,
    elsewhere,
    newTicket: options.newTicket ?? (() => `${toHex(options.random(8))}.${toHex(options.random(16))}`),
    siteName: options.site ?? '',
    clock,
    log,
  });
  const listeners = new Set<(machine: MachineView) => void>();
  const seenLimit = new LogLimit(SEEN_LINES_PER_SECOND);
  for (const record of store.machines()) {
    const row = rowOf(record);
    index.restore(row);
    tickets.restore(row);
  }

  /** What cannot be kept is still true in memory: the machine must not wait for our disk to be mended. */
  function persist(machine: string, save: () => void): void {
    try {
      save();
    } catch (error) {
      log.error(
        { machine, err: error },
        'machine could not be remembered: the state folder cannot be written',
      );
    }
  }

  /** An agent that cannot go on asks every few seconds and gets the same answer: no news for the disk. */
  function save(row: MachineRow): void {
    const record: MachineRecord | undefined = row.kept ? recordOf(row) : undefined;
    if (record === undefined) return;
    // When it was last seen is no reason to write.
    const remembered = JSON.stringify({ ...record, lastSeenMs: 0 });
    if (remembered === row.remembered) return;
    row.remembered = remembered;
    persist(row.id, () => store.saveMachine(record));
  }

  function view(row: MachineRow): MachineView {
    const waiting = approvals.shown(row.id);
    const { tags } = assignments.noteOf(row);
    const doubts = doubtsOf(row);
    const namesake = tickets.namesake(row);
    return {
      ...viewOf(row),
      ...(namesake === undefined ? {} : { namesake }),
      ...(row.wish === undefined ? {} : { wish: row.wish }),
      ...(doubts.length === 0 ? {} : { doubts }),
      ...(tags.length === 0 ? {} : { tags }),
      ...(waiting === undefined ? {} : { waiting }),
    };
  }

  /** Sets the ladder, logs a rung that is new in this boot, tells the listeners. */
  function stand(row: MachineRow, ladder: Ladder): void {
    const before = row.ladder;
    row.ladder = ladder;
    const news = before?.reachedMs[ladder.rung] !== ladder.reachedMs[ladder.rung];
    const failure = ladder.rung === 'failed' ? row.failure?.code : undefined;
    const isNews = news || (failure !== undefined && failure !== row.loggedFailure);
    if (isNews && (ladder.rung !== 'seen' || seenLimit.admit('seen', clock.nowMs()) !== undefined))
      logRung(log, row, ladder, before);
    row.loggedFailure = failure ?? row.loggedFailure;
    if (listeners.size === 0) return;
    const seen = view(row);
    for (const listener of listeners) listener(seen);
  }

  function rowFor(event: MachineEvent): MachineRow | undefined {
    if (event.kind === 'file') {
      const row = index.byAddress(event.address);
      if (row !== undefined) index.touch(row, clock.wallMs());
      return row;
    }
    if (event.kind === 'report') {
      const row = index.byId(event.report.machine);
      if (row === undefined || row.ladder?.bootId !== event.report.bootId) return undefined;
      index.touch(row, clock.wallMs());
      return row;
    }
    return index.claim(claimOf(event), clock.wallMs());
  }

  function observeRow(event: MachineEvent): MachineRow | undefined {
    const row = rowFor(event);
    if (row === undefined) {
      log.debug({ event: event.kind }, 'heard of a machine that cannot be told from others');
      return undefined;
    }
    learn(row, event, log);
    stand(row, climb(row.ladder, event, clock.wallMs()));
    return row;
  }

  /** Imaged machines that it may be; what has a ticket of its own is settled. */
  function doubtsOf(row: MachineRow): string[] {
    return isImaged(row) ? [] : row.doubts.filter((id) => isImaged(index.byId(id)));
  }

  function decideRow(row: MachineRow): PlanDecision {
    const { tags } = assignments.noteOf(row);
    const last = elsewhere.about(row).find(({ state }) => state === 'done');
    const machine = {
      id: row.id,
      identity: row.identity,
      tags,
      doubts: doubtsOf(row),
      doneRevision: row.done?.revision,
      // What we did ourselves later counts by our own numbers.
      elsewhere: (last?.wallMs ?? 0) < (row.done?.wallMs ?? -1) ? undefined : last,
    };
    return planFor(machine, assignments.about(machine), options.images(), {
      unknown,
      takenBy: (revision) => tickets.holder(revision),
    });
  }

  function checkIn(address: string, agent: CheckIn): { machine: MachineView; plan: Plan } {
    const claimed = index.find(checkInClaim(address, agent));
    if (claimed !== undefined && isBusy(claimed, agent)) {
      const reason = `${claimed.id} is being imaged right now, and this machine says that it is the same one`;
      log.warn(
        { machine: claimed.id, address, bootId: agent.bootId },
        'check-in refused: the machine is at work',
      );
      return { machine: view(claimed), plan: { kind: 'wait', retryAfterMs: WAIT_MS, reason } };
    }
    const row = observeRow({ kind: 'check-in', address, checkIn: agent });
    if (row === undefined) throw new Error('a check-in names at least one MAC');
    tickets.settle(row, agent.disks);
    assignChosen(row, agent.bootId);
    const decision = decideRow(row);
    const { plan, reason } = planOf(row, decision);
    index.touch(row, clock.wallMs());
    if (decision.unapproved !== true) approvals.end(row.id);
    if (row.toldPlan !== `${agent.bootId} ${reason}`) {
      row.toldPlan = `${agent.bootId} ${reason}`;
      log.info({ machine: row.id, plan: plan.kind, reason, bootId: agent.bootId }, 'machine got its plan');
    }
    save(row);
    return { machine: view(row), plan };
  }

  /** What was chosen on its screen becomes an assignment of its own id, as an approval does. */
  function assignChosen(row: MachineRow, bootId: string): void {
    const choice = takeChoice(row, bootId, clock.wallMs());
    if (choice === undefined || decideRow(row).plan.kind === 'image') return;
    const { allowNonBlank, image } = choice;
    log.info({ machine: row.id, image }, 'image was chosen on the screen, as the configuration allows');
    assignments.put({ machine: row.id, target: { kind: 'image', image, disk: { allowNonBlank } } });
  }

  async function ready(address: string, agent: CheckIn): Promise<void> {
    await elsewhere.sync();
    if (options.askName === undefined) return;
    const claimed = index.find(checkInClaim(address, agent));
    if (claimed !== undefined && isBusy(claimed, agent)) return;
    const row = observeRow({ kind: 'check-in', address, checkIn: agent });
    if (row === undefined) return;
    tickets.settle(row, agent.disks);
    const decision = decideRow(row);
    const template = templateFor(row, decision);
    if (decision.plan.kind !== 'image' || template === undefined || !tickets.needsName(row, template)) return;
    const name = await options.askName({ machine: row.id, identity: row.identity, template });
    if (name !== undefined) tickets.reserve(row.id, { template, name });
  }

  function templateFor(row: MachineRow, { assignment }: PlanDecision): string | undefined {
    return assignments.noteOf(row).name ?? assignment?.name;
  }

  /** The decision as a plan that the machine may act on: with its ticket, or with the code that it is to show. */
  function planOf(row: MachineRow, decision: PlanDecision): { plan: Plan; reason: string } {
    const { assignment, plan, reason } = decision;
    if (plan.kind === 'image' && assignment !== undefined) {
      const issued = tickets.issue(row, plan, assignment, templateFor(row, decision));
      return { plan: issued, reason: issued.kind === 'wait' ? issued.reason : reason };
    }
    // What was begun may still be finished, and then it counts.
    if (row.planned?.begun === undefined) row.planned = undefined;
    if (plan.kind !== 'wait' || decision.unapproved !== true) return { plan, reason };
    const shownBefore = approvals.shown(row.id)?.code;
    const { code } = approvals.codeOf(row.id);
    if (code !== shownBefore) for (const listener of listeners) listener(view(row));
    return { plan: { ...plan, code }, reason };
  }

  /** A running imaging is not taken over by whoever says to be that machine: it would have to know the ticket. */
  function isBusy(row: MachineRow, agent: CheckIn): boolean {
    if (row.work === undefined || row.work.bootId === agent.bootId) return false;
    return agent.ticket !== row.planned?.ticket && clock.wallMs() - row.work.wallMs < ALIVE_MS;
  }

  function report(progress: ProgressReport): ProgressAnswer {
    const before = index.byId(progress.machine);
    const wasDone = before?.ladder?.rung === 'done';
    const ticket = before?.planned?.ticket;
    const isWork = progress.rung !== 'agent' && progress.rung !== 'failed';
    if (ticket !== undefined && isWork && progress.ticket !== ticket) {
      log.warn({ machine: progress.machine, rung: progress.rung }, 'report without the ticket of its plan');
      return { next: 'restart' };
    }
    const row = observeRow({ kind: 'report', report: progress });
    if (row === undefined) return { next: 'restart' };
    const { bootId, rung } = progress;
    const works = rung === 'imaging' || rung === 'verifying';
    row.work = works ? { bootId, wallMs: clock.wallMs() } : undefined;
    const isNews =
      progress.wiped === true && progress.disk !== undefined && tickets.begun(row, progress.disk);
    if (progress.rung === 'done' && !wasDone && row.planned !== undefined) tickets.done(row);
    if (isNews || progress.rung === 'done') save(row);
    return { next: hasNewPlan(row) ? 'restart' : 'go-on' };
  }

  /**
   * Only a plan to image calls an agent back from its work: one that is writing finishes what it began even when
   * its assignment was taken away, for a half-written disk helps nobody.
   */
  function hasNewPlan(row: MachineRow): boolean {
    const { plan, assignment } = decideRow(row);
    return plan.kind === 'image' && assignment?.revision !== row.planned?.revision;
  }

  function sweep(): void {
    const wallMs = clock.wallMs();
    for (const row of index.rows()) {
      if (row.ladder === undefined) continue;
      const after = timeOut(row.ladder, row.lastSeenMs, wallMs);
      if (after !== row.ladder) stand(row, after);
    }
  }

  function list(): MachineView[] {
    sweep();
    return [...index.rows()].sort((a, b) => b.lastSeenMs - a.lastSeenMs).map(view);
  }

  function find(name: string): MachineView | undefined {
    const wanted = normaliseMachineName(name);
    if (wanted === '*' || wanted === '') return undefined;
    // Asked at every DISCOVER: without a walk through all machines.
    const own = index.byId(wanted) ?? index.byMac(wanted);
    if (own !== undefined) return view(own);
    // What is written as a MAC is one, and nothing else is looked for: forged DISCOVERs come by thousands a second.
    if (parseMac(name) === name) return undefined;
    const all = list();
    return all.find((one) => specificity(wanted, one) > 2) ?? all.find((one) => one.name === name.trim());
  }

  return {
    observe(event) {
      const row = observeRow(event);
      return row === undefined ? undefined : view(row);
    },
    checkIn,
    report,
    decide(id) {
      const row = index.byId(id);
      return row === undefined ? undefined : decideRow(row);
    },
    choose(id, choice) {
      const row = index.byId(id);
      if (row !== undefined) choose(row, choice, clock.wallMs());
    },
    list,
    approvals,
    imaged: (since) => tickets.imaged(since),
    nameFor: (wish) => tickets.nameFor(wish, index.byId(wish.machine)),
    sync: () => elsewhere.sync(),
    ready,
    find,
    forget(name) {
      const found = find(name);
      const row = found === undefined ? undefined : index.byId(found.id);
      if (row === undefined) return undefined;
      elsewhere.forget(row);
      index.forget(row);
      log.info({ machine: row.id }, 'machine forgotten');
      return found;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    sweep,
  };
}
