// The firmware matrix as a table of docs/hardware.md, between two marks; the rest of the page is written by hand.
import type { BootCase, BootRow } from './boot-case.ts';
import type { Firmware } from './firmware.ts';

const [BEGIN, END] = ['<!-- matrix: npm run lab -- --matrix --write -->', '<!-- end of matrix -->'];

const NAMES: Readonly<Record<Firmware, string>> = {
  bios: 'SeaBIOS, iPXE in the card’s ROM',
  uefi: 'OVMF 2022.11',
  httpboot: 'OVMF 2022.11',
  secureboot: 'OVMF 2022.11, Secure Boot enforcing',
  arm64: 'AAVMF 2022.11 (arm64)',
};

export function matrixTable(cases: readonly BootCase[], rows: ReadonlyMap<string, BootRow>): string {
  const head = ['case', 'firmware', 'way', 'card', 'chain', 'agent after', 'disk proved after', 'result'];
  const body = cases.map((one) => {
    const row = rows.get(one.name);
    return [
      `\`${one.name}\``,
      NAMES[one.firmware],
      one.transport === 'http' ? 'HTTP Boot' : 'PXE',
      one.nic,
      row?.chain ?? (one.chain === 'auto' ? 'script at once' : one.chain),
      row?.seconds.agent === undefined ? '–' : `${Math.round(row.seconds.agent)} s`,
      row?.seconds.disk === undefined ? '–' : `${Math.round(row.seconds.disk)} s`,
      resultOf(one, row),
    ];
  });
  return [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
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
        ? 'it asks nothing, so no peer can hear it'
        : 'no verdict yet';
  return [why, heard, ...(row.screen ? [`on its screen: “${cell(row.screen)}”`] : [])].join('; ');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

/** The page with this table in the place of the old one. Throws when the marks are not there. */
export function withMatrix(page: string, table: string): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error('docs/hardware.md has no place for the matrix');
  return `${page.slice(0, from)}${BEGIN}\n\n${table}\n\n${page.slice(to)}`;
}
