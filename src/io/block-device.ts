// The disk being imaged, as TargetDisk: a block device (or a file standing in for one) worked on by a few threads.
import { execFile } from 'node:child_process';
import { close, closeSync, constants, fdatasync, openSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { assert, PeerbootError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { ChunkJob, Proof, TargetDisk } from '../imaging/target-disk.ts';
import { diskFailed, readAll, writeAll } from './block-device-work.ts';
import { DISK_THREAD, type DiskReply, type DiskRequest } from './block-device-worker.ts';

export interface BlockDeviceOptions {
  /** `/dev/vda`, or a regular file. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly log: Log;
  /** Makes the system forget what it has cached of the disk; called after each sync. */
  readonly dropCaches?: () => Promise<void>;
  readonly threads?: number;
}

/** Enough for a 10 Gbit/s source on the processors of tills; each holds a chunk of memory. */
const MOST_THREADS = 4;
/** What `wipe` zeros at each end: all known signatures of tables, file systems, LVM and RAID lie there. */
const WIPE_BYTES = 1024 * 1024;

type Waiting = { resolve(reply: DiskReply): void; reject(error: Error): void };
type Request = DiskRequest extends infer R ? (R extends DiskRequest ? Omit<R, 'id' | 'fd'> : never) : never;

export function openBlockDevice(options: BlockDeviceOptions): TargetDisk {
  const { path, sizeBytes, log } = options;
  const fd = openForWriting(path);
  const threads = Math.min(MOST_THREADS, Math.max(1, options.threads ?? availableParallelism()));
  const waiting = new Map<number, Waiting>();
  const workers = Array.from({ length: threads }, () => ({ worker: startThread(waiting), busy: 0 }));
  let lastId = 0;

  async function ask(request: Request, transfer: ArrayBuffer[] = []): Promise<DiskReply> {
    const chosen = workers.reduce((least, one) => (one.busy < least.busy ? one : least));
    const id = ++lastId;
    chosen.busy += 1;
    try {
      const reply = await new Promise<DiskReply>((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        chosen.worker.postMessage({ id, fd, ...request }, transfer);
      });
      if (reply.kind !== 'failed') return reply;
      throw reply.code === undefined ? new Error(reply.what) : new PeerbootError(reply.code, reply.what);
    } finally {
      chosen.busy -= 1;
      waiting.delete(id);
    }
  }

  return {
    sizeBytes,
    async wipe() {
      await discard(path, log);
      const length = Math.min(WIPE_BYTES, sizeBytes);
      writeAll(fd, 0, new Uint8Array(length));
      writeAll(fd, sizeBytes - length, new Uint8Array(length));
    },
    async writeChunk(job: ChunkJob) {
      // Handed over without a copy when the bytes own their memory.
      const whole = job.stored.byteLength === job.stored.buffer.byteLength;
      const transfer = whole && job.stored.buffer instanceof ArrayBuffer ? [job.stored.buffer] : [];
      const reply = await ask({ kind: 'write', job }, transfer);
      assert(reply.kind === 'written', 'a write is answered by what was withheld');
      return reply.withheld;
    },
    async write(offset, bytes) {
      writeAll(fd, offset, bytes);
    },
    async flush() {
      await promisify(fdatasync)(fd).catch((cause) => {
        throw diskFailed('making the written bytes durable', cause);
      });
      await options.dropCaches?.();
    },
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      readAll(fd, offset, bytes);
      return bytes;
    },
    async prove(rows): Promise<Proof> {
      const reply = await ask({ kind: 'prove', rows });
      assert(reply.kind === 'proved', 'a proof is answered by its outcome');
      return reply.proof;
    },
    async close() {
      await Promise.all(workers.map((one) => one.worker.terminate()));
      await promisify(close)(fd);
    },
  };
}

function openForWriting(path: string): number {
  try {
    // Exclusive on a block device means: nobody else in this system uses it (open(2), O_EXCL without O_CREAT).
    // Only asked for, not kept: tools that we run on the disk claim it in the same way.
    closeSync(openSync(path, constants.O_RDWR | constants.O_EXCL));
    return openSync(path, constants.O_RDWR);
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EBUSY') {
      throw new PeerbootError('PB-DISK-BUSY', `${path} is in use`, { cause });
    }
    throw diskFailed(`opening ${path}`, cause);
  }
}

function startThread(waiting: Map<number, Waiting>): Worker {
  // This file, or the one bundle that it is part of: loaded in a thread, either serves block-device-worker.
  const worker = new Worker(new URL(import.meta.url), { workerData: DISK_THREAD });
  worker.on('message', (reply: DiskReply) => waiting.get(reply.id)?.resolve(reply));
  worker.on('error', (error) => {
    for (const one of waiting.values()) one.reject(error);
  });
  return worker;
}

/** Best effort: it lets an SSD start afresh; what it leaves undone, zeros and the proof do. */
async function discard(path: string, log: Log): Promise<void> {
  if (!statSync(path).isBlockDevice()) return;
  try {
    await promisify(execFile)('blkdiscard', [path], { timeout: 60_000 });
    log.info({ path }, 'disk discarded');
  } catch (error) {
    log.info({ path, err: error }, 'disk cannot discard; its old bytes are overwritten or zeroed');
  }
}
