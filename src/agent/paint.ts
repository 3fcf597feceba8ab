// Turns a rendered screen into the terminal codes that draw it: only the lines that changed, in the colour of its tone.
import type { ScreenSize, Tone } from './screen.ts';

const ESC = '\u001b[';
/** White on blue, black on amber, black on white, white on green, white on red: told apart from across the room. */
const COLOURS: Readonly<Record<Tone, string>> = {
  work: '0;1;37;44',
  wait: '0;30;43',
  ask: '0;30;47',
  done: '0;1;37;42',
  failed: '0;1;37;41',
};
const TITLE = '0;30;47';
/** Where all the rest is black on white. */
const TITLE_OF_ASKING = '0;1;37;44';

/** Before the first picture: cursor off, no blanking, no power-down of the screen, all black, wrap off. */
export const SETTLE = `\u001bc${ESC}?25l${ESC}9;0]${ESC}14;0]${ESC}?7l`;

/** What to write so that the screen shows `lines` when it showed `before` (undefined: anything). */
export function paint(
  lines: readonly string[],
  tone: Tone,
  before?: { lines: readonly string[]; tone: Tone },
): string {
  const same = before?.tone === tone && before.lines.length === lines.length;
  return lines
    .flatMap((line, i) => {
      if (same && before.lines[i] === line) return [];
      return [`${ESC}${i + 1};1H${ESC}${colourOf(i, tone)}m${line}`];
    })
    .join('');
}

function colourOf(line: number, tone: Tone): string {
  if (line > 0) return COLOURS[tone];
  return tone === 'ask' ? TITLE_OF_ASKING : TITLE;
}

/** The last cell of the last line is left alone by terminals that would scroll; ours is told not to. */
export function sizeOr(
  columns: number | undefined,
  rows: number | undefined,
  fallback: ScreenSize,
): ScreenSize {
  if (columns === undefined || rows === undefined || columns < 80 || rows < 25) return fallback;
  return { columns, rows };
}
