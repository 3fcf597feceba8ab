// The iPXE scripts: the first one for everybody, and each machine's own, made from its plan.
import type { Plan } from '../api/agent.ts';
import { ROUTES } from '../api/routes.ts';
import { type AgentArchitecture, agentFiles } from './agent-files.ts';
import {
  checkedBase,
  fetchScript,
  heading,
  lines,
  type ScriptPlace,
  STALLED,
  safeText,
  setting,
} from './script-parts.ts';

export interface ScriptContext extends ScriptPlace {
  /** Why it gets this plan, in words. */
  readonly reason: string;
  /** Its processor, for which kernel and agent must be made; x64 when not said. */
  readonly architecture?: AgentArchitecture;
  /** The agent as one program, where the firmware starts only what is signed; absent: kernel and initramfs. */
  readonly uki?: string | undefined;
  /** The same, signed, for when the firmware refuses the kernel: under Secure Boot an iPXE in a card's ROM runs, its kernel does not. */
  readonly signedUki?: string | undefined;
  /**
   * What is booted although there is only a plan to wait: the agent, which shows a code, or a shell in its system. No signed program
   * opens a shell: no word can be added to it.
   */
  readonly boots?: 'agent' | 'shell' | undefined;
}

/** Seconds that a machine without an image to get waits before it boots from its own disk. */
export const COUNTDOWN_S = 10;
const PAUSE_S = 5;
/** On the kernel's command line; `boot-assets/init.sh` looks for it. */
export const SHELL_WORD = 'peerboot.shell';

/** `/boot/start.ipxe`: the same for every machine; it asks for the machine's own script. */
export function renderStartScript(base: string, others: readonly string[] = []): string {
  return lines('#!ipxe', ...fetchScript([base, ...others]));
}

/** `/boot/script.ipxe`: the machine's own script. */
export function renderScript(plan: Plan, context: ScriptContext): string {
  return lines(...heading(context, context.reason), ...steps(plan, context));
}

function steps(plan: Plan, context: ScriptContext): string[] {
  switch (plan.kind) {
    case 'image':
      return bootAgent(context);
    case 'local-boot':
      return countDown(context);
    case 'wait':
      if (context.boots !== undefined) return bootAgent(context);
      return [
        `prompt --key l --timeout ${plan.retryAfterMs} Asking again soon, press l to boot from the own disk && goto local ||`,
        ...fetchScript([context.base, ...context.others]),
      ];
  }
}

/** Kernel and agent. It says nothing of the image: the agent asks the peer, so that no command line decides. */
function bootAgent(context: ScriptContext): string[] {
  const { base, boots, uki } = context;
  const signedUki = boots === 'shell' ? undefined : context.signedUki;
  const { kernel, initramfs, console } = agentFiles(context.architecture ?? 'x64');
  const files = checkedBase(base) + ROUTES.files;
  if (uki !== undefined) return [`kernel ${STALLED} ${files}/${uki} || goto failed`, ...orAgain(context)];
  const words = [
    `initrd=${initramfs}`,
    `peerboot.peer=${base}`,
    `BOOTIF=01-${setting('netX/mac:hexhyp')}`,
    `console=${console}`,
    'console=tty0',
    'quiet',
    ...(boots === 'shell' ? [SHELL_WORD] : []),
  ];
  return [
    `kernel ${STALLED} ${files}/${kernel} ${words.join(' ')} || goto ${signedUki === undefined ? 'failed' : 'signed'}`,
    `initrd ${STALLED} ${files}/${initramfs} || goto failed`,
    ...(signedUki === undefined ? [] : ['boot ||', ...inOneProgram(`${files}/${signedUki}`)]),
    ...orAgain(context),
  ];
}

function inOneProgram(url: string): string[] {
  return [
    ':signed',
    'imgfree',
    'echo The firmware does not start this kernel, or it could not be loaded: trying the signed agent.',
    `kernel ${STALLED} ${url} || goto failed`,
  ];
}

/** Starts what was loaded; should that fail, says so and asks anew, other boot hosts first. */
function orAgain({ base, others }: ScriptContext): string[] {
  return [
    'boot || goto failed',
    ':failed',
    // Whatever was loaded would stay registered and be given to the next kernel, too.
    'imgfree',
    'echo PB-BOOT-FILES-UNREACHABLE: kernel or agent could not be loaded from the peer; asking again.',
    ...(others.length === 0 ? [`sleep ${PAUSE_S}`] : []),
    ...fetchScript([...others, base]),
  ];
}

/** iPXE takes a timed prompt back from the screen, so that one a second is a countdown in one place. */
export function countDown({ base, others, machine }: ScriptPlace): string[] {
  const who = safeText(machine.mac ?? machine.id);
  const ticks = Array.from(
    { length: COUNTDOWN_S },
    (_, passed) =>
      `prompt --key a --timeout 1000 Booting from the own disk in ${COUNTDOWN_S - passed} s, press a to ask again && goto again ||`,
  );
  return [
    `echo To image it, run on the peer: peerboot assign ${who} IMAGE`,
    ...ticks,
    'goto local',
    ':again',
    ...fetchScript([base, ...others]),
  ];
}
