// The few threads that do the heavy work on the target's disk: unpack, hash, write, read back.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { PeerbootError } from '../base/errors.ts';
import { DISK_THREAD, type DiskReply, type DiskRequest } from './block-device-worker.ts';

/** Enough for a 10 Gbit/s source on the processors of tills; each holds a chunk in memory. */
const MOST_THREADS = 4;

type WithoutId<R> = R extends DiskRequest ? Omit<R, 'id'> : never;

export interface DiskThreads {
  /** Asks the least busy thread; rejects with the PeerbootError that it met. */
  ask(request: WithoutId<DiskRequest>, transfer?: ArrayBuffer[]): Promise<DiskReply>;
  close(): Promise<void>;
}

/** Start them early: each loads the agent's file first. */
export function startDiskThreads(count = availableParallelism()): DiskThreads {
  const threads = Array.from({ length: Math.min(MOST_THREADS, count) }, startThread);
  return {
    ask(request, transfer = []) {
      return threads.reduce((least, one) => (one.busy() < least.busy() ? one : least)).ask(request, transfer);
    },
    async close() {
      await Promise.all(threads.map((one) => one.close()));
    },
  };
}

interface DiskThread {
  busy(): number;
  ask(request: WithoutId<DiskRequest>, transfer: ArrayBuffer[]): Promise<DiskReply>;
  close(): Promise<number>;
}

function startThread(): DiskThread {
  // This file, or the one bundle that it is part of: loaded in a thread, either serves block-device-worker.
  const worker = new Worker(new URL(import.meta.url), { workerData: DISK_THREAD });
  const waiting = new Map<number, { resolve(reply: DiskReply): void; reject(error: Error): void }>();
  let lastId = 0;
  let broken: Error | undefined;
  worker.on('message', (reply: DiskReply) => {
    const asked = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (reply.kind !== 'failed') asked?.resolve(reply);
    else
      asked?.reject(
        reply.code === undefined ? new Error(reply.what) : new PeerbootError(reply.code, reply.what),
      );
  });
  worker.on('error', (error) => {
    broken = error;
    for (const asked of waiting.values()) asked.reject(error);
    waiting.clear();
  });
  return {
    busy: () => waiting.size,
    ask: (request, transfer) =>
      new Promise((resolve, reject) => {
        if (broken !== undefined) return reject(broken);
        const id = ++lastId;
        waiting.set(id, { resolve, reject });
        worker.postMessage({ ...request, id }, transfer);
      }),
    close: () => worker.terminate(),
  };
}
