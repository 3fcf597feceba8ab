// One log line for each rung of a machine's ladder that is new in its boot.
import type { Log } from '../base/log.ts';
import type { Ladder } from '../boot/progress.ts';
import type { MachineRow } from './machine-index.ts';

export function logRung(log: Log, row: MachineRow, ladder: Ladder, before: Ladder | undefined): void {
  const { rung } = ladder;
  const startedMs = Math.min(...Object.values(ladder.reachedMs));
  const fields = {
    machine: row.id,
    rung,
    mac: row.identity.macs[0],
    uuid: row.identity.uuid,
    address: row.address,
    ...(before === undefined || before.rung === rung ? {} : { from: before.rung }),
    sinceStartMs: (ladder.reachedMs[rung] ?? startedMs) - startedMs,
    ...(row.planned === undefined ? {} : { image: row.planned.image }),
    ...(rung === 'failed' ? row.failure : {}),
    ...(rung === 'done' && row.progress !== undefined
      ? { fetchedBytes: row.progress.fetchedBytes, refetchedChunks: row.progress.refetchedChunks }
      : {}),
  };
  if (rung === 'failed') log.warn(fields, 'machine reached failed');
  else log.info(fields, `machine reached ${rung}`);
}
