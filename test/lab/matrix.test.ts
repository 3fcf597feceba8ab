// The matrix's tables: what a row says that booted, that was refused, that is stopped, or that was never run.
import { expect, it } from 'vitest';
import type { BootCase, BootRow } from './boot-case.ts';
import { matrixTable, powerOnTable, withMatrix } from './matrix.ts';
import { shownText } from './target.ts';

const uki: BootCase = {
  ...{ name: 'uki', firmware: 'uefi', transport: 'http', nic: 'virtio', ends: 'disk', chain: 'uki' },
};
const row = (more: Partial<BootRow>): BootRow => ({
  ...{ case: 'uki', ok: true, chain: 'uki', seconds: {}, given: [], fetched: [] },
  ...more,
});
const booted = row({
  given: ['67 http-rom: http://10.77.0.2:8067/boot/files/peerboot-x64.efi'],
  seconds: { asked: 5.9, agent: 51.3, disk: 80.1 },
});
const stopped: BootCase = { ...uki, name: 'e1000', stopped: 'no driver' };
const verdicts = [{ verdict: 'secure-boot-refused', evidence: [] }];

it.each<[string, BootCase, BootRow | undefined, string]>([
  ['booted', uki, booted, '| peerboot-x64.efi | uki | 51 s | 80 s | boots |'],
  [
    'has iPXE in its ROM',
    { ...uki, chain: 'auto' },
    row({ chain: undefined, seconds: { script: 3 } }),
    '| start.ipxe | script at once | – | – | boots |',
  ],
  ['was never run', uki, undefined, '| not run |'],
  [
    'failed',
    uki,
    row({ ok: false, error: 'not within\nmore', seconds: { asked: 1 } }),
    '| failed: not within; no verdict yet |',
  ],
  [
    'is stopped',
    stopped,
    row({ ok: false, screen: 'Not | found' }),
    '| no driver; it asks nothing, so no doctor can hear it; on its screen: “Not \\| found” |',
  ],
  [
    'was refused',
    { ...uki, ends: 'refused' },
    row({ verdicts }),
    '| refused, as it must be; the doctor: `secure-boot-refused` |',
  ],
])('a row that %s', (_, one, run, cells) => {
  expect(matrixTable([one], new Map(run === undefined ? [] : [[one.name, run]]))).toContain(cells);
});

it('power-on times are of those that reached a disk', () => {
  const rows = new Map([
    [uki.name, booted],
    [stopped.name, row({ ok: false })],
  ]);
  expect(powerOnTable([uki, stopped], rows).split('\n').slice(2)).toEqual([
    '| OVMF 2022.11 | HTTP Boot | uki | 6 s | – | 51 s | 80 s |',
  ]);
});

it('a page keeps what is written by hand', () => {
  const page =
    'before\n<!-- matrix: npm run lab -- --matrix --write -->\nold\n<!-- end of matrix -->\nafter\n';
  expect(withMatrix(page, 'new')).toBe(page.replace('old', '\nnew\n'));
  expect(() => withMatrix('', 'new')).toThrow('no place');
});

it('the screen is its last words, without a terminal’s commands', () => {
  const lines = ['\x1b[2J\x1b[01;01HBdsDxe: first', '', 'second\r', '>>Start PXE over IPv4.', '\x1b[0m'];
  expect(shownText(lines)).toBe('BdsDxe: first / second / >>Start PXE over IPv4.');
});
