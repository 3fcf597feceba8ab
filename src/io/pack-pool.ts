// Publishing's worker threads: each task goes to the next free one, and segments come back in the image's order.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Digest } from '../base/digest.ts';
import { ERROR_TABLE, type ErrorCode } from '../base/error-table.ts';
import { PeerbootError } from '../base/errors.ts';
import type { ChunkPacker, CutImage, CutSegment, CutSlice } from '../chunk/publish-ports.ts';
import { openFolderImage } from './folder-image.ts';
import { type FolderScan, scanFolder } from './folder-scan.ts';
import { openImage } from './image-file.ts';
import type { OpenedImage, WorkerResult, WorkerTask } from './pack-worker.ts';

/** A cut falls at least where a segment ends: at 32 MiB that is one slice in eight hundred. */
const SEGMENT_BYTES = 32 * 1024 * 1024;
const LEVEL = 3;

export interface PackPool {
  openImage(path: string): CutImage;
  /** A folder, or a file by this or its own name, as the archive of a package. Throws PB-PACKAGE-UNREADABLE, PB-PACKAGE-ENTRY. */
  openPackage(path: string, fileName?: string): CutPackage;
  readonly packer: ChunkPacker;
  close(): Promise<void>;
}

export interface CutPackage extends CutImage {
  readonly files: number;
  /** What travels, but not everywhere. */
  readonly warnings: readonly string[];
}

interface Job {
  readonly task: WorkerTask;
  readonly transfer: readonly ArrayBuffer[];
  resolve(result: WorkerResult): void;
  reject(error: unknown): void;
}

export function createPackPool(options: { threads?: number; level?: number } = {}): PackPool {
  const threads = options.threads ?? availableParallelism();
  const level = options.level ?? LEVEL;
  const queue: Job[] = [];
  const idle: Worker[] = [];
  const busy = new Map<Worker, Job>();
  let imagesOpened = 0;
  let broken: Error | undefined;

  for (let i = 0; i < threads; i++) {
    const worker = new Worker(new URL('./pack-worker.ts', import.meta.url));
    worker.on('message', (result: WorkerResult) => {
      const job = busy.get(worker);
      busy.delete(worker);
      idle.push(worker);
      next();
      if (result.kind === 'failed') job?.reject(failureOf(result));
      else job?.resolve(result);
    });
    // A worker that dies (out of memory) takes the publication with it: nothing may wait for its answer.
    worker.on('error', (error) => {
      broken = error instanceof Error ? error : new Error(String(error));
      for (const job of [...busy.values(), ...queue.splice(0)]) job.reject(broken);
    });
    worker.unref();
    idle.push(worker);
  }

  function next(): void {
    while (idle.length > 0 && queue.length > 0) {
      const worker = idle.pop() as Worker;
      const job = queue.shift() as Job;
      busy.set(worker, job);
      worker.ref();
      worker.postMessage(job.task, job.transfer);
    }
    for (const worker of idle) worker.unref();
  }

  function run<Kind extends WorkerTask['kind']>(
    task: WorkerTask & { kind: Kind },
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<WorkerResult & { kind: Kind }> {
    return new Promise((resolve, reject) => {
      if (broken !== undefined) return reject(broken);
      queue.push({ task, transfer, resolve: resolve as Job['resolve'], reject });
      next();
    });
  }

  return {
    packer: {
      width: threads,
      async pack(plain) {
        const buffer = plain.buffer as ArrayBuffer;
        const { byteOffset: offset, length } = plain;
        const { bytes, digest } = await run({ kind: 'pack', buffer, offset, length, level }, [buffer]);
        return { bytes, digest: digest as Digest };
      },
    },
    openImage(path) {
      // Opened here only to learn its length, and to refuse it before a thread does anything.
      const image = openImage(path);
      const { imageBytes } = image;
      image.close();
      return cutImage({ path, number: ++imagesOpened }, imageBytes);
    },
    openPackage(path, fileName) {
      const scan = scanFolder(path, fileName);
      const { imageBytes } = openFolderImage(scan);
      const opened = { path, number: ++imagesOpened, scan: shared(JSON.stringify(scan)) };
      return {
        ...cutImage(opened, imageBytes),
        files: scan.entries.filter(({ entry }) => entry.kind === 'file').length,
        warnings: scan.warnings,
        confirm: async () => requireUnchanged(scan, scanFolder(path, fileName)),
      };
    },
    async close() {
      await Promise.all([...idle, ...busy.keys()].map((worker) => worker.terminate()));
    },
  };

  function cutImage(opened: OpenedImage, imageBytes: number): CutImage {
    return {
      imageBytes,
      segments: () => segments(opened, imageBytes),
      read: async (position, length) => (await run({ kind: 'read', opened, position, length })).bytes,
    };
  }

  /** Cut ahead of the reader: as many segments as there are threads, and one that waits. */
  async function* segments(opened: OpenedImage, imageBytes: number): AsyncGenerator<CutSegment> {
    const ahead: Promise<WorkerResult & { kind: 'cut' }>[] = [];
    const spare: ArrayBuffer[] = [];
    let position = 0;
    const askForMore = (): void => {
      while (position < imageBytes && ahead.length <= threads) {
        const buffer = spare.pop() ?? new ArrayBuffer(SEGMENT_BYTES);
        const length = Math.min(SEGMENT_BYTES, imageBytes - position);
        const cut = run({ kind: 'cut', opened, position, buffer, length }, [buffer]);
        // Its failure is met when its turn comes; until then it must not count as unhandled.
        cut.catch(() => {});
        ahead.push(cut);
        position += length;
      }
    };
    askForMore();
    for (let cut = ahead.shift(); cut !== undefined; cut = ahead.shift()) {
      const { buffer, lengths, digests } = await cut;
      askForMore();
      const slices = slicesOf(lengths, digests);
      const length = slices.reduce((sum, slice) => sum + slice.length, 0);
      yield { bytes: new Uint8Array(buffer, 0, length), slices };
      spare.push(buffer);
    }
  }
}

function shared(text: string): Uint8Array<SharedArrayBuffer> {
  const bytes = Buffer.from(text);
  const memory = new Uint8Array(new SharedArrayBuffer(bytes.length));
  memory.set(bytes);
  return memory;
}

/** Half of an old file and half of a new one would be published as a whole one. */
function requireUnchanged(before: FolderScan, after: FolderScan): void {
  const stamps = new Map(before.entries.map(({ entry, stamp }) => [JSON.stringify(entry), stamp]));
  const other = after.entries.find(({ entry, stamp }) => stamps.get(JSON.stringify(entry)) !== stamp);
  if (other === undefined && after.entries.length === before.entries.length) return;
  const what = other === undefined ? 'something was removed' : `${other.entry.path} changed`;
  throw new PeerbootError('PB-PACKAGE-CHANGED', `${what} while ${before.root} was published`);
}

function slicesOf(lengths: Int32Array, digests: Uint8Array): CutSlice[] {
  let at = 0;
  return Array.from(lengths, (length) => {
    if (length < 0) return { length: -length, rawDigest: undefined };
    at += 32;
    return { length, rawDigest: digests.subarray(at - 32, at) };
  });
}

function failureOf({ message, code }: WorkerResult & { kind: 'failed' }): Error {
  const known = code !== undefined && code in ERROR_TABLE;
  return known ? new PeerbootError(code as ErrorCode, message) : new Error(`pack worker: ${message}`);
}
