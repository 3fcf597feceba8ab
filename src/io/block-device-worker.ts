// A thread that does the heavy work on a target's disk: takes jobs by message, answers each with its result.
import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { ErrorCode } from '../base/error-table.ts';
import { isPeerbootError } from '../base/errors.ts';
import type { SliceRow } from '../chunk/tables.ts';
import type { ChunkJob, Proof, RebuildJob, Rebuilt } from '../imaging/target-disk.ts';
import { prove, proveChunk, rebuild, writeChunk } from './block-device-work.ts';

/** `workerData` of these threads: the agent is one bundled file, which is loaded again in each of its threads. */
export const DISK_THREAD = 'peerboot disk thread';
/** The same work at the lowest priority: on a busy processor it gets one or two parts in a hundred. */
export const SPARE_THREAD = 'peerboot spare thread';

export type DiskRequest = { readonly id: number; readonly fd: number } & (
  | { readonly kind: 'write'; readonly job: ChunkJob }
  | { readonly kind: 'prove'; readonly rows: readonly SliceRow[] }
  | { readonly kind: 'prove-chunk'; readonly job: Pick<ChunkJob, 'stored' | 'plainBytes' | 'slices'> }
  | { readonly kind: 'rebuild'; readonly job: RebuildJob }
);

export type DiskReply = { readonly id: number } & (
  | { readonly kind: 'written'; readonly withheld: readonly Uint8Array[] }
  | { readonly kind: 'proved'; readonly proof: Proof }
  | { readonly kind: 'chunk-proved'; readonly right: boolean }
  | { readonly kind: 'rebuilt'; readonly rebuilt: Rebuilt | undefined }
  | { readonly kind: 'failed'; readonly code: ErrorCode | undefined; readonly what: string }
);

async function answer(request: DiskRequest): Promise<DiskReply> {
  const { id, fd } = request;
  try {
    switch (request.kind) {
      case 'write':
        return { id, kind: 'written', withheld: await writeChunk(fd, request.job) };
      case 'prove':
        return { id, kind: 'proved', proof: prove(fd, request.rows) };
      case 'prove-chunk':
        return { id, kind: 'chunk-proved', right: await proveChunk(request.job) };
      case 'rebuild':
        return { id, kind: 'rebuilt', rebuilt: rebuild(fd, request.job) };
    }
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    return { id, kind: 'failed', code: isPeerbootError(error) ? error.code : undefined, what };
  }
}

/** Linux gives every thread a priority of its own (setpriority(2)), by the number that /proc has for it. */
function yieldToOthers(): void {
  const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
  setPriority(thread, constants.priority.PRIORITY_LOW);
}

function transfers(reply: DiskReply): ArrayBuffer[] {
  return reply.kind === 'rebuilt' && reply.rebuilt !== undefined
    ? [reply.rebuilt.bytes.buffer as ArrayBuffer]
    : [];
}

if (!isMainThread && (workerData === DISK_THREAD || workerData === SPARE_THREAD)) {
  if (workerData === SPARE_THREAD) yieldToOthers();
  parentPort?.on('message', (request: DiskRequest) => {
    void answer(request).then((reply) => parentPort?.postMessage(reply, transfers(reply)));
  });
}
