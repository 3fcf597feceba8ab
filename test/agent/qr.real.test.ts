// QR codes as a real decoder reads them, and the approval screen as a phone's camera would see it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { MOST_QR_BYTES, qrCode } from '../../src/agent/qr.ts';
import { renderScreen, type ScreenSize } from '../../src/agent/screen.ts';

const folder = mkdtempSync(join(tmpdir(), 'pb-qr-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Dots as a picture of `scale` pixels each, with the white that readers want around it. */
function decode(
  dots: readonly (readonly boolean[])[],
  scale: readonly [number, number],
  quiet: number,
): string {
  const width = (dots[0]?.length ?? 0) + 2 * quiet;
  const rows = [...Array(quiet).fill([]), ...dots, ...Array(quiet).fill([])] as boolean[][];
  const lines = rows.flatMap((row) => {
    const line = Array.from({ length: width }, (_, x) =>
      (row[x - quiet] === true ? '1' : '0').repeat(scale[0]),
    );
    return Array<string>(scale[1]).fill(line.join(''));
  });
  const path = join(folder, 'code.pbm');
  writeFileSync(path, `P1\n${width * scale[0]} ${lines.length}\n${lines.join('\n')}\n`);
  return execFileSync('zbarimg', ['-q', '--raw', path], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trimEnd();
}

it.each([
  ['version 1', 'PEERBOOT'],
  ['version 1, full', 'x'.repeat(14)],
  ['version 2', 'http://peer.example/abc'],
  ['version 3', 'http://10.77.0.2:8067/approve#BCDFGHJK'],
  ['version 4, two blocks', 'http://255.255.255.255:65535/approve#BCDFGHJK'],
  ['version 5', 'aB3#'.repeat(20)],
  ['version 6, four blocks', `${'q1w2e3r4t5'.repeat(10)}123456`],
])('%s is read', (_, text) => {
  const code = qrCode(text);
  expect(code).toBeDefined();
  expect(decode(code ?? [], [4, 4], 4)).toBe(text);
});

it('is not made of more than it can hold', () => {
  expect(qrCode('x'.repeat(MOST_QR_BYTES))).toBeDefined();
  expect(qrCode('x'.repeat(MOST_QR_BYTES + 1))).toBeUndefined();
});

/** The screen's characters as dots, two to a cell, one above the other: a VGA cell is 9 by 16 pixels. */
function dotsOf(lines: readonly string[]): boolean[][] {
  return lines.flatMap((line) => [
    Array.from(line, (cell) => cell === '█' || cell === '▀'),
    Array.from(line, (cell) => cell === '█' || cell === '▄'),
  ]);
}

it.each<[string, ScreenSize]>([
  ['a BIOS text screen', { columns: 80, rows: 25 }],
  ['a larger one', { columns: 160, rows: 50 }],
])('can be read off %s, with all else that stands there', (_, size) => {
  const page = 'http://192.168.100.200:8067/approve';
  const lines = renderScreen(
    {
      step: 'wait',
      version: '0.1.0',
      site: 'Store 12',
      product: 'Contoso POS 300',
      serial: 'C0FFEE42',
      mac: '52:54:00:12:34:56',
      note: 'no image is assigned to it',
      approval: { code: 'BCDFGHJK', page },
    },
    size,
  );
  expect(decode(dotsOf(lines), [9, 8], 0)).toBe(`${page}#BCDFGHJK`);
});
