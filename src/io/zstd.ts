// Packing and unpacking one zstd frame, off the main thread, never unpacking more than was promised.
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdCompressSync, zstdDecompress } from 'node:zlib';
import { PeerbootError } from '../base/errors.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Of published chunks: who packs the same bytes again at this level gets the same frame. */
export const STORED_LEVEL = 3;

/** One frame with its content size in the header; the same bytes and level give the same frame. */
export async function zstd(bytes: Uint8Array, level = STORED_LEVEL): Promise<Uint8Array> {
  return plainArray(await compress(bytes, packing(bytes, level)));
}

/** The same on this thread, for threads that do nothing else; the frame owns its memory. */
export function zstdSync(bytes: Uint8Array, level: number): Uint8Array {
  return Uint8Array.from(zstdCompressSync(bytes, packing(bytes, level)));
}

function packing(bytes: Uint8Array, level: number) {
  return {
    chunkSize: Math.max(64, bytes.length + 1024),
    pledgedSrcSize: bytes.length,
    params: { [constants.ZSTD_c_compressionLevel]: level },
  };
}

/** Unpacks to exactly `plainBytes` bytes; anything else, or no zstd at all, is PB-CHUNK-CORRUPT. */
export async function unzstd(bytes: Uint8Array, plainBytes: number): Promise<Uint8Array> {
  let plain: Uint8Array;
  try {
    const unpacked = await decompress(bytes, {
      chunkSize: Math.max(64, plainBytes),
      maxOutputLength: Math.max(1, plainBytes),
    });
    plain = plainArray(unpacked);
  } catch (cause) {
    throw new PeerbootError('PB-CHUNK-CORRUPT', `stored bytes do not unpack to ${plainBytes} bytes`, {
      cause,
    });
  }
  if (plain.length !== plainBytes) {
    throw new PeerbootError('PB-CHUNK-CORRUPT', `unpacked ${plain.length} bytes instead of ${plainBytes}`);
  }
  return plain;
}

/** The same memory as a Uint8Array: a Buffer's `slice` does not copy, which surprises callers. */
function plainArray(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}
