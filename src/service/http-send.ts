// Sends stored bytes: HEAD, ranges, entity tags, always a Content-Length, never more in memory than one step.
import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { selectBytes } from './http-range.ts';

export interface StoredBytes {
  readonly sizeBytes: number;
  /** Strong, with its quotes. */
  readonly etag: string;
  readonly contentType: string;
  readonly cacheControl: string;
  /** At most `length` bytes from `offset`, at least one; they need to stay only until the next call. */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
  /** Called when the last byte has gone out: not for a part before it, nor for a transfer that broke off. */
  onEnd?(): void;
}

/** What is read and handed to the socket at once; the next step waits until the socket has taken it. */
const STEP_BYTES = 512 * 1024;

/** For content that is named by its digest: whoever has it never needs to ask again. */
export const IMMUTABLE = 'public, max-age=31536000, immutable';

/**
 * Answers GET or HEAD; resolves with the body bytes that went out, also when the client left in between. No
 * chunked encoding and no redirect: UEFI HTTP Boot needs the length, and iPXE 1.0.0 has trouble with both.
 */
export async function sendStored(
  request: FastifyRequest,
  reply: FastifyReply,
  stored: StoredBytes,
): Promise<number> {
  const { headers, method } = request;
  const answer = selectBytes(
    {
      method,
      range: headers.range,
      ifRange: headers['if-range']?.toString(),
      ifMatch: headers['if-match'],
      ifNoneMatch: headers['if-none-match'],
    },
    stored.etag,
    stored.sizeBytes,
  );
  const shared = {
    etag: stored.etag,
    'accept-ranges': 'bytes',
    'cache-control': stored.cacheControl,
    'x-content-type-options': 'nosniff',
  };
  reply.hijack();
  const { raw } = reply;
  if (!('start' in answer)) {
    raw.writeHead(answer.status, {
      ...shared,
      ...(answer.status === 416 ? { 'content-range': `bytes */${stored.sizeBytes}` } : {}),
      ...(answer.status === 304 ? {} : { 'content-length': 0 }),
    });
    raw.end();
    return 0;
  }
  const { status, start, end } = answer;
  raw.writeHead(status, {
    ...shared,
    'content-type': stored.contentType,
    'content-length': end - start,
    ...(status === 206 ? { 'content-range': `bytes ${start}-${end - 1}/${stored.sizeBytes}` } : {}),
  });
  if (method === 'HEAD') {
    raw.end();
    return 0;
  }
  return pour(raw, stored, start, end);
}

async function pour(raw: ServerResponse, stored: StoredBytes, start: number, end: number): Promise<number> {
  let at = start;
  try {
    while (at < end && !raw.destroyed) {
      const bytes = await stored.read(at, Math.min(STEP_BYTES, end - at));
      if (raw.destroyed) break;
      at += bytes.length;
      await written(raw, bytes);
    }
  } catch (error) {
    // The head is out: only breaking off tells the client that this is not the whole.
    raw.destroy();
    throw error;
  }
  if (at === stored.sizeBytes && !raw.destroyed) stored.onEnd?.();
  raw.end();
  return at - start;
}

/** Until the socket has passed the bytes on to the kernel, or is gone: only then may their buffer be used again. */
function written(raw: ServerResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      raw.off('close', done);
      resolve();
    };
    raw.on('close', done);
    raw.write(bytes, done);
  });
}
