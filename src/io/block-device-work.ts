// The heavy work on a target's disk, as plain functions on an open file: unpack and write a chunk, read back and prove, pack again.
import { readSync, writeSync } from 'node:fs';
import { isPeerbootError, PeerbootError } from '../base/errors.ts';
import type { SliceRow } from '../chunk/tables.ts';
import type { DataSlice } from '../imaging/proof.ts';
import type { ChunkJob, Proof, RebuildJob, Rebuilt } from '../imaging/target-disk.ts';
import { digestOf } from './hash.ts';
import { STORED_LEVEL, unzstd, zstdSync } from './zstd.ts';

const READ_BYTES = 2 * 1024 * 1024;
/** Never written to. */
const ZEROS = new Uint8Array(READ_BYTES);

/**
 * See TargetDisk.writeChunk. The chunk's digest was proved, and says all that its slices' digests say: those are
 * compared once, when the slices are read back. Withheld ones are not read back in that way, so they are proved here.
 */
export async function writeChunk(fd: number, job: ChunkJob): Promise<readonly Uint8Array[]> {
  const plain = await unzstd(job.stored, job.plainBytes);
  const wrong = job.withheld.find((slice) => !isSlice(bytesOf(plain, slice), slice));
  if (wrong !== undefined) {
    const what = `the slice at byte ${wrong.offset} is not what its chunk carries`;
    throw new PeerbootError('PB-IMAGE-INCONSISTENT', what);
  }
  for (const run of runs(job.slices)) writeAll(fd, run.offset, bytesOf(plain, run));
  return job.withheld.map((slice) => bytesOf(plain, slice).slice());
}

type Run = Pick<DataSlice, 'offset' | 'length' | 'chunkOffset'>;

/** Slices that follow each other in the chunk and on the disk are written at once: fewer, larger writes. */
function runs(slices: readonly DataSlice[]): Run[] {
  const joined: { offset: number; length: number; chunkOffset: number }[] = [];
  for (const { offset, length, chunkOffset } of slices) {
    const last = joined.at(-1);
    const follows =
      last !== undefined &&
      last.offset + last.length === offset &&
      last.chunkOffset + last.length === chunkOffset;
    if (follows) last.length += length;
    else joined.push({ offset, length, chunkOffset });
  }
  return joined;
}

function bytesOf(
  plain: Uint8Array,
  { chunkOffset, length }: Pick<Run, 'chunkOffset' | 'length'>,
): Uint8Array {
  return plain.subarray(chunkOffset, chunkOffset + length);
}

function isSlice(bytes: Uint8Array, slice: DataSlice): boolean {
  return digestOf(bytes) === slice.digest;
}

/** See TargetDisk.proveChunk. */
export async function proveChunk(job: Pick<ChunkJob, 'stored' | 'plainBytes' | 'slices'>): Promise<boolean> {
  try {
    const plain = await unzstd(job.stored, job.plainBytes);
    return job.slices.every((slice) => isSlice(bytesOf(plain, slice), slice));
  } catch (error) {
    if (isPeerbootError(error)) return false;
    throw error;
  }
}

/** Packs fastest, for whom the bytes are not of the chunk's digest anyway. */
const REPACK_LEVEL = 1;

/** See TargetDisk.rebuild. */
export function rebuild(fd: number, job: RebuildJob): Rebuilt | undefined {
  const { plainBytes, slices, kept } = job;
  const plain = new Uint8Array(plainBytes);
  for (const run of runs(slices)) readAll(fd, run.offset, bytesOf(plain, run));
  for (const { slice, bytes } of kept) plain.set(bytes, slice.chunkOffset);
  if (job.exactly) {
    const bytes = zstdSync(plain, STORED_LEVEL);
    if (digestOf(bytes) === job.digest) return { exact: true, bytes };
  }
  const used = [...slices, ...kept.map(({ slice }) => slice)];
  if (!used.every((slice) => isSlice(bytesOf(plain, slice), slice))) return undefined;
  return { exact: false, bytes: zstdSync(plain, REPACK_LEVEL) };
}

export function writeAll(fd: number, offset: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    done += onDisk('writing', offset + done, () =>
      writeSync(fd, bytes, done, bytes.length - done, offset + done),
    );
  }
}

export function readAll(fd: number, offset: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    const got = onDisk('reading', offset + done, () =>
      readSync(fd, bytes, done, bytes.length - done, offset + done),
    );
    if (got === 0) throw new PeerbootError('PB-DISK-WRITE', `the disk ends at byte ${offset + done}`);
    done += got;
  }
}

function onDisk(doing: string, offset: number, call: () => number): number {
  try {
    return call();
  } catch (cause) {
    throw diskFailed(`${doing} at byte ${offset}`, cause);
  }
}

export function diskFailed(what: string, cause: unknown): PeerbootError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new PeerbootError('PB-DISK-WRITE', `${what}: ${text}`, { cause });
}

/**
 * Reads the rows back, which lie one behind the other on the disk. A stretch that should be zero and is not gets
 * zeros written: a discard does not promise zeros, so what a used disk held is only known by reading it.
 */
export function prove(fd: number, rows: readonly SliceRow[]): Proof {
  const buffer = new Uint8Array(Buffer.allocUnsafeSlow(READ_BYTES).buffer);
  let rezeroed = false;
  for (const group of readable(rows)) {
    const start = group[0]?.offset ?? 0;
    const length = group.reduce((total, row) => total + row.length, 0);
    readAll(fd, start, buffer.subarray(0, length));
    for (const row of group) {
      const bytes = buffer.subarray(row.offset - start, row.offset - start + row.length);
      if (row.kind === 'data') {
        if (!isSlice(bytes, row)) return { kind: 'differs', offset: row.offset };
      } else if (Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) !== 0) {
        writeAll(fd, row.offset, ZEROS.subarray(0, bytes.length));
        rezeroed = true;
      }
    }
  }
  return { kind: 'proved', rezeroed };
}

/** Groups of rows that are read at once; long stretches of zeros are divided. */
function* readable(rows: readonly SliceRow[]): Generator<SliceRow[]> {
  let group: SliceRow[] = [];
  let length = 0;
  const parts = rows.flatMap((row) =>
    row.kind === 'zero' && row.length > READ_BYTES ? divided(row) : [row],
  );
  for (const row of parts) {
    if (length + row.length > READ_BYTES) {
      if (group.length > 0) yield group;
      group = [];
      length = 0;
    }
    group.push(row);
    length += row.length;
  }
  if (group.length > 0) yield group;
}

function divided(row: SliceRow): SliceRow[] {
  return Array.from({ length: Math.ceil(row.length / READ_BYTES) }, (_, part) => ({
    kind: 'zero',
    offset: row.offset + part * READ_BYTES,
    length: Math.min(READ_BYTES, row.length - part * READ_BYTES),
  }));
}
