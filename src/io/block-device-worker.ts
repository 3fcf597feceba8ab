// A thread that does the heavy work on a target's disk: takes jobs by message, answers each with its result.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { ErrorCode } from '../base/error-table.ts';
import { isPeerbootError } from '../base/errors.ts';
import type { SliceRow } from '../chunk/tables.ts';
import type { ChunkJob, Proof } from '../imaging/target-disk.ts';
import { prove, writeChunk } from './block-device-work.ts';

/** `workerData` of these threads: the agent is one bundled file, which is loaded again in each of its threads. */
export const DISK_THREAD = 'peerboot disk thread';

export type DiskRequest = { readonly id: number; readonly fd: number } & (
  | { readonly kind: 'write'; readonly job: ChunkJob }
  | { readonly kind: 'prove'; readonly rows: readonly SliceRow[] }
);

export type DiskReply = { readonly id: number } & (
  | { readonly kind: 'written'; readonly withheld: readonly Uint8Array[] }
  | { readonly kind: 'proved'; readonly proof: Proof }
  | { readonly kind: 'failed'; readonly code: ErrorCode | undefined; readonly what: string }
);

async function answer(request: DiskRequest): Promise<DiskReply> {
  const { id, fd } = request;
  try {
    if (request.kind === 'prove') return { id, kind: 'proved', proof: prove(fd, request.rows) };
    return { id, kind: 'written', withheld: await writeChunk(fd, request.job) };
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    return { id, kind: 'failed', code: isPeerbootError(error) ? error.code : undefined, what };
  }
}

if (!isMainThread && workerData === DISK_THREAD) {
  parentPort?.on('message', (request: DiskRequest) => {
    void answer(request).then((reply) => parentPort?.postMessage(reply));
  });
}
