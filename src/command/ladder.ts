// Draws the ladder of machines: who, how far, how fast, and what to do about the failed.
import { RUNGS } from '../api/agent.ts';
import type { MachineView } from '../api/machines.ts';
import { colours, formatBytes, formatTable } from './terminal.ts';

const BAR_CELLS = 20;

/** One line a machine, the one heard last first, and below a failed one its remedy. */
export function ladderLines(machines: readonly MachineView[], wallMs: number): string[] {
  if (machines.length === 0) return [colours.dim('No machine has been heard yet.')];
  const sorted = [...machines].sort((a, b) => b.lastSeenMs - a.lastSeenMs);
  const judged = machines.some(({ boot }) => boot !== undefined);
  const rows = sorted.map((machine) => [
    colours.bold(nameOf(machine)),
    machine.identity.macs[0] ?? '',
    machine.address ?? '',
    [machine.firmware, machine.chain, oddDialectOf(machine)].filter((word) => word !== undefined).join(' '),
    rungsOf(machine),
    ...(judged ? [verdictOf(machine)] : []),
    `${detailOf(machine)}${colours.dim(` ${age(wallMs - machine.lastSeenMs)} ago`)}`,
  ]);
  const lines = formatTable(rows).split('\n');
  return sorted.flatMap((machine, i) => [
    lines[i] ?? '',
    ...remediesOf(machine).map((remedy) => `    ${colours.cyan('→')} ${remedy}`),
  ]);
}

/** Of the failure of its agent, or of a boot that did not get so far. */
function remediesOf({ failure, boot }: MachineView): string[] {
  if (failure !== undefined) return [failure.remedy];
  const fine = boot === undefined || boot.verdict === 'booted' || boot.verdict === 'size-probe-only';
  return fine ? [] : [boot.remedy];
}

/** Only of a firmware that is answered otherwise than others of its kind: by a retry, or since that worked before. */
function oddDialectOf({ dialect, firmware }: MachineView): string | undefined {
  const usual = firmware === 'bios' ? 'offered-file' : 'binl';
  return dialect === undefined || dialect.dialect === usual ? undefined : dialect.dialect;
}

function nameOf({ identity, id, name }: MachineView): string {
  const { product, serial } = identity;
  return [name, product, serial].filter((part) => part !== undefined).join(' ') || id;
}

/** `●●●◐○○○`: reached, now, still to come. */
function rungsOf(machine: MachineView): string {
  if (machine.rung === 'failed') return colours.red('✖ failed');
  if (machine.rung === 'idle') return colours.dim('– idle');
  const at = RUNGS.indexOf(machine.rung);
  const marks = RUNGS.map((_, i) => (i < at ? '●' : i > at ? '○' : at === RUNGS.length - 1 ? '●' : '◐')).join(
    '',
  );
  const paint = machine.rung === 'done' ? colours.green : colours.cyan;
  return `${paint(marks)} ${machine.rung}`;
}

/** The doctor's word on its last boot from the network. */
function verdictOf({ boot }: MachineView): string {
  if (boot === undefined) return '';
  const fine = boot.verdict === 'booted' || boot.verdict === 'size-probe-only';
  return fine ? colours.dim(boot.verdict) : colours.red(boot.verdict);
}

function detailOf(machine: MachineView): string {
  if (machine.failure !== undefined) return colours.red(`${machine.failure.code} ${machine.failure.what}`);
  const parts: string[] = [];
  if (machine.doubts !== undefined) parts.push(colours.yellow(`${machine.id} may be ${machine.doubts[0]}`));
  if (machine.namesake !== undefined)
    parts.push(colours.yellow(`${machine.namesake} is called ${machine.name}, too`));
  if (machine.waiting !== undefined) {
    const { code } = machine.waiting;
    parts.push(colours.yellow(`waits to be approved: ${code.slice(0, 4)} ${code.slice(4)}`));
    if (machine.wish !== undefined) parts.push(colours.yellow(`as ${machine.wish}`));
  }
  if (machine.image !== undefined) parts.push(machine.image);
  if (machine.percent !== undefined && (machine.rung === 'imaging' || machine.rung === 'verifying')) {
    parts.push(bar(machine.percent), `${machine.percent.toFixed(0).padStart(3)} %`);
    if (machine.bytesPerSecond !== undefined) parts.push(`${formatBytes(machine.bytesPerSecond)}/s`);
    if (machine.source !== undefined) parts.push(`from ${machine.source}`);
  }
  return parts.join(' ');
}

export function bar(percent: number): string {
  const full = Math.round((Math.min(100, Math.max(0, percent)) / 100) * BAR_CELLS);
  return `${'█'.repeat(full)}${'░'.repeat(BAR_CELLS - full)}`;
}

export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}
