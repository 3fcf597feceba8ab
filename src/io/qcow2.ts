// Reads the plain disk out of a qcow2 file (QEMU's docs/interop/qcow2.txt, versions 2 and 3), so that qemu-img is not needed.
import { inflateRawSync, zstdDecompressSync } from 'node:zlib';
import { viewOf } from '../base/bytes.ts';
import { PeerbootError } from '../base/errors.ts';
import { MAX_IMAGE_BYTES } from '../chunk/manifest.ts';
import type { ImageFile, RandomReader } from './image-file.ts';

/** Entries of the L1 and L2 tables: bits 9 to 55 are an offset in the file. */
const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;
const COMPRESSED = 1n << 62n;
/** Version 3: the cluster reads as zeros, allocated or not. */
const ALL_ZERO = 1n;
/** QEMU's own bound; 32 MiB of it carry 2 PiB at 64 KiB a cluster. */
const MAX_L1_BYTES = 32 * 1024 * 1024;
/** L2 tables kept: reads run forward, a cut is 32 MiB, and one table carries 512 MiB at 64 KiB a cluster. */
const L2_KEPT = 16;

const INCOMPATIBLE = { dirty: 1n, corrupt: 2n, externalData: 4n, compressionType: 8n, extendedL2: 16n };

export function isQcow2(head: Uint8Array): boolean {
  return head.length >= 8 && viewOf(head).getUint32(0) === 0x514649fb;
}

interface Header {
  readonly version: number;
  readonly clusterBits: number;
  readonly imageBytes: number;
  readonly l1Offset: number;
  readonly l1Entries: number;
  readonly compression: 'deflate' | 'zstd';
}

function unreadable(what: string): PeerbootError {
  return new PeerbootError('PB-IMAGE-UNREADABLE', what);
}

function parseHeader(head: Uint8Array): Header {
  if (head.length < 72) throw unreadable('the qcow2 header is cut off');
  const view = viewOf(head);
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) throw unreadable(`qcow2 version ${version} is unknown`);
  if (version === 3 && head.length < 104) throw unreadable('the qcow2 header is cut off');
  if (view.getBigUint64(8) !== 0n) {
    throw unreadable('the qcow2 image has a backing file: only a part of the disk is in it');
  }
  if (view.getUint32(32) !== 0) throw unreadable('the qcow2 image is encrypted');
  const features = version === 3 ? view.getBigUint64(72) : 0n;
  if (features & INCOMPATIBLE.corrupt) throw unreadable('the qcow2 image is marked as corrupt');
  if (features & INCOMPATIBLE.externalData)
    throw unreadable('the qcow2 image keeps its data in another file');
  const known = INCOMPATIBLE.dirty | INCOMPATIBLE.compressionType;
  if ((features & ~known) !== 0n) throw unreadable('the qcow2 image uses features that are not supported');
  // Byte 104 exists only in headers that say they are longer than version 3's first 104 bytes.
  const longHeader = version === 3 && head.length > 104 && view.getUint32(100) > 104;
  const compressionType = longHeader ? view.getUint8(104) : 0;
  if (compressionType > 1) throw unreadable(`qcow2 compression ${compressionType} is unknown`);

  const clusterBits = view.getUint32(20);
  if (clusterBits < 9 || clusterBits > 21) throw unreadable(`a qcow2 cluster has 2^${clusterBits} bytes`);
  const imageBytes = Number(view.getBigUint64(24));
  if (imageBytes === 0 || imageBytes > MAX_IMAGE_BYTES || imageBytes % 512 !== 0) {
    throw unreadable(`the qcow2 image says that its disk has ${imageBytes} bytes`);
  }
  const l1Entries = view.getUint32(36);
  const bytesPerL1 = 2 ** clusterBits * 2 ** (clusterBits - 3);
  if (l1Entries * 8 > MAX_L1_BYTES || l1Entries < Math.ceil(imageBytes / bytesPerL1)) {
    throw unreadable(`the qcow2 image has an L1 table of ${l1Entries} entries`);
  }
  return {
    version,
    clusterBits,
    imageBytes,
    l1Offset: Number(view.getBigUint64(40)),
    l1Entries,
    compression: compressionType === 1 ? 'zstd' : 'deflate',
  };
}

/** Throws PB-IMAGE-UNREADABLE for backing files, encryption, external data, and anything that contradicts itself. */
export function openQcow2(file: RandomReader): ImageFile {
  const header = parseHeader(file.readUpTo(0, 112));
  const clusterBytes = 2 ** header.clusterBits;
  const l2Entries = clusterBytes / 8;
  const l1 = viewOf(readTable(header.l1Offset, header.l1Entries * 8, 'L1 table'));
  const l2Tables = new Map<number, DataView>();

  function readTable(offset: number, length: number, what: string): Uint8Array {
    const bytes = file.readUpTo(offset, length);
    if (bytes.length < length) throw unreadable(`the qcow2 image ends within its ${what}`);
    return bytes;
  }

  function l2Table(index: number): DataView | undefined {
    const kept = l2Tables.get(index);
    if (kept !== undefined) return kept;
    const offset = Number(l1.getBigUint64(index * 8) & OFFSET_MASK);
    if (offset === 0) return undefined;
    if (l2Tables.size >= L2_KEPT) l2Tables.clear();
    const table = viewOf(readTable(offset, clusterBytes, 'L2 table'));
    l2Tables.set(index, table);
    return table;
  }

  /** One cluster's plain bytes, unpacked. The entry's bits: host offset, then the count of further sectors. */
  function readCompressed(entry: bigint): Uint8Array {
    const offsetBits = BigInt(62 - (header.clusterBits - 8));
    const offset = Number(entry & ((1n << offsetBits) - 1n));
    const sectors = Number((entry & (COMPRESSED - 1n)) >> offsetBits) + 1;
    const packed = file.readUpTo(offset, sectors * 512 - (offset % 512));
    const plain = unpackCluster(packed, clusterBytes, header.compression);
    if (plain?.length !== clusterBytes) throw unreadable('a compressed qcow2 cluster does not unpack');
    return plain;
  }

  function readCluster(into: Uint8Array, offset: number, within: number): void {
    if (offset >= file.fileBytes)
      throw unreadable('the qcow2 image was cut off: a cluster lies beyond its end');
    // QEMU lets the last cluster of the file be short: what is missing reads as zeros.
    into.fill(0, file.readInto(into, offset + within));
  }

  return {
    format: 'qcow2',
    imageBytes: header.imageBytes,
    close: () => file.close(),
    read(into, position) {
      for (let done = 0; done < into.length; ) {
        const at = position + done;
        const within = at % clusterBytes;
        const cluster = Math.floor(at / clusterBytes);
        const part = into.subarray(done, done + Math.min(clusterBytes - within, into.length - done));
        done += part.length;
        const entry = l2Table(Math.floor(cluster / l2Entries))?.getBigUint64((cluster % l2Entries) * 8) ?? 0n;
        if (entry & COMPRESSED) {
          part.set(readCompressed(entry).subarray(within, within + part.length));
          continue;
        }
        const offset = Number(entry & OFFSET_MASK);
        const zero = header.version === 3 && (entry & ALL_ZERO) !== 0n;
        if (offset === 0 || zero) part.fill(0);
        else readCluster(part, offset, within);
      }
    },
  };
}

/** Undefined when it does not unpack. Both forms may be followed by what is left of their last sector. */
function unpackCluster(
  packed: Uint8Array,
  clusterBytes: number,
  compression: 'deflate' | 'zstd',
): Uint8Array | undefined {
  const bound = { chunkSize: clusterBytes, maxOutputLength: clusterBytes };
  try {
    if (compression === 'deflate') return inflateRawSync(packed, bound);
    return zstdDecompressSync(packed.subarray(0, zstdFrameBytes(packed)), bound);
  } catch {
    return undefined;
  }
}

/** How long the first zstd frame is (RFC 8878, 3.1.1), from its block headers: a decoder refuses what follows it. */
function zstdFrameBytes(packed: Uint8Array): number {
  const view = viewOf(packed);
  const descriptor = view.getUint8(4);
  const singleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 2 ** sizeFlag;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] as number;
  let at = 5 + (singleSegment ? 0 : 1) + dictionaryBytes + sizeBytes;
  for (;;) {
    const block = view.getUint8(at) | (view.getUint8(at + 1) << 8) | (view.getUint8(at + 2) << 16);
    const isRepeatedByte = ((block >> 1) & 3) === 1;
    at += 3 + (isRepeatedByte ? 1 : block >> 3);
    if ((block & 1) !== 0) return at + ((descriptor & 4) !== 0 ? 4 : 0);
  }
}
