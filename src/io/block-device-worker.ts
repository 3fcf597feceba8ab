// A thread that does the heavy work on a target's disk: takes jobs by message, answers each with its result.
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { ErrorCode } from '../base/error-table.ts';
import { isPeerbootError } from '../base/errors.ts';
import type { SliceRow } from '../chunk/tables.ts';
import type { ChunkJob, Proof, RebuildJob, Rebuilt } from '../imaging/target-disk.ts';
import { prove, proveChunk, rebuild, writeChunk } from './block-device-work.ts';

/** `workerData` of these threads: the agent is one bundled file, which is loaded again in each of its threads. */
export interface DiskThreadData {
  readonly thread: 'peerboot disk thread';
  /** Of this thread alone, 0 to 19: higher ones leave the processor to others (sched(7)). */
  readonly nice: number;
}

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

/** Linux gives every thread a niceness of its own (setpriority(2)), by the number that /proc has for it. */
function beNice(nice: number): void {
  setPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1)), nice);
}

function transfers(reply: DiskReply): ArrayBuffer[] {
  return reply.kind === 'rebuilt' && reply.rebuilt !== undefined
    ? [reply.rebuilt.bytes.buffer as ArrayBuffer]
    : [];
}

const data: Partial<DiskThreadData> | null = workerData;
if (!isMainThread && data?.thread === 'peerboot disk thread') {
  if (data.nice !== undefined && data.nice !== 0) beNice(data.nice);
  parentPort?.on('message', (request: DiskRequest) => {
    void answer(request).then((reply) => parentPort?.postMessage(reply, transfers(reply)));
  });
}
