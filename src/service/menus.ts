// Menus on machines' screens: which machine is shown what, that a choice comes from that menu, and what follows from it.
import { type BootFirmware, startFiles } from '../api/boot-entry.ts';
import type { CatalogueBootEntry, CatalogueImage } from '../api/catalogue.ts';
import type { MachineView } from '../api/machines.ts';
import type { ScriptQuery } from '../api/script.ts';
import { toHex } from '../base/bytes.ts';
import { isPeerbootError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Clock, MonotonicMs, Timers } from '../base/time.ts';
import { type Menu, type MenuItem, type MenuRule, menuFirmware, menuFor } from '../boot/menu.ts';
import { APPROVAL_MS, type PlanDecision } from '../boot/plan.ts';
import { renderEntry, renderEntryWaits } from '../boot/script-entry.ts';
import { idOf, renderMenu } from '../boot/script-menu.ts';
import type { ScriptPlace } from '../boot/script-parts.ts';
import type { RandomBytes } from './approvals.ts';
import type { Assignments } from './assignments.ts';
import type { BootEntries } from './boot-entries.ts';
import type { Machines } from './machines.ts';

export interface MenusOptions {
  /** The configuration's `menu`; entries that are assigned once are started in any case. */
  readonly on: boolean;
  readonly rules: readonly MenuRule[];
  /** Of the catalogue in force. */
  readonly images: () => readonly CatalogueImage[];
  readonly bootEntries: () => readonly CatalogueBootEntry[];
  readonly files: BootEntries;
  readonly assignments: Assignments;
  /** Was a machine with one of these cards seen to enforce Secure Boot? */
  readonly enforcesSecureBoot: (macs: readonly string[]) => boolean;
  /** Fit for secrets. */
  readonly random: RandomBytes;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

export interface MenuAsk {
  readonly machine: MachineView;
  readonly decision: PlanDecision;
  readonly query: ScriptQuery;
  readonly place: ScriptPlace;
  /** Can this peer boot the agent on this machine? */
  readonly hasAgent: boolean;
}

/** What to answer a machine instead of the script of its plan; `decision`: the script of this one. */
export type MenuAnswer =
  | { readonly kind: 'script'; readonly script: string }
  | { readonly kind: 'decision'; readonly decision: PlanDecision };

export interface Menus {
  /** Undefined: the script of its plan, as it is. */
  answer(ask: MenuAsk, choose: Machines['choose']): Promise<MenuAnswer | undefined>;
  /** What the machine would see; undefined when it would see no menu. */
  menuOf(
    ask: Pick<MenuAsk, 'machine' | 'decision' | 'hasAgent'>,
    firmware: BootFirmware | undefined,
  ): Menu | undefined;
  readonly on: boolean;
}

interface Shown {
  readonly token: string;
  untilMs: MonotonicMs;
}

/** A menu may stand for long once a key stopped its countdown. */
const TOKEN_MS = 2 * 3_600_000;
const MOST_SHOWN = 1024;
/** How long a machine's script may wait for the first bytes of an entry. */
const READY_MS = 4_000;

export function createMenus(options: MenusOptions): Menus {
  const { assignments, clock, files, log, on, random, timers } = options;
  const shown = new Map<string, Shown>();

  function tokenFor(machine: string): string {
    const known = shown.get(machine);
    const untilMs = clock.nowMs() + TOKEN_MS;
    shown.delete(machine);
    const token = known !== undefined && clock.nowMs() < known.untilMs ? known.token : toHex(random(16));
    shown.set(machine, { token, untilMs });
    const [oldest] = shown.keys();
    if (shown.size > MOST_SHOWN && oldest !== undefined) shown.delete(oldest);
    return token;
  }

  function isShown(machine: string, token: string | undefined): boolean {
    const known = shown.get(machine);
    return known !== undefined && clock.nowMs() < known.untilMs && known.token === token;
  }

  /** Undefined when the first bytes of the entry are here; else why they are not. */
  async function whyNotReady(entry: CatalogueBootEntry): Promise<string | undefined> {
    const [first = ''] = startFiles(entry.boot.start);
    const opened = files
      .open(`${entry.name}@${entry.version}`, first)
      .then(async (file) => void (file.sizeBytes > 0 && (await file.read(0, 1))))
      .catch((error: unknown) => {
        if (!isPeerbootError(error)) throw error;
        log.warn(
          { code: error.code, entry: `${entry.name}@${entry.version}`, what: error.message },
          'boot entry cannot be had',
        );
        return `${error.code} ${error.message}`;
      });
    const late = new Promise<string>((resolve) =>
      timers.after(READY_MS, () => resolve('it is being fetched, or the WAN is paused')),
    );
    return (await Promise.race([opened, late])) ?? undefined;
  }

  async function startEntry(
    entry: CatalogueBootEntry,
    { machine, place }: MenuAsk,
    reason: string,
    token: string | undefined,
  ): Promise<{ readonly begun: boolean; readonly script: string }> {
    const why = await whyNotReady(entry);
    log.info(
      { machine: machine.id, entry: `${entry.name}@${entry.version}`, why },
      'machine starts a boot entry',
    );
    if (why === undefined) return { begun: true, script: renderEntry(entry, { ...place, reason }) };
    return { begun: false, script: renderEntryWaits(entry, { ...place, token, why }) };
  }

  /** Good once: as soon as its script is given, the machine is assigned its own disk. So there is never a loop. */
  async function assignedEntry(ask: MenuAsk, reference: string): Promise<MenuAnswer> {
    const { decision, machine, query } = ask;
    const plain = (reason: string): MenuAnswer => ({ kind: 'decision', decision: { ...decision, reason } });
    const entry = files.find(reference);
    if (entry === undefined)
      return plain(`the boot entry ${reference} is assigned to it, but the catalogue has none`);
    const firmware = menuFirmware(query);
    if (firmware === undefined || !entry.boot.firmwares.includes(firmware)) {
      return plain(
        `the boot entry ${reference} is assigned to it, but fits only ${entry.boot.firmwares.join(', ')}`,
      );
    }
    const { begun, script } = await startEntry(entry, ask, decision.reason, undefined);
    const name = decision.assignment?.machine ?? machine.id;
    if (begun) assignments.put({ machine: name, target: { kind: 'local-boot' } });
    return { kind: 'script', script };
  }

  async function chosen(
    item: MenuItem,
    ask: MenuAsk,
    choose: Machines['choose'],
    token: string,
  ): Promise<MenuAnswer | undefined> {
    const { decision, machine } = ask;
    log.info({ machine: machine.id, item: idOf(item) }, 'item chosen on the screen of the machine');
    switch (item.kind) {
      case 'local':
        return undefined;
      case 'approval':
        return { kind: 'decision', decision };
      case 'entry': {
        const { script } = await startEntry(item.entry, ask, 'chosen on its menu', token);
        return { kind: 'script', script };
      }
      case 'shell': {
        const reason = 'the shell was chosen on its menu';
        const plan = { kind: 'wait', retryAfterMs: APPROVAL_MS, reason } as const;
        return { kind: 'decision', decision: { plan, reason, assignment: undefined, shell: true } };
      }
      case 'image': {
        const { allowed, allowNonBlank } = item;
        const image = `${item.image.name}@${item.image.version}`;
        choose(machine.id, { image, allowed, allowNonBlank });
        const reason = allowed
          ? `${image} was chosen on its menu`
          : `${image} was chosen on its menu; somebody has to approve it`;
        const plan = { kind: 'wait', retryAfterMs: APPROVAL_MS, reason } as const;
        return { kind: 'decision', decision: { plan, reason, assignment: undefined, unapproved: true } };
      }
    }
  }

  const menuOf: Menus['menuOf'] = ({ decision, hasAgent, machine }, firmware) => {
    if (!on) return undefined;
    const { rules } = options;
    const [images, entries] = [options.images(), options.bootEntries()];
    const secureBoot = options.enforcesSecureBoot(machine.identity.macs);
    // What is not signed does not start then, whatever loads it.
    const isSealed = secureBoot || machine.chain === 'signed-ipxe';
    return menuFor({ decision, hasAgent, machine, firmware, rules, images, entries, isSealed, secureBoot });
  };

  return {
    on,
    menuOf,
    async answer(ask, choose) {
      const { decision, machine, place, query } = ask;
      if (decision.entry !== undefined) return assignedEntry(ask, decision.entry);
      const built = menuOf(ask, menuFirmware(query));
      if (built === undefined || !built.items.some((item) => 'id' in item)) return undefined;
      const token = query.menu ?? '';
      const item = isShown(machine.id, token) && built.items.find((one) => idOf(one) === query.item);
      if (item) return chosen(item, ask, choose, token);
      return { kind: 'script', script: renderMenu(built, { ...place, token: tokenFor(machine.id) }) };
    },
  };
}
