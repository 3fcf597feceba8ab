// What a person sees of a run: rows for tables and sentences, no colours.

import type { EstateResult } from './estate.ts';
import type { GoalResult } from './goals.ts';
import { reportOf } from './report.ts';
import type { Outcome } from './scenario.ts';
import type { World } from './world.ts';

/** `2 h 05 min`, `12 min 30 s`, `98.3 s` */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return 'never';
  const seconds = ms / 1000;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  return minutes < 120
    ? `${minutes} min ${two(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** power;
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/** One line while it runs: how far the machines are, in steps of an eighth. */
export function progressLine(world: World): string {
  const bars = ' ▁▂▃▄▅▆▇█';
  const rows = world.image.rows;
  const line = world.nodes
    .map((node) => (node.running ? (bars[Math.floor((8 * node.held) / rows)] as string) : '✗'))
    .join('');
  return `${duration(world.queue.nowMs).padStart(12)}  ${line}  ${world.awaited.size} left, WAN ${bytes(world.checks.wanTotal)}`;
}

export function outcomeRows(outcome: Outcome): readonly (readonly string[])[] {
  const { boundMs, finishes } = outcome;
  const remark = ({ slow, joined, dead }: Outcome['finishes'][number]) =>
    [slow ? 'a tenth of the speed' : '', joined ? 'came later' : '', dead ? 'dead' : '']
      .filter(Boolean)
      .join(', ');
  return [
    ['target', 'took', '÷ bound', ''],
    ...finishes.map((one) => [
      one.name,
      one.tookMs === undefined ? 'never' : duration(one.tookMs),
      one.tookMs === undefined ? '–' : (one.tookMs / boundMs).toFixed(3),
      remark(one),
    ]),
  ];
}

export function outcomeSentence(outcome: Outcome): string {
  const { boundRatio, wanRatio, finished, targets } = reportOf(outcome);
  const last =
    boundRatio.last === null
      ? ''
      : `, the last after ${boundRatio.last.toFixed(3)} × the time that one machine alone needs (${duration(outcome.boundMs)})`;
  return (
    `${finished} of ${targets} targets have the image${last}.\n` +
    `WAN: ${bytes(outcome.wanBytes)}, ${wanRatio.toFixed(3)} × the image of ${bytes(outcome.imageBytes)}; ` +
    `between machines: ${bytes(outcome.lanBytes)}; sent again though received: ${bytes(outcome.resentBytes)}; ` +
    `for nothing: ${bytes(outcome.strayBytes)}.`
  );
}

export function estateRows({ kinds }: EstateResult): readonly (readonly string[])[] {
  return [
    ['kind', 'sites', 'machines', 'median', 'last', 'WAN a site', '| all from the CDN', 'WAN a site'],
    ...kinds.map(({ kind, medianMs, lastMs, wanBytesPerSite, cdnMs, cdnBytesPerSite }) => [
      kind.name,
      String(kind.sites),
      String(kind.sites * kind.targets),
      duration(medianMs),
      duration(lastMs),
      bytes(wanBytesPerSite),
      `| ${duration(cdnMs)}`,
      bytes(cdnBytesPerSite),
    ]),
  ];
}

export function estateSentence(estate: EstateResult): string {
  const { sites, endpoints, lastMs, originBytes, cdnOriginBytes } = estate;
  const times = originBytes === 0 ? '' : `, ${Math.round(cdnOriginBytes / originBytes)} times as much`;
  return (
    `${endpoints} endpoints in ${sites} sites: the last machine has the image after ${duration(lastMs)}.\n` +
    `The origin sends ${bytes(originBytes)}; if every machine came to it by itself, ${bytes(cdnOriginBytes)}${times}.`
  );
}

export const GOAL_HEADS = ['goal', 'figure', 'at most', 'is', ''] as const;

/** A line a figure; the name of the goal stands beside the first. */
export function goalRows({ goal, figures, violations }: GoalResult): readonly (readonly string[])[] {
  const rows = figures.map(({ figure, most, value, ok }, i) => [
    i === 0 ? goal.name : '',
    figure,
    String(most),
    value === null ? '–' : String(Math.round(value * 1000) / 1000),
    ok ? '✔' : '✖',
  ]);
  return violations === 0 ? rows : [...rows, ['', 'violations', '0', String(violations), '✖']];
}
