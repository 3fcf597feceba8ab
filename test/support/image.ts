// Small images for tests: bytes that look like a disk, and the same published as chunks, tables and a manifest.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { chunkPath } from '../../src/api/routes.ts';
import { isAllZero } from '../../src/base/bytes.ts';
import type { Descriptor } from '../../src/base/digest.ts';
import { randomInt, seededRandom } from '../../src/base/random.ts';
import {
  type ChunkRow,
  ChunkTable,
  encodeChunkTable,
  encodeManifest,
  MANIFEST_FORMAT,
  type Manifest,
  SliceTable,
  SliceTableWriter,
  type TableDescriptor,
} from '../../src/chunk/manifest.ts';
import { digestOf, sha256 } from '../../src/io/hash.ts';
import { zstd } from '../../src/io/zstd.ts';

export interface TestImage {
  readonly plain: Uint8Array;
  readonly manifest: Manifest;
  readonly manifestBytes: Uint8Array;
  /** Of the manifest: what the catalogue names. */
  readonly descriptor: Descriptor;
  readonly slices: SliceTable;
  readonly chunks: ChunkTable;
  /** Everything that lies under `chunks/` at an origin: chunks, both tables, the manifest. */
  readonly stored: ReadonlyMap<string, Uint8Array>;
}

/** Bytes like a disk's: stretches of noise, of text that packs well, and of zeros; a multiple of 512 long. */
export function diskBytes(length: number, seed = 1): Uint8Array {
  const random = seededRandom(seed);
  const bytes = new Uint8Array(length - (length % 512));
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 4096 * (1 + randomInt(random, 64)));
    const kind = random.next();
    if (kind < 0.4) for (let i = at; i < end; i++) bytes[i] = randomInt(random, 256);
    else if (kind < 0.7) for (let i = at; i < end; i++) bytes[i] = 97 + (randomInt(random, 64) & 15);
    at = end;
  }
  return bytes;
}

/** Publishes plain bytes with fixed cuts, independently of the real publisher; chunks are small so that there are many. */
export async function testImage(
  plain: Uint8Array,
  options: {
    name?: string;
    version?: string;
    sliceBytes?: number;
    slicesPerChunk?: number;
    /** A row of the slice table that names another digest than its bytes have, as a broken publisher would write it. */
    wrongRow?: number | undefined;
    /** Of zstd, when it was not packed as we do. */
    level?: number | undefined;
    /** Each chunk begins with a slice that this image does not use, as one does that an earlier version left. */
    waste?: boolean | undefined;
  } = {},
): Promise<TestImage> {
  const { name = 'test', version = '1', sliceBytes = 16 * 1024, slicesPerChunk = 16, level } = options;
  const stored = new Map<string, Uint8Array>();
  const keep = (bytes: Uint8Array): Descriptor => {
    const digest = digestOf(bytes);
    stored.set(chunkPath(digest), bytes);
    return { digest, size: bytes.length };
  };
  const writer = new SliceTableWriter();
  const chunkRows: ChunkRow[] = [];
  let open: Uint8Array[] = [];
  let openBytes = 0;
  const close = async () => {
    if (open.length === 0) return;
    const bytes = Buffer.concat(open);
    chunkRows.push({ ...keep(await zstd(bytes, level)), plainBytes: bytes.length });
    open = [];
    openBytes = 0;
  };
  for (let at = 0; at < plain.length; at += sliceBytes) {
    const slice = plain.subarray(at, Math.min(plain.length, at + sliceBytes));
    if (isAllZero(slice)) {
      writer.zero(slice.length);
      continue;
    }
    if (options.waste === true && open.length === 0) {
      const unused = diskBytes(sliceBytes + 511, at + 1).map((byte) => byte ^ 0x55);
      open.push(unused);
      openBytes += unused.length;
    }
    const digest = writer.rows === options.wrongRow ? new Uint8Array(32) : sha256(slice);
    writer.data(slice.length, digest, chunkRows.length, openBytes);
    open.push(slice);
    openBytes += slice.length;
    if (open.length === slicesPerChunk) await close();
  }
  await close();
  const table = async (bytes: Uint8Array, rows: number): Promise<TableDescriptor> => {
    const { digest, size } = keep(await zstd(bytes));
    return { digest, size, rows, plainBytes: bytes.length };
  };
  const sliceBytesTable = writer.bytes();
  const chunkBytesTable = encodeChunkTable(chunkRows);
  const manifest: Manifest = {
    format: MANIFEST_FORMAT,
    kind: 'image',
    name,
    version,
    imageBytes: plain.length,
    storedBytes: chunkRows.reduce((sum, row) => sum + row.size, 0),
    sliceTable: await table(sliceBytesTable, writer.rows),
    chunkTable: await table(chunkBytesTable, chunkRows.length),
  };
  const manifestBytes = encodeManifest(manifest);
  return {
    plain,
    manifest,
    manifestBytes,
    descriptor: keep(manifestBytes),
    slices: new SliceTable(sliceBytesTable),
    chunks: new ChunkTable(chunkBytesTable),
    stored,
  };
}

/** Writes the image's stored bytes as an origin's tree (without a catalogue) below `folder`. */
export function writeTree(image: TestImage, folder: string): void {
  for (const [path, bytes] of image.stored) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  }
}
