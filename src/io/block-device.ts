// The disk being imaged, as TargetDisk: a block device (or a file standing in for one) worked on by a few threads.
import { execFile } from 'node:child_process';
import { close, closeSync, constants, fdatasync, openSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import { assert, PeerbootError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { ChunkJob, Proof, TargetDisk } from '../imaging/target-disk.ts';
import type { DiskThreads } from './block-device-threads.ts';
import { diskFailed, readAll, writeAll } from './block-device-work.ts';

export interface BlockDeviceOptions {
  /** `/dev/vda`, or a regular file. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly log: Log;
  /** Makes the system forget what it has cached of the disk; called after each sync. */
  readonly dropCaches?: () => Promise<void>;
  readonly threads: DiskThreads;
}

/** What `wipe` zeros at each end: all known signatures of tables, file systems, LVM and RAID lie there. */
const WIPE_BYTES = 1024 * 1024;

export function openBlockDevice(options: BlockDeviceOptions): TargetDisk {
  const { path, sizeBytes, log, threads } = options;
  const fd = openForWriting(path);

  /** Work under way: the file must not be closed under a thread, for its number may soon be another file's. */
  const underWay = new Set<Promise<unknown>>();

  let closed = false;

  async function tracked<T>(begin: () => Promise<T>): Promise<T> {
    assert(!closed, 'a closed disk is not worked on');
    const work = begin();
    underWay.add(work);
    try {
      return await work;
    } finally {
      underWay.delete(work);
    }
  }
  const ask: DiskThreads['ask'] = (request) => tracked(() => threads.ask(request));

  return {
    sizeBytes,
    async wipe() {
      await discard(path, log);
      const length = Math.min(WIPE_BYTES, sizeBytes);
      writeAll(fd, 0, new Uint8Array(length));
      writeAll(fd, sizeBytes - length, new Uint8Array(length));
    },
    async writeChunk(job: ChunkJob) {
      const reply = await ask({ kind: 'write', fd, job });
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
      const reply = await ask({ kind: 'prove', fd, rows });
      assert(reply.kind === 'proved', 'a proof is answered by its outcome');
      return reply.proof;
    },
    async proveChunk(job) {
      const reply = await ask({ kind: 'prove-chunk', fd, job });
      assert(reply.kind === 'chunk-proved', 'the proof of a chunk is answered by its outcome');
      return reply.right;
    },
    async rebuild(job) {
      const reply = await tracked(() => threads.askSpare({ kind: 'rebuild', fd, job }));
      assert(reply.kind === 'rebuilt', 'a rebuild is answered by its bytes');
      return reply.rebuilt;
    },
    async close() {
      closed = true;
      await Promise.allSettled(underWay);
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
