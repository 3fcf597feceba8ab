// The picture of a machine that waits to be approved: its code in large letters and as a QR code, made of half blocks.
import { bigText } from './big-text.ts';
import { qrCode } from './qr.ts';

export interface ApprovalFacts {
  /** Eight letters. */
  readonly code: string;
  /** Of the page on which a phone approves; without the code. */
  readonly page: string;
  readonly serial: string | undefined;
}

/** What readers want free around a code, in modules (ISO/IEC 18004 §6.3.8). */
const QUIET = 4;

/**
 * Lines of at most `width` columns, black on white: the QR code on the left, with the white that it needs, the words
 * on the right. `scale` is the width of a module in columns; a module is as high as wide, half a row at scale 1.
 */
export function approvalPicture(facts: ApprovalFacts, width: number, scale: number): readonly string[] {
  const modules = qrCode(`${facts.page}#${facts.code}`);
  const picture = modules === undefined ? [] : halfBlocks(modules, scale);
  // The line above is the coloured title; the screen's own margin of two columns is white.
  const below = Array<string>(picture.length === 0 ? 0 : Math.ceil((QUIET * scale) / 2)).fill('');
  const code = ['', ...picture.map((line) => ' '.repeat(QUIET * scale - 2) + line), ...below];
  const words = wordsFor(facts, scale);
  const left = picture[0] === undefined ? 0 : picture[0].length + 2 * QUIET * scale - 2;
  const above = Math.max(0, Math.floor((code.length - words.length) / 2));
  const rows = Math.max(code.length, words.length);
  return Array.from({ length: rows }, (_, row) => {
    const line = (code[row] ?? '').padEnd(left) + (words[row - above] ?? '');
    return line.slice(0, width);
  });
}

/** Rows of modules as lines of text, two rows of dots to a line. */
export function halfBlocks(modules: readonly (readonly boolean[])[], scale: number): string[] {
  const dots = modules.flatMap((row) => {
    const wide = row.flatMap((dark) => Array<boolean>(scale).fill(dark));
    return Array.from({ length: scale }, () => wide);
  });
  return Array.from({ length: Math.ceil(dots.length / 2) }, (_, line) => {
    const [upper, lower] = [dots[line * 2] ?? [], dots[line * 2 + 1] ?? []];
    return upper
      .map((dark, x) => (dark ? (lower[x] === true ? '█' : '▀') : lower[x] === true ? '▄' : ' '))
      .join('');
  });
}

/** `BCDF GHJK`, as people read letters out. */
export function spacedCode(code: string): string {
  return `${code.slice(0, 4)} ${code.slice(4)}`;
}

function wordsFor({ code, page, serial }: ApprovalFacts, scale: number): string[] {
  return [
    'Waiting to be approved. Code:',
    '',
    ...bigText(code.slice(0, 4), scale, 1),
    '',
    ...bigText(code.slice(4), scale, 1),
    '',
    `Code    ${spacedCode(code)}`,
    `Serial  ${serial ?? 'not known'}`,
    `Phone   ${page.replace('http://', '')}`,
    `Peer    peerboot approve ${code}`,
  ];
}
