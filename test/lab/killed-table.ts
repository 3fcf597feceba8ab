// `npm run lab -- host-killed-in-emulation`: every emulated firmware, a boot host killed at every stage, 20 seeds each, as a table.
import { FIRMWARE_NAMES, type FirmwareName } from '../../src/sim/firmware/names.ts';
import {
  bootWithKill,
  hasStage,
  KILL_STAGES,
  type KilledRun,
  type KillStage,
} from '../support/killed-hosts.ts';

export interface KilledRow {
  readonly firmware: FirmwareName;
  readonly stage: KillStage;
  readonly runs: number;
  readonly finished: number;
  /** Of those that finished: in the same attempt, by the firmware's next boot option, after one more press of the key. */
  readonly alone: number;
  readonly nextOption: number;
  readonly pressed: number;
  readonly slowestS: number;
}

const SEEDS = 20;

export async function killedRows(): Promise<KilledRow[]> {
  const rows: KilledRow[] = [];
  for (const stage of KILL_STAGES) {
    for (const firmware of FIRMWARE_NAMES) {
      if (!hasStage(firmware, stage)) continue;
      const runs: KilledRun[] = [];
      for (let seed = 1; seed <= SEEDS; seed++) runs.push(await bootWithKill({ seed, firmware, stage }));
      rows.push(rowOf(firmware, stage, runs));
    }
  }
  return rows;
}

function rowOf(firmware: FirmwareName, stage: KillStage, runs: readonly KilledRun[]): KilledRow {
  const good = runs.filter(
    ({ finished, killed, wipes, afterwards }) =>
      finished && killed && wipes === 1 && afterwards.every((plan) => plan === 'local-boot'),
  );
  return {
    firmware,
    stage,
    runs: runs.length,
    finished: good.length,
    alone: good.filter(({ tries }) => tries === 1).length,
    nextOption: good.filter(({ tries, presses }) => tries > 1 && presses === 0).length,
    pressed: good.filter(({ presses }) => presses > 0).length,
    slowestS: Math.round(Math.max(...runs.map(({ tookMs }) => tookMs)) / 1000),
  };
}

/** As docs/boot-hosts.md shows it. */
export function killedTable(rows: readonly KilledRow[]): string {
  const lines = rows.map(
    (row) =>
      `| ${row.stage} | ${row.firmware} | ${row.finished} of ${row.runs} | ${row.alone} | ${row.nextOption} | ${row.pressed} | ${row.slowestS} s |`,
  );
  return [
    '| killed during | firmware | finished | in the same attempt | by its next boot option | key pressed again | slowest |',
    '|---|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}
