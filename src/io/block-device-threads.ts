// The few threads that do the heavy work on the target's disk: unpack, hash, write, read back, pack again.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { PeerbootError } from '../base/errors.ts';
import type { DiskReply, DiskRequest, DiskThreadData } from './block-device-worker.ts';
import './block-device-worker.ts';

/** Enough for a 10 Gbit/s source on the processors of tills; each holds a chunk in memory. */
const MOST_THREADS = 4;
/** For what may wait: one processor of several stays free for the rest. */
const MOST_SPARE_THREADS = 2;
/** The kernel's weights: 45 beside the 1024 of a busy ordinary thread, so that others lose at most 4 % by it. */
const SPARE_NICE = 14;

type WithoutId<R> = R extends DiskRequest ? Omit<R, 'id'> : never;

export interface DiskThreads {
  /** Asks the least busy thread; rejects with the PeerbootError that it met. */
  ask(request: WithoutId<DiskRequest>): Promise<DiskReply>;
  /** The same from threads that yield to all others, started when first needed; one request a thread, in order. */
  askSpare(request: WithoutId<DiskRequest>): Promise<DiskReply>;
  close(): Promise<void>;
}

/** Start them early: each loads the agent's file first. */
export function startDiskThreads(count = availableParallelism(), spareNice = SPARE_NICE): DiskThreads {
  const threads = Array.from({ length: Math.min(MOST_THREADS, count) }, () => startThread(0));
  const mostSpare = Math.max(1, Math.min(MOST_SPARE_THREADS, count - 1));
  const spare: DiskThread[] = [];
  const queue: (() => void)[] = [];

  function idleSpare(): DiskThread | undefined {
    const idle = spare.find((one) => one.busy() === 0);
    if (idle !== undefined || spare.length === mostSpare) return idle;
    const started = startThread(spareNice);
    spare.push(started);
    return started;
  }

  return {
    ask: (request) => leastBusy(threads).ask(request),
    async askSpare(request) {
      for (;;) {
        const thread = idleSpare();
        if (thread === undefined) {
          await new Promise<void>((resolve) => queue.push(resolve));
          continue;
        }
        try {
          return await thread.ask(request);
        } finally {
          queue.shift()?.();
        }
      }
    },
    async close() {
      await Promise.all([...threads, ...spare].map((one) => one.close()));
    },
  };
}

function leastBusy(threads: readonly DiskThread[]): DiskThread {
  return threads.reduce((least, one) => (one.busy() < least.busy() ? one : least));
}

interface DiskThread {
  busy(): number;
  ask(request: WithoutId<DiskRequest>): Promise<DiskReply>;
  close(): Promise<number>;
}

function startThread(nice: number): DiskThread {
  // This file, or the one bundle that it is part of: loaded in a thread, either serves block-device-worker.
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { thread: 'peerboot disk thread', nice } satisfies DiskThreadData,
  });
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
    ask: (request) =>
      new Promise((resolve, reject) => {
        if (broken !== undefined) return reject(broken);
        const id = ++lastId;
        waiting.set(id, { resolve, reject });
        worker.postMessage({ ...request, id });
      }),
    close: () => worker.terminate(),
  };
}
