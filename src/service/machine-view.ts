// One machine's row as others see it: for tools (MachineView) and for the disk (MachineRecord).
import type { MachineView } from '../api/machines.ts';
import type { MachineRow } from './machine-index.ts';
import type { MachineRecord } from './machine-store.ts';

export function viewOf(row: MachineRow): MachineView {
  const { ladder, progress } = row;
  const rung = ladder?.rung ?? 'idle';
  const working = rung === 'imaging' || rung === 'verifying';
  const image = row.planned?.image ?? row.done?.image;
  return {
    id: row.id,
    identity: row.identity,
    ...(row.address === undefined ? {} : { address: row.address }),
    ...(row.firmware === undefined ? {} : { firmware: row.firmware }),
    rung,
    reachedMs: { ...ladder?.reachedMs },
    ...(image === undefined ? {} : { image }),
    ...(working && progress !== undefined
      ? { percent: percentOf(progress), bytesPerSecond: progress.bytesPerSecond }
      : {}),
    ...(working && progress?.source !== undefined ? { source: progress.source } : {}),
    ...(rung === 'failed' && row.failure !== undefined ? { failure: row.failure } : {}),
    lastSeenMs: row.lastSeenMs,
    ...(row.name === undefined ? {} : { name: row.name }),
  };
}

function percentOf({ doneBytes, totalBytes }: { doneBytes: number; totalBytes: number }): number {
  return totalBytes === 0 ? 0 : Math.min(100, Math.round((doneBytes / totalBytes) * 1000) / 10);
}

/** Undefined for a machine whose agent never checked in. */
export function recordOf(row: MachineRow): MachineRecord | undefined {
  const bootId = row.ladder?.bootId;
  if (bootId === undefined) return undefined;
  return {
    id: row.id,
    identity: row.identity,
    firmware: row.firmware ?? 'bios',
    bootId,
    lastSeenMs: row.lastSeenMs,
    planned: row.planned,
    done: row.done,
    name: row.name,
    nameTemplate: row.nameTemplate,
  };
}

/** After a restart of the peer: done when it was done with its last plan, else silent until it is heard again. */
export function rowOf(record: MachineRecord): MachineRow {
  const { done, planned } = record;
  const finished = done !== undefined && (planned === undefined || planned.revision === done.revision);
  return {
    id: record.id,
    identity: record.identity,
    firmware: record.firmware,
    ladder: finished
      ? { rung: 'done', reachedMs: { done: done.wallMs }, bootId: record.bootId }
      : { rung: 'idle', reachedMs: { idle: record.lastSeenMs }, bootId: record.bootId },
    depth: 'whole',
    known: true,
    kept: true,
    doubts: [],
    planned,
    done,
    name: record.name,
    nameTemplate: record.nameTemplate,
    lastSeenMs: record.lastSeenMs,
  };
}

/** Of an agent that reports a failure without saying which. */
export const UNTOLD_FAILURE = {
  code: 'PB-AGENT-FAILED',
  what: 'The agent reported a failure without saying which',
  remedy: "Read the target's own screen.",
};
