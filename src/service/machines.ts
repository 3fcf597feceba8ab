// The registry of machines: every event of every service ends here, becomes one ladder per machine, and one log line per rung.
import type { CheckIn, Plan, ProgressAnswer, ProgressReport } from '../api/agent.ts';
import type { CatalogueImage } from '../api/catalogue.ts';
import type { MachineView } from '../api/machines.ts';
import type { Log } from '../base/log.ts';
import { LogLimit } from '../base/log-limit.ts';
import type { Clock } from '../base/time.ts';
import { normaliseUuid } from '../base/uuid.ts';
import { normaliseMachineName, type PlanDecision, planFor, specificity } from '../boot/plan.ts';
import { climb, type Ladder, type MachineEvent, timeOut } from '../boot/progress.ts';
import type { Assignments } from './assignments.ts';
import { type Claim, MachineIndex, type MachineRow } from './machine-index.ts';
import type { MachineRecord, MachineStore } from './machine-store.ts';
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
  /** All machines, the one heard last first. */
  list(): MachineView[];
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
  readonly mostNewcomers?: number;
  readonly mostKnown?: number;
}

/** Forged DISCOVERs come by thousands a second; each would be a machine newly seen. */
const SEEN_LINES_PER_SECOND = 20;

export function createMachines(options: MachinesOptions): Machines {
  const { assignments, clock, log, store } = options;
  const index = new MachineIndex({
    mostNewcomers: options.mostNewcomers ?? 4096,
    mostKnown: options.mostKnown ?? 4096,
    onForget: (row) => {
      if (row.known) persist(row.id, () => store.dropMachine(row.id));
    },
  });
  const listeners = new Set<(machine: MachineView) => void>();
  const seenLimit = new LogLimit(SEEN_LINES_PER_SECOND);
  for (const record of store.machines()) index.restore(rowOf(record));

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

  function save(row: MachineRow): void {
    const record: MachineRecord | undefined = recordOf(row);
    if (record !== undefined) persist(row.id, () => store.saveMachine(record));
  }

  /** Sets the ladder, logs a rung that is new in this boot, tells the listeners. */
  function stand(row: MachineRow, ladder: Ladder): void {
    const before = row.ladder;
    row.ladder = ladder;
    const news = before?.reachedMs[ladder.rung] !== ladder.reachedMs[ladder.rung];
    const failure = ladder.rung === 'failed' ? row.failure?.code : undefined;
    if (news || (failure !== undefined && failure !== row.loggedFailure)) logRung(row, ladder, before);
    row.loggedFailure = failure ?? row.loggedFailure;
    if (listeners.size === 0) return;
    const view = viewOf(row);
    for (const listener of listeners) listener(view);
  }

  function logRung(row: MachineRow, ladder: Ladder, before: Ladder | undefined): void {
    const { rung } = ladder;
    if (rung === 'seen' && seenLimit.admit(rung, clock.nowMs()) === undefined) return;
    const startedMs = Math.min(...Object.values(ladder.reachedMs));
    const fields = {
      machine: row.id,
      rung,
      mac: row.identity.macs[0],
      uuid: row.identity.uuid,
      address: row.address,
      ...(before === undefined || before.rung === rung ? {} : { from: before.rung }),
      sinceStartMs: (ladder.reachedMs[rung] ?? startedMs) - startedMs,
      ...(row.planned === undefined ? {} : { image: row.planned.image }),
      ...(rung === 'failed' ? row.failure : {}),
      ...(rung === 'done' && row.progress !== undefined
        ? { fetchedBytes: row.progress.fetchedBytes, refetchedChunks: row.progress.refetchedChunks }
        : {}),
    };
    if (rung === 'failed') log.warn(fields, 'machine reached failed');
    else log.info(fields, `machine reached ${rung}`);
  }

  function claimOf(event: Exclude<MachineEvent, { kind: 'report' | 'file' }>): Claim {
    switch (event.kind) {
      case 'dhcp':
        return { uuid: uuidOf(event.uuid), macs: [event.mac], address: event.address };
      case 'script': {
        const { mac, uuid } = event.query;
        return { uuid, macs: mac === undefined ? [] : [mac], address: event.address };
      }
      case 'check-in': {
        const { uuid, macs } = event.checkIn.identity;
        return { uuid: uuidOf(uuid), macs, address: event.address };
      }
    }
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

  /** Takes what the event says about the machine, apart from its ladder. */
  function learn(row: MachineRow, event: MachineEvent): void {
    switch (event.kind) {
      case 'dhcp':
        row.firmware = event.firmware ?? row.firmware;
        return;
      case 'file':
        log.info({ machine: row.id, file: event.name, via: event.via }, 'machine fetched a file');
        return;
      case 'script': {
        const { platform, serial, manufacturer, product, asset } = event.query;
        const told = { serial, manufacturer, product, asset };
        row.identity = { ...row.identity, ...withoutGaps(told) };
        if (platform !== undefined) row.firmware = platform === 'efi' ? 'uefi' : 'bios';
        return;
      }
      case 'check-in': {
        const { uuid: _, macs: __, ...told } = event.checkIn.identity;
        row.identity = { ...row.identity, ...told };
        row.firmware = event.checkIn.firmware;
        if (row.ladder?.bootId !== event.checkIn.bootId) row.progress = undefined;
        row.known = true;
        return;
      }
      case 'report':
        row.progress = event.report;
        row.failure = event.report.rung === 'failed' ? (event.report.failure ?? UNTOLD_FAILURE) : undefined;
        return;
    }
  }

  function observeRow(event: MachineEvent): MachineRow | undefined {
    const row = rowFor(event);
    if (row === undefined) {
      log.debug({ event: event.kind }, 'heard of a machine that cannot be told from others');
      return undefined;
    }
    learn(row, event);
    stand(row, climb(row.ladder, event, clock.wallMs()));
    return row;
  }

  function decideRow(row: MachineRow): PlanDecision {
    const machine = { id: row.id, identity: row.identity, doneRevision: row.done?.revision };
    return planFor(machine, assignments.list(), options.images());
  }

  function checkIn(address: string, agent: CheckIn): { machine: MachineView; plan: Plan } {
    const row = observeRow({ kind: 'check-in', address, checkIn: agent });
    if (row === undefined) throw new Error('a check-in names at least one MAC');
    index.touch(row, clock.wallMs());
    const { plan, reason, assignment } = decideRow(row);
    row.planned =
      plan.kind === 'image' && assignment !== undefined
        ? { revision: assignment.revision, image: `${plan.image.name}@${plan.image.version}` }
        : undefined;
    // An agent that cannot go on asks every few seconds and gets the same answer: no news for log and disk.
    const remembered = memoryOf(row);
    if (remembered === row.remembered) return { machine: viewOf(row), plan };
    row.remembered = remembered;
    log.info({ machine: row.id, plan: plan.kind, reason, bootId: agent.bootId }, 'machine got its plan');
    save(row);
    return { machine: viewOf(row), plan };
  }

  function report(progress: ProgressReport): ProgressAnswer {
    const wasDone = index.byId(progress.machine)?.ladder?.rung === 'done';
    const row = observeRow({ kind: 'report', report: progress });
    if (row === undefined) return { next: 'restart' };
    if (progress.rung === 'done' && !wasDone && row.planned !== undefined) {
      row.done = { ...row.planned, wallMs: clock.wallMs() };
      save(row);
    }
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
    return [...index.rows()].sort((a, b) => b.lastSeenMs - a.lastSeenMs).map(viewOf);
  }

  return {
    observe(event) {
      const row = observeRow(event);
      return row === undefined ? undefined : viewOf(row);
    },
    checkIn,
    report,
    decide(id) {
      const row = index.byId(id);
      return row === undefined ? undefined : decideRow(row);
    },
    list,
    find(name) {
      const wanted = normaliseMachineName(name);
      return list().find((view) => wanted !== '*' && specificity(wanted, view) > 0);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    sweep,
  };
}

/** What is kept of a machine, in one text; when it was last seen is no reason to write. */
function memoryOf(row: MachineRow): string {
  return JSON.stringify({ ...recordOf(row), lastSeenMs: 0 });
}

const UNTOLD_FAILURE = {
  code: 'PB-AGENT-FAILED',
  what: 'The agent reported a failure without saying which',
  remedy: "Read the target's own screen.",
};

function uuidOf(text: string | undefined): string | undefined {
  return text === undefined ? undefined : normaliseUuid(text);
}

function withoutGaps<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const told = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(told) as { [K in keyof T]: Exclude<T[K], undefined> };
}
