// What is on a machine's boot menu, what is left out, and why.
import type { BootFirmware } from '../api/boot-entry.ts';
import { type CatalogueBootEntry, type CatalogueImage, findImage } from '../api/catalogue.ts';
import type { ScriptQuery } from '../api/script.ts';
import { normaliseMachineName, type PlanDecision, type PlannedMachine, specificity } from './plan.ts';

/** From the configuration: what some machines see. What is absent: every machine, every boot entry, no image. */
export interface MenuRule {
  /** `*`, `tag:<word>`, a MAC, UUID, serial or id. */
  readonly machine?: string | undefined;
  /** `*`, `name` (its newest version) or `name@version`. */
  readonly entries?: readonly string[] | undefined;
  /** Images that whoever stands before the machine may put on it without asking anybody. */
  readonly images?: readonly string[] | undefined;
  /** Also over a disk that is not blank. */
  readonly allowNonBlank?: boolean | undefined;
  /** A shell in the agent's system, for whoever stands before the machine. */
  readonly shell?: boolean | undefined;
}

export type MenuItem =
  | { readonly kind: 'local' }
  /** The agent waits with a code on the screen. */
  | { readonly kind: 'approval' }
  | {
      readonly kind: 'image';
      readonly id: string;
      readonly image: { readonly name: string; readonly version: string };
      /** False: choosing it is a wish, which somebody has to approve by the code on the screen. */
      readonly allowed: boolean;
      readonly allowNonBlank: boolean;
    }
  | { readonly kind: 'entry'; readonly id: string; readonly entry: CatalogueBootEntry }
  | { readonly kind: 'shell'; readonly id: 'shell' };

export interface Menu {
  /** The first is what happens when nobody presses a key; nothing but it: there is no menu to show. */
  readonly items: readonly MenuItem[];
  readonly leftOut: readonly { readonly what: string; readonly why: string }[];
}

export interface MenuFacts {
  readonly machine: Pick<PlannedMachine, 'id' | 'identity' | 'tags'>;
  /** Undefined: it did not say, so nothing that depends on it is offered. */
  readonly firmware: BootFirmware | undefined;
  readonly decision: PlanDecision;
  /** The first that fits decides; without any, every machine sees every boot entry. */
  readonly rules: readonly MenuRule[];
  readonly images: readonly CatalogueImage[];
  readonly entries: readonly CatalogueBootEntry[];
  /** Is there an agent to boot? Without one nothing can be imaged. */
  readonly hasAgent: boolean;
  /** Does its firmware refuse what nobody signed? As far as is known. */
  readonly secureBoot: boolean;
  /** It is given the agent as one signed program: its command line is part of that, so no script opens a shell. */
  readonly isSealed: boolean;
}

/** Two screens; more are told as left out. */
export const MOST_ITEMS = 40;

/** A BIOS says i386 of every processor; whether a kernel fits that, the kernel says itself. */
export function menuFirmware({ platform, buildarch }: ScriptQuery): BootFirmware | undefined {
  if (platform === 'pcbios') return 'bios';
  if (platform !== 'efi') return undefined;
  return buildarch === 'x86_64' ? 'uefi-x64' : buildarch === 'arm64' ? 'uefi-arm64' : undefined;
}

/** Undefined where the plan itself leaves nothing to choose: an image is assigned, or is being waited for. */
export function menuFor(facts: MenuFacts): Menu | undefined {
  const { decision, machine, rules } = facts;
  const unapproved = decision.unapproved === true;
  if (decision.plan.kind !== 'local-boot' && !unapproved) return undefined;
  const rule = rules.length === 0 ? {} : rules.find((one) => fits(one, machine));
  const items: MenuItem[] = unapproved ? [{ kind: 'approval' }, { kind: 'local' }] : [{ kind: 'local' }];
  if (rule === undefined) {
    return { items, leftOut: [{ what: 'everything', why: 'no rule of `menus` fits this machine' }] };
  }
  const leftOut: { what: string; why: string }[] = [];
  for (const item of [...imagesOf(rule, facts), ...entriesOf(rule, facts), ...shellOf(rule, facts)]) {
    if ('why' in item) leftOut.push(item);
    else if (items.length < MOST_ITEMS) items.push(item);
    else leftOut.push({ what: item.id, why: `a menu has at most ${MOST_ITEMS} items` });
  }
  return { items, leftOut };
}

type Offered = Extract<MenuItem, { id: string }> | { readonly what: string; readonly why: string };

function* imagesOf(rule: MenuRule, facts: MenuFacts): Generator<Offered> {
  const { decision, firmware, hasAgent, images, secureBoot } = facts;
  const allowed = pick(images, rule.images ?? []);
  // Whoever is waiting to be approved may say which one it shall be: that alone gives nothing.
  const wished = decision.unapproved === true ? pick(images, ['*']) : [];
  for (const reference of missing(images, rule.images ?? [])) {
    yield { what: `image ${reference}`, why: 'the catalogue has none' };
  }
  const ownDisk = decision.assignment?.target.kind === 'local-boot';
  for (const image of [...allowed, ...wished.filter((one) => !allowed.includes(one))]) {
    const { name, version, firmwares = [], unsigned = [] } = image;
    const id = `image:${name}@${version}`;
    if (!hasAgent) yield { what: id, why: NO_AGENT };
    else if (firmware !== undefined && firmwares.length > 0 && !firmwares.includes(firmware))
      yield { what: id, why: isForOthers(firmwares, firmware) };
    else if (secureBoot && firmware !== undefined && unsigned.includes(firmware))
      yield { what: id, why: 'its boot program is not signed, and this machine enforces Secure Boot' };
    else if (ownDisk) yield { what: id, why: 'an administrator assigned this machine its own disk' };
    else {
      const outright = allowed.includes(image);
      const allowNonBlank = outright && rule.allowNonBlank === true;
      yield { kind: 'image', id, image: { name, version }, allowed: outright, allowNonBlank };
    }
  }
}

function* entriesOf(rule: MenuRule, { entries, firmware }: MenuFacts): Generator<Offered> {
  const wanted = rule.entries ?? ['*'];
  for (const reference of missing(entries, wanted)) {
    yield { what: `entry ${reference}`, why: 'the catalogue has none' };
  }
  const offered = pick(entries, wanted);
  for (const entry of [...offered].sort((a, b) => Number(a.boot.tool) - Number(b.boot.tool))) {
    const id = `entry:${entry.name}@${entry.version}`;
    const { firmwares } = entry.boot;
    if (firmware === undefined) yield { what: id, why: 'this machine did not say what firmware it has' };
    else if (firmwares.includes(firmware)) yield { kind: 'entry', id, entry };
    else yield { what: id, why: isForOthers(firmwares, firmware) };
  }
}

function* shellOf({ shell }: MenuRule, { hasAgent, isSealed }: MenuFacts): Generator<Offered> {
  if (shell !== true) return;
  if (!hasAgent) yield { what: 'shell', why: NO_AGENT };
  else if (isSealed) yield { what: 'shell', why: 'this machine starts the agent as one signed program' };
  else yield { kind: 'shell', id: 'shell' };
}

const NO_AGENT = 'this peer has no agent to boot (PB-ASSETS-MISSING)';

function isForOthers(firmwares: readonly BootFirmware[], own: BootFirmware): string {
  return `it is for ${firmwares.join(', ')}, and this machine has ${own}`;
}

function fits({ machine: name }: MenuRule, machine: MenuFacts['machine']): boolean {
  return name === undefined || specificity(normaliseMachineName(name), machine) > 0;
}

/** What the references mean, each once. */
function pick<T extends { readonly name: string; readonly version: string }>(
  all: readonly T[],
  references: readonly string[],
): T[] {
  const names = references.flatMap((one) =>
    one === '*' ? [...new Set(all.map(({ name }) => name))] : [one],
  );
  return [...new Set(names.flatMap((name) => findImage(all, name) ?? []))];
}

function missing<T extends { readonly name: string; readonly version: string }>(
  all: readonly T[],
  references: readonly string[],
): string[] {
  return references.filter((one) => one !== '*' && findImage(all, one) === undefined);
}
