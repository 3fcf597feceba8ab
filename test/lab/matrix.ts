// The firmware matrix as tables of docs/hardware.md and docs/benchmarks/power-on.md, between marks; the rest is written by hand.
import type { BootCase, BootRow } from './boot-case.ts';
import type { Firmware } from './firmware.ts';

const NAMES: Readonly<Record<Firmware, string>> = {
  bios: 'SeaBIOS, iPXE 1.0.0 in the card’s ROM',
  uefi: 'OVMF 2022.11',
  httpboot: 'OVMF 2022.11',
  secureboot: 'OVMF 2022.11, Secure Boot enforcing',
  arm64: 'AAVMF 2022.11 (arm64)',
};

type Rows = ReadonlyMap<string, BootRow>;

/** Every case with what came of it. */
export function matrixTable(cases: readonly BootCase[], rows: Rows): string {
  const head = ['case', 'firmware', 'way', 'card', 'first given', 'chain', 'agent', 'disk proved', 'result'];
  const body = cases.map((one) => {
    const row = rows.get(one.name);
    return [
      ...[`\`${one.name}\``, NAMES[one.firmware], wayOf(one), one.nic, firstFile(row), chainOf(one, row)],
      ...[seconds(row?.seconds.agent), seconds(row?.seconds.disk), resultOf(one, row)],
    ];
  });
  return table(head, body);
}

/** Those that reach a disk, by their moments. */
export function powerOnTable(cases: readonly BootCase[], rows: Rows): string {
  const head = ['firmware', 'way', 'chain', 'first packet', 'script', 'agent', 'disk proved'];
  const body = cases.flatMap((one) => {
    const row = rows.get(one.name);
    if (one.ends !== 'disk' || row?.ok !== true) return [];
    const { asked, script, agent, disk } = row.seconds;
    const moments = [asked, script, agent, disk].map(seconds);
    return [[NAMES[one.firmware], wayOf(one), chainOf(one, row), ...moments]];
  });
  return table(head, body);
}

const wayOf = ({ transport }: BootCase) => (transport === 'http' ? 'HTTP Boot' : 'PXE');

/** An iPXE in the ROM needs no chain: its first answer is the script. */
const chainOf = ({ chain }: BootCase, row: BootRow | undefined) =>
  row?.chain ?? (row?.seconds.script !== undefined ? 'script at once' : chain);

const seconds = (value: number | undefined) => (value === undefined ? '–' : `${Math.round(value)} s`);

function firstFile(row: BootRow | undefined): string {
  const file = row?.given[0]?.replace(/^.*: /, '').replace(/^.*\/boot\/files\//, '');
  return file === undefined ? (row?.seconds.script === undefined ? '–' : 'start.ipxe') : file;
}

function resultOf(one: BootCase, row: BootRow | undefined): string {
  if (row === undefined) return one.stopped ?? 'not run';
  const verdict = row.verdicts?.at(0)?.verdict;
  if (row.ok) return one.ends === 'refused' ? `refused, as it must be; the doctor: \`${verdict}\`` : 'boots';
  const why = one.stopped ?? `failed: ${(row.error ?? 'no reason').split('\n')[0]}`;
  const heard =
    verdict !== undefined
      ? `the doctor: \`${verdict}\``
      : row.seconds.asked === undefined
        ? 'it asks nothing, so no doctor can hear it'
        : 'no verdict yet';
  // A countdown fills the screen with itself: its last words say as much.
  const words = row.screen
    ?.slice(-LAST_WORDS)
    .replace(/^.*?continue\./, '')
    .replaceAll('|', '\\|');
  const screen = words ? [`on its screen: “${words}”`] : [];
  return [why, heard, ...screen].join('; ');
}

/** Characters of a screen that a row shows. */
const LAST_WORDS = 100;

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

const [BEGIN, END] = ['<!-- matrix: npm run lab -- --matrix --write -->', '<!-- end of matrix -->'];

/** The page with this table in the place of the old one. Throws when the marks are not there. */
export function withMatrix(page: string, text: string): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error('the page has no place for the matrix');
  return `${page.slice(0, from)}${BEGIN}\n\n${text}\n\n${page.slice(to)}`;
}
