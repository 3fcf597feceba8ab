// How far a machine has come: what is heard of it (MachineEvent), and the ladder that these events climb.
import { type CheckIn, type ProgressReport, RUNGS, type Rung } from '../api/agent.ts';
import type { ScriptQuery } from '../api/script.ts';
import type { Ipv4, Mac } from '../base/addresses.ts';
import type { Chain } from './chain.ts';

/** What a service heard of a machine. Services hand these to the one registry (service/machines). */
export type MachineEvent =
  | {
      /** A PXE or iPXE client asked by DHCP. */
      readonly kind: 'dhcp';
      readonly mac: Mac;
      readonly uuid?: string | undefined;
      readonly architecture?: string | number | undefined;
      readonly firmware?: string | undefined;
      /** Which way its firmware was given to the agent; undefined for iPXE, which is on its way already. */
      readonly chain?: Chain | undefined;
      /** The address that it has or has asked for (ciaddr, option 50), when it tells. */
      readonly address?: Ipv4 | undefined;
    }
  | { readonly kind: 'file'; readonly address: string; readonly name: string; readonly via: 'tftp' | 'http' }
  | { readonly kind: 'script'; readonly address: string; readonly query: ScriptQuery }
  | { readonly kind: 'check-in'; readonly address: string; readonly checkIn: CheckIn }
  | { readonly kind: 'report'; readonly report: ProgressReport };

export type Standing = Rung | 'failed' | 'idle';

export interface Ladder {
  readonly rung: Standing;
  /** Wall-clock ms at which each rung was first reached in this boot. */
  readonly reachedMs: Readonly<Partial<Record<Standing, number>>>;
  /** The boot of the agent that this ladder follows, once it has checked in. */
  readonly bootId?: string | undefined;
}

/** How long a machine may be silent on a rung before it counts as idle. `done` and `failed` stay as they are. */
export const IDLE_AFTER_MS: Readonly<Partial<Record<Standing, number>>> = {
  // Spanning tree holds a port for 30 s, EDK2 tries for a minute: ten minutes are long past any retry.
  seen: 10 * 60_000,
  nbp: 10 * 60_000,
  // A machine that boots from its own disk says nothing more.
  script: 10 * 60_000,
  // A running agent reports every few seconds and checks in again at least once a minute.
  agent: 3 * 60_000,
  imaging: 3 * 60_000,
  verifying: 3 * 60_000,
};

/** The ladder after this event; `undefined` stands for a machine that was never heard of. */
export function climb(ladder: Ladder | undefined, event: MachineEvent, wallMs: number): Ladder {
  switch (event.kind) {
    case 'dhcp':
      // The NBP asks by DHCP again: that is still this boot. After the script it can only be a new one.
      return ladder === undefined || height(ladder.rung) >= height('script') ? fresh('seen', wallMs) : ladder;
    case 'file':
      return isNbp(event.name) ? reach(ladder, 'nbp', wallMs) : (ladder ?? fresh('seen', wallMs));
    case 'script':
      return reach(ladder, 'script', wallMs);
    case 'check-in':
      return checkIn(ladder, event.checkIn.bootId, wallMs);
    case 'report':
      return report(ladder, event.report, wallMs);
  }
}

/** `idle` when the machine has been silent for too long where it stands. */
export function timeOut(ladder: Ladder, lastSeenMs: number, wallMs: number): Ladder {
  const limitMs = IDLE_AFTER_MS[ladder.rung];
  if (limitMs === undefined || wallMs - lastSeenMs < limitMs) return ladder;
  return { ...ladder, rung: 'idle', reachedMs: { ...ladder.reachedMs, idle: wallMs } };
}

function isNbp(name: string): boolean {
  return /\.(k?k?pxe|efi)$/i.test(name);
}

function fresh(rung: Standing, wallMs: number, bootId?: string): Ladder {
  return { rung, reachedMs: { [rung]: wallMs }, bootId };
}

/** Up to a rung before the agent's; from the agent's rungs on (or after silence) it is a new boot. */
function reach(ladder: Ladder | undefined, rung: Rung, wallMs: number): Ladder {
  if (ladder === undefined || height(ladder.rung) > height('script')) return fresh(rung, wallMs);
  return height(rung) > height(ladder.rung) ? to(ladder, rung, wallMs) : ladder;
}

function checkIn(ladder: Ladder | undefined, bootId: string, wallMs: number): Ladder {
  if (ladder === undefined) return fresh('agent', wallMs, bootId);
  // The same agent asks again (it was told to, or the peer was restarted): its own reports tell where it is.
  if (ladder.bootId === bootId) return ladder.rung === 'idle' ? to(ladder, 'agent', wallMs) : ladder;
  return height(ladder.rung) <= height('script')
    ? { ...to(ladder, 'agent', wallMs), bootId }
    : fresh('agent', wallMs, bootId);
}

/** The agent is the authority on where it is, also when that is a step back: it may have to write again. */
function report(ladder: Ladder | undefined, { bootId, rung }: ProgressReport, wallMs: number): Ladder {
  if (ladder === undefined || ladder.bootId !== bootId) return fresh(rung, wallMs, bootId);
  if (ladder.rung === rung) return ladder;
  // Imaged once more without a restart in between: what came after this rung belongs to the time before.
  return to(ladder.rung === 'done' ? upTo(ladder, rung) : ladder, rung, wallMs);
}

function to(ladder: Ladder, rung: Standing, wallMs: number): Ladder {
  return { ...ladder, rung, reachedMs: { [rung]: wallMs, ...ladder.reachedMs } };
}

function upTo(ladder: Ladder, rung: Standing): Ladder {
  const kept = Object.entries(ladder.reachedMs).filter(([name]) => height(name as Standing) < height(rung));
  return { ...ladder, reachedMs: Object.fromEntries(kept) };
}

function height(rung: Standing): number {
  return rung === 'failed' || rung === 'idle' ? RUNGS.length : RUNGS.indexOf(rung);
}
