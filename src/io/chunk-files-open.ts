// Opens a held chunk for sending: at once from the page cache while its last proof is fresh.
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Descriptor } from '../base/digest.ts';
import type { MonotonicMs } from '../base/time.ts';
import type { OpenChunk } from '../chunk/ports.ts';
import { digestOf } from './hash.ts';

/**
 * That a file's bytes were read and had their digest. It holds for five minutes and for this very file: any write to
 * it changes its mtime and ctime, any replacement its inode. What it cannot see is a disk that gives back other bytes
 * than were written; within five minutes they come from the page cache, which was proved, and whoever receives them
 * proves them again.
 */
export interface Proof {
  readonly provedAtMs: MonotonicMs;
  readonly inode: bigint;
  readonly modifiedNs: bigint;
  readonly changedNs: bigint;
}

const PROOF_LASTS_MS = 5 * 60_000;
/** Measured: smaller steps cost more system calls and turns of the event loop, larger ones fall out of the cache. */
const STEP_BYTES = 512 * 1024;
/** A read from the page cache takes a tenth of a millisecond; one this slow came from a disk and held up everything. */
const SLOW_MS = 5;
const MOST_SPARE_BUFFERS = 8;

const spareBuffers: Uint8Array[] = [];

function takeBuffer(): Uint8Array {
  return spareBuffers.pop() ?? new Uint8Array(STEP_BYTES);
}

function giveBuffer(buffer: Uint8Array): void {
  if (spareBuffers.length < MOST_SPARE_BUFFERS) spareBuffers.push(buffer);
}

/** The file's proved bytes, all in memory; undefined when they are others, or more, or fewer. */
export async function readProved(path: string, chunk: Descriptor, now: MonotonicMs): Promise<ProvedBytes> {
  const file = await open(path, 'r');
  try {
    const { proof, length } = await identify(file, now);
    if (length !== chunk.size) return undefined;
    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
    for (let at = 0; at < length; ) {
      const { bytesRead } = await file.read(bytes, at, length - at, at);
      if (bytesRead === 0) return undefined;
      at += bytesRead;
    }
    return digestOf(bytes) === chunk.digest ? { bytes, proof } : undefined;
  } finally {
    await file.close();
  }
}

export type ProvedBytes = { readonly bytes: Uint8Array; readonly proof: Proof } | undefined;

/** The same without the bytes, step by step: a chunk that is only sent need never be in memory as a whole. */
export async function prove(path: string, chunk: Descriptor, now: MonotonicMs): Promise<Proof | undefined> {
  const file = await open(path, 'r');
  const buffer = takeBuffer();
  try {
    const { proof, length } = await identify(file, now);
    if (length !== chunk.size) return undefined;
    const hash = createHash('sha256');
    for (let at = 0; at < length; ) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(STEP_BYTES, length - at), at);
      if (bytesRead === 0) return undefined;
      hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
    return `sha256:${hash.digest('hex')}` === chunk.digest ? proof : undefined;
  } finally {
    giveBuffer(buffer);
    await file.close();
  }
}

/** Which file it is and how long; asked before its bytes are read, so that a write in between shows when compared. */
async function identify(
  file: FileHandle,
  now: MonotonicMs,
): Promise<{ readonly proof: Proof; readonly length: number }> {
  const { ino, size, mtimeNs, ctimeNs } = await file.stat({ bigint: true });
  const proof = { provedAtMs: now, inode: ino, modifiedNs: mtimeNs, changedNs: ctimeNs };
  return { proof, length: Number(size) };
}

/**
 * The file opened for reading without asking the thread pool, which costs more than the copy itself; undefined when
 * the proof no longer holds. `doubt` is called when it should not be relied on again: the file was not in the page
 * cache, or could not be read.
 */
export function openProved(
  path: string,
  size: number,
  proof: Proof | undefined,
  now: MonotonicMs,
  doubt: () => void,
): OpenChunk | undefined {
  if (proof === undefined || now - proof.provedAtMs > PROOF_LASTS_MS) return undefined;
  const file = openUnchanged(path, size, proof);
  if (file === undefined) return undefined;
  const buffer = takeBuffer();
  let closed = false;
  return {
    size,
    read(offset, length) {
      const began = performance.now();
      let count = 0;
      try {
        count = readSync(file, buffer, 0, Math.min(length, STEP_BYTES), offset);
      } finally {
        if (count === 0 || performance.now() - began > SLOW_MS) doubt();
      }
      if (count === 0) throw new Error(`${path} ends before byte ${offset}`);
      return buffer.subarray(0, count);
    },
    close() {
      if (closed) return;
      closed = true;
      closeSync(file);
      giveBuffer(buffer);
    },
  };
}

/** A file that is gone or another by now is not an error here: the caller reads and proves it anew. */
function openUnchanged(path: string, size: number, proof: Proof): number | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return undefined;
  }
  const { ino, size: length, mtimeNs, ctimeNs } = fstatSync(file, { bigint: true });
  const same = ino === proof.inode && mtimeNs === proof.modifiedNs && ctimeNs === proof.changedNs;
  if (same && length === BigInt(size)) return file;
  closeSync(file);
  return undefined;
}
