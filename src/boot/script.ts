// The iPXE scripts: the first one for everybody, and each machine's own, made from its plan.
import type { Plan } from '../api/agent.ts';
import { ROUTES } from '../api/routes.ts';
import { assert } from '../base/errors.ts';
import { type AgentArchitecture, agentFiles } from './agent-files.ts';

/** What the screen of the machine shows about itself; every field may come from the machine, so from anybody. */
export interface ScriptMachine {
  readonly id: string;
  readonly mac?: string | undefined;
  readonly serial?: string | undefined;
  readonly manufacturer?: string | undefined;
  readonly product?: string | undefined;
}

export interface ScriptContext {
  /** `http://<IPv4 address>:<port>` of this peer, as this machine reaches it. */
  readonly base: string;
  /** The same of other boot hosts of the site, to be asked in this order when this one has gone. */
  readonly others: readonly string[];
  readonly site: string;
  readonly machine: ScriptMachine;
  /** Why it gets this plan, in words. */
  readonly reason: string;
  /** Its processor, for which kernel and agent must be made; x64 when not said. */
  readonly architecture?: AgentArchitecture;
  /** The agent as one program, where the firmware starts only what is signed; absent: kernel and initramfs. */
  readonly uki?: string | undefined;
  /** The agent is to be booted although there is only a plan to wait: it waits for approval, and shows a code. */
  readonly bootsAgent?: boolean;
}

/** Seconds that a machine without an image to get waits before it boots from its own disk. */
export const COUNTDOWN_S = 10;
/** How often a script asks a peer that does not answer before the machine boots from its own disk: a till must open. */
const TRIES = 12;
const PAUSE_S = 5;
/** Without any progress for so long, a download counts as broken off: the peer may have lost its power. */
const STALLED = '--timeout 15000';
/** More would only make a script longer. */
const MOST_OTHERS = 3;

/**
 * What iPXE tells about the machine. `netX` is the NIC that booted, where a bare `${mac}` may be another one.
 * `:uristring` is for text only: on a UUID it sends the raw bytes, and iPXE 1.0.0 cuts its URL at the first zero.
 * It escapes blanks, so no text can become a command of the script, but not `&`: MAC and UUID come first.
 */
const QUERY = [
  `mac=${setting('netX/mac:hexhyp')}`,
  `uuid=${setting('uuid')}`,
  ...['serial', 'manufacturer', 'product', 'asset', 'buildarch', 'platform'].map(
    (name) => `${name}=${setting(`${name}:uristring`)}`,
  ),
].join('&');

/**
 * Makes text from outside safe in a script line. iPXE knows no quoting: `$` expands, `&&` and `||` separate
 * commands, `#` begins a comment, a line end begins a command, and a word with `-` in front is an option.
 * So: printable ASCII without these, at most 64 characters; everything else becomes `?`.
 */
export function safeText(text: string): string {
  return text
    .slice(0, 64)
    .replaceAll(/[^A-Za-z0-9 ._:/@()+,=-]/g, '?')
    .replaceAll(/(^| )-/g, '$1?');
}

/** `/boot/start.ipxe`: the same for every machine; it asks for the machine's own script. */
export function renderStartScript(base: string, others: readonly string[] = []): string {
  return lines('#!ipxe', ...fetchScript([base, ...others]));
}

/** `/boot/script.ipxe`: the machine's own script. */
export function renderScript(plan: Plan, context: ScriptContext): string {
  const { machine, site, reason } = context;
  const board = [machine.manufacturer, machine.product].filter((part) => part !== undefined).join(' ');
  return lines(
    '#!ipxe',
    'echo',
    `echo Peerboot ${safeText(site)}: machine ${safeText(machine.id)}`,
    `echo MAC ${safeText(machine.mac ?? 'unknown')}, ${safeText(board || 'unknown board')}, serial ${safeText(machine.serial ?? 'unknown')}`,
    ...say(reason),
    ...steps(plan, context),
  );
}

function steps(plan: Plan, context: ScriptContext): string[] {
  switch (plan.kind) {
    case 'image':
      return bootAgent(context);
    case 'local-boot':
      return countDown(context);
    case 'wait':
      if (context.bootsAgent === true) return bootAgent(context);
      return [
        `prompt --key l --timeout ${plan.retryAfterMs} Asking again soon, press l to boot from the own disk && goto local ||`,
        ...fetchScript([context.base, ...context.others]),
      ];
  }
}

/** Kernel and agent. It says nothing of the image: the agent asks the peer, so that no command line decides. */
function bootAgent(context: ScriptContext): string[] {
  const { base, uki } = context;
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
  ];
  return [
    `kernel ${STALLED} ${files}/${kernel} ${words.join(' ')} || goto failed`,
    `initrd ${STALLED} ${files}/${initramfs} || goto failed`,
    ...orAgain(context),
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
function countDown({ base, others, machine }: ScriptContext): string[] {
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

/**
 * Asks for the machine's own script until a peer answers or patience ends: each has its own files and gives its own script.
 * Ends with the label `local`.
 */
function fetchScript(bases: readonly string[]): string[] {
  const urls = bases.slice(0, 1 + MOST_OTHERS).map((base) => `${checkedBase(base)}${ROUTES.script}?${QUERY}`);
  return [
    'set tries:int32 0',
    ':ask',
    // `--replace`: the new script takes this one's place, so that its `exit` leaves iPXE and does not come back here.
    ...urls.map((url) => `chain ${STALLED} --replace --autofree ${url} ||`),
    'inc tries',
    `iseq ${setting('tries')} ${TRIES} && goto local ||`,
    'echo PB-SCRIPT-UNREACHABLE: the peer sends no script; is its service up, its port open? Asking again.',
    `sleep ${PAUSE_S}`,
    'goto ask',
    ...LOCAL_BOOT,
  ];
}

/**
 * BIOS: the first disk's boot sector. UEFI has no such thing: `exit` gives back to the firmware, which goes on
 * with its next boot entry, the disk's. A BIOS whose disk does not boot is left by `exit` too.
 */
const LOCAL_BOOT = [
  ':local',
  'echo Booting from the own disk.',
  `iseq ${setting('platform')} efi && exit 1 ||`,
  'sanboot --no-describe --drive 0x80 ||',
  'echo PB-LOCAL-BOOT-FAILED: the first disk does not boot; back to the firmware.',
  'sleep 3',
  'exit 1',
];

/** Words on the screen, folded at 76 characters: iPXE breaks lines anywhere. */
function say(text: string): string[] {
  const rows: string[] = [''];
  for (const word of text.split(' ').map(safeText)) {
    const row = rows.at(-1) as string;
    if (row.length + word.length > 75) rows.push(word);
    else rows[rows.length - 1] = row === '' ? word : `${row} ${word}`;
  }
  return rows.filter((row) => row !== '').map((row) => `echo ${row}`);
}

function checkedBase(base: string): string {
  assert(/^http:\/\/\d{1,3}(\.\d{1,3}){3}:\d{1,5}$/.test(base), `a peer's base has an address and a port`);
  return base;
}

function setting(name: string): string {
  return `\${${name}}`;
}

function lines(...all: readonly string[]): string {
  return `${all.join('\n')}\n`;
}
