// What all iPXE scripts are made of: safe words, asking for the next script, booting the machine's own disk.
import { ROUTES } from '../api/routes.ts';
import { assert } from '../base/errors.ts';

/** What the screen of the machine shows about itself; every field may come from the machine, so from anybody. */
export interface ScriptMachine {
  readonly id: string;
  readonly mac?: string | undefined;
  readonly serial?: string | undefined;
  readonly manufacturer?: string | undefined;
  readonly product?: string | undefined;
}

/** Who is spoken to, and from where. */
export interface ScriptPlace {
  /** `http://<IPv4 address>:<port>` of this peer, as this machine reaches it. */
  readonly base: string;
  /** The same of other boot hosts of the site, to be asked in this order when this one has gone. */
  readonly others: readonly string[];
  readonly site: string;
  readonly machine: ScriptMachine;
}

/** How often a script asks a peer that does not answer before the machine boots from its own disk: a till must open. */
const TRIES = 12;
const PAUSE_S = 5;
/** Without any progress for so long, a download counts as broken off: the peer may have lost its power. */
export const STALLED = '--timeout 15000';
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

/** First lines of a machine's own script: who it is, and why it gets what follows. */
export function heading({ machine, site }: ScriptPlace, reason: string): string[] {
  return [
    '#!ipxe',
    'echo',
    `echo Peerboot ${safeText(site)}: machine ${safeText(machine.id)}`,
    `echo MAC ${safeText(machine.mac ?? 'unknown')}, ${safeText(boardOf(machine))}, serial ${safeText(machine.serial ?? 'unknown')}`,
    ...say(reason),
  ];
}

export function boardOf({ manufacturer, product }: ScriptMachine): string {
  const board = [manufacturer, product].filter((part) => part !== undefined).join(' ');
  return board || 'unknown board';
}

/** The machine's own script at this peer. `first` goes before all that the machine tells: of each name the first counts. */
export function scriptUrl(base: string, first: readonly string[] = []): string {
  return `${checkedBase(base)}${ROUTES.script}?${[...first, QUERY].join('&')}`;
}

/** `--replace`: the new script takes this one's place, so that its `exit` leaves iPXE and does not come back here. */
export function chainTo(url: string): string {
  return `chain ${STALLED} --replace --autofree ${url}`;
}

/**
 * Asks for the machine's own script until a peer answers or patience ends: each has its own files and gives its own script.
 * Ends with the label `local`.
 */
export function fetchScript(bases: readonly string[]): string[] {
  return [
    'set tries:int32 0',
    ':ask',
    ...bases.slice(0, 1 + MOST_OTHERS).map((base) => `${chainTo(scriptUrl(base))} ||`),
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
export function say(text: string): string[] {
  const rows: string[] = [''];
  for (const word of text.split(' ').map(safeText)) {
    const row = rows.at(-1) as string;
    if (row.length + word.length > 75) rows.push(word);
    else rows[rows.length - 1] = row === '' ? word : `${row} ${word}`;
  }
  return rows.filter((row) => row !== '').map((row) => `echo ${row}`);
}

export function checkedBase(base: string): string {
  assert(/^http:\/\/\d{1,3}(\.\d{1,3}){3}:\d{1,5}$/.test(base), `a peer's base has an address and a port`);
  return base;
}

export function setting(name: string): string {
  return `\${${name}}`;
}

export function lines(...all: readonly string[]): string {
  return `${all.join('\n')}\n`;
}
