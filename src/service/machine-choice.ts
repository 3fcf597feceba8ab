// What was chosen on a machine's own menu, until its agent comes: good for the boot that follows, and for nobody who waits already.
import type { MachineRow } from './machine-index.ts';

/** An image that was chosen on a machine's menu. */
export interface MenuChoice {
  /** `name@version` */
  readonly image: string;
  /** False: a wish, for whoever approves the machine. */
  readonly allowed: boolean;
  readonly allowNonBlank: boolean;
}

export interface PendingChoice extends MenuChoice {
  /** The boot of the agent that checked in last when it was chosen. */
  readonly notBootId: string | undefined;
  /** Wall clock. */
  readonly untilMs: number;
}

/** A machine has started its agent by then. */
const CHOICE_MS = 10 * 60_000;

export function choose(row: MachineRow, choice: MenuChoice, wallMs: number): void {
  row.choice = { ...choice, notBootId: row.agentBootId, untilMs: wallMs + CHOICE_MS };
}

/**
 * The agent of this boot has checked in. An image that is allowed is returned, once; a wish is kept in the row for this
 * boot. An agent that was running when the choice was made gets neither: it is not the one that was started by it.
 */
export function takeChoice(row: MachineRow, bootId: string, wallMs: number): MenuChoice | undefined {
  const { agentBootId, choice } = row;
  row.agentBootId = bootId;
  if (agentBootId !== bootId) row.wish = undefined;
  if (choice === undefined || choice.notBootId === bootId) return undefined;
  row.choice = undefined;
  if (wallMs >= choice.untilMs) return undefined;
  if (choice.allowed) return choice;
  row.wish = choice.image;
  return undefined;
}
