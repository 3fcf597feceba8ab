// A worker thread of publishing: reads, cuts and digests stretches of the image, and packs chunks.
import { hash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { constants, zstdCompressSync } from 'node:zlib';
import { assert, isPeerbootError } from '../base/errors.ts';
import { Cutter } from '../chunk/slice.ts';
import { openFolderImage } from './folder-image.ts';
import type { FolderScan } from './folder-scan.ts';
import { type ImageFile, openImage } from './image-file.ts';

export interface OpenedImage {
  readonly path: string;
  readonly number: number;
  /** Of a package: its `FolderScan` as JSON, in memory that all threads share. */
  readonly scan?: Uint8Array<SharedArrayBuffer>;
}

export type WorkerTask =
  | {
      readonly kind: 'cut';
      readonly opened: OpenedImage;
      readonly position: number;
      readonly buffer: ArrayBuffer;
      readonly length: number;
    }
  | {
      readonly kind: 'read';
      readonly opened: OpenedImage;
      readonly position: number;
      readonly length: number;
    }
  | {
      readonly kind: 'pack';
      readonly buffer: ArrayBuffer;
      readonly offset: number;
      readonly length: number;
      readonly level: number;
    };

export type WorkerResult =
  /** Lengths in order, negative for zeros; the digests of the others one after the other, 32 bytes each. */
  | {
      readonly kind: 'cut';
      readonly buffer: ArrayBuffer;
      readonly lengths: Int32Array;
      readonly digests: Uint8Array;
    }
  | { readonly kind: 'read'; readonly bytes: Uint8Array }
  | { readonly kind: 'pack'; readonly bytes: Uint8Array; readonly digest: string }
  | { readonly kind: 'failed'; readonly message: string; readonly code?: string };

/** The image that tasks were about last; another number is another opening, even of the same path. */
let current: { readonly number: number; readonly image: ImageFile } | undefined;

function imageAt({ path, number, scan }: OpenedImage): ImageFile {
  if (current?.number === number) return current.image;
  current?.image.close();
  current = undefined;
  const image = scan === undefined ? openImage(path) : openFolderImage(parseScan(scan));
  current = { number, image };
  return image;
}

function parseScan(scan: Uint8Array<SharedArrayBuffer>): FolderScan {
  // The decoder does not read shared memory.
  return JSON.parse(Buffer.from(scan).toString('utf8')) as FolderScan;
}

function cut({ opened, position, buffer, length }: WorkerTask & { kind: 'cut' }): WorkerResult {
  const bytes = new Uint8Array(buffer, 0, length);
  imageAt(opened).read(bytes, position);
  const cutter = new Cutter();
  const cuts = [...cutter.push(bytes), ...cutter.end()];
  const lengths = Int32Array.from(cuts, ({ kind, length }) => (kind === 'zero' ? -length : length));
  const digests = new Uint8Array(cuts.filter(({ kind }) => kind === 'data').length * 32);
  let at = 0;
  let digested = 0;
  for (const { kind, length } of cuts) {
    if (kind === 'data') {
      digests.set(hash('sha256', bytes.subarray(at, at + length), 'buffer'), digested);
      digested += 32;
    }
    at += length;
  }
  return { kind: 'cut', buffer, lengths, digests };
}

function pack({ buffer, offset, length, level }: WorkerTask & { kind: 'pack' }): WorkerResult {
  const frame = zstdCompressSync(new Uint8Array(buffer, offset, length), {
    chunkSize: length + 4096,
    pledgedSrcSize: length,
    params: { [constants.ZSTD_c_compressionLevel]: level },
  });
  // A copy of its own: the frame lies in a buffer of the plain length, which would travel with it.
  const bytes = Uint8Array.from(frame);
  return { kind: 'pack', bytes, digest: `sha256:${hash('sha256', bytes, 'hex')}` };
}

function perform(task: WorkerTask): WorkerResult {
  switch (task.kind) {
    case 'cut':
      return cut(task);
    case 'pack':
      return pack(task);
    case 'read': {
      const bytes = new Uint8Array(task.length);
      imageAt(task.opened).read(bytes, task.position);
      return { kind: 'read', bytes };
    }
  }
}

function transfers(result: WorkerResult): ArrayBuffer[] {
  switch (result.kind) {
    case 'cut':
      return [result.buffer, result.lengths.buffer as ArrayBuffer, result.digests.buffer as ArrayBuffer];
    case 'failed':
      return [];
    default:
      return [result.bytes.buffer as ArrayBuffer];
  }
}

const port = parentPort;
assert(port !== null, 'pack-worker runs as a worker thread');
port.on('message', (task: WorkerTask) => {
  let result: WorkerResult;
  try {
    result = perform(task);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    result = { kind: 'failed', message, ...(isPeerbootError(error) ? { code: error.code } : {}) };
  }
  port.postMessage(result, transfers(result));
});
