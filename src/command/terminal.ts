// What every command shares on the terminal: colours, sizes, tables, errors with their remedy, exit statuses.
import { CommanderError } from 'commander';
import pc from 'picocolors';
import { isPeerbootError } from '../base/errors.ts';

/** picocolors already honours NO_COLOR, FORCE_COLOR and a pipe. */
export const colours = pc;

export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** 2 for wrong words or configuration, 1 for everything else that failed. */
export function exitStatusOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  return isPeerbootError(error, 'PB-CONFIG-INVALID') ? EXIT.usage : EXIT.failed;
}

/** Prints code, what happened and the remedy; with `json` one line `{"ok":false,"error":{…}}` on stdout. */
export function reportError(error: unknown, json: boolean): void {
  // Commander has already printed its own message.
  if (error instanceof CommanderError) return;
  if (isPeerbootError(error)) {
    const { code, message: what, remedy } = error;
    if (json) printJson({ ok: false, error: { code, what, remedy } });
    else console.error(`${pc.red('✖')} ${pc.bold(code)}  ${what}\n  ${pc.cyan('→')} ${remedy}`);
    return;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  if (json) printJson({ ok: false, error: { code: 'PB-INTERNAL', what: text } });
  else console.error(`${pc.red('✖')} This is a defect in Peerboot; please report it.\n${text}`);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** `1.5 GB`: decimal units as disks and lines are sold. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Columns as wide as their widest cell; escape sequences of colours do not count. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, visibleLength(cell));
    });
  }
  return rows
    .map((row) =>
      row
        .map((cell, i) =>
          i === row.length - 1 ? cell : cell + ' '.repeat((widths[i] ?? 0) - visibleLength(cell)),
        )
        .join('  '),
    )
    .join('\n');
}

export function visibleLength(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are escape sequences
  return text.replaceAll(/\u001b\[[0-9;]*m/g, '').length;
}
