// The cases of `npm run lab` in which a boot host dies: in real machines one by one, and in emulation all at once.
import pc from 'picocolors';
import { HOST_KILLED_STAGES, type HostKilledRow, runHostKilled } from './host-killed.ts';
import { killedRows, killedTable } from './killed-table.ts';

const IN_EMULATION = 'host-killed-in-emulation';
const REAL = new Map(HOST_KILLED_STAGES.map((stage) => [`host-killed-during-${stage}`, stage]));

export const HOST_KILLED_CASES: readonly string[] = [...REAL.keys(), IN_EMULATION];

/** Exit status, once all have run; undefined when these words are not, or not all, such cases. */
export async function runHostKilledCases(
  names: readonly string[],
  json: boolean,
): Promise<number | undefined> {
  if (names.length === 0 || names.some((name) => !HOST_KILLED_CASES.includes(name))) return undefined;
  let failed = 0;
  for (const name of names) {
    const stage = REAL.get(name);
    if (stage === undefined) failed += await emulate(json);
    else {
      const row = await runHostKilled(stage);
      if (!row.ok) failed += 1;
      console.log(json ? JSON.stringify(row) : shown(row));
    }
  }
  return failed === 0 ? 0 : 1;
}

/** How many mixes did not finish every time. */
async function emulate(json: boolean): Promise<number> {
  const rows = await killedRows();
  for (const row of rows) if (json) console.log(JSON.stringify(row));
  if (!json) console.log(killedTable(rows));
  return rows.filter(({ finished, runs }) => finished < runs).length;
}

function shown({ case: name, ok, firmware, seconds, died, finished, error }: HostKilledRow): string {
  const moments = Object.entries(seconds).map(([moment, at]) => `${moment} ${at} s`);
  const who = `${died ?? ''} died${finished === undefined ? '' : `, ${finished} finished`}`;
  return `${ok ? pc.green('✓') : pc.red('✗')} ${name} ${firmware} ${who}: ${moments.join(', ')} ${error ?? ''}`;
}
