// The manifest of an image, package or boot entry: what it is, how long, and where its two tables are; one byte form, any bytes parse safely.
import { equalBytes, fromText, toText } from '../base/bytes.ts';
import { type Descriptor, isDigest } from '../base/digest.ts';
import { WireError } from '../base/errors.ts';
import { CONTENT_KINDS, type ContentKind, isImageName, isImageVersion } from './names.ts';
import { CHUNK_ROW_BYTES, SLICE_ROW_BYTES } from './tables.ts';

// The tables are part of the manifest's format: whoever reads one needs the others.
export {
  type ChunkRow,
  ChunkTable,
  checkTables,
  encodeChunkTable,
  encodeSliceTable,
  parseChunkTable,
  parseSliceTable,
  parseTables,
  type SliceRow,
  SliceTable,
  SliceTableWriter,
  type Tables,
} from './tables.ts';

export const MANIFEST_FORMAT = 'peerboot.manifest/1';

/** A manifest longer than this is nonsense: it holds two names and a dozen numbers. */
export const MAX_MANIFEST_BYTES = 4096;

/** No table unpacks to more: 512 MiB of slices carry an image of about 800 GB of data. */
export const MAX_TABLE_BYTES = 512 * 1024 * 1024;

/** 64 TiB: far above any system disk, far below the numbers that a double counts exactly. */
export const MAX_IMAGE_BYTES = 2 ** 46;

/** Canonical JSON (sorted keys, no spaces), named by the SHA-256 of those bytes; kept and sent like any chunk. */
export interface Manifest {
  readonly format: typeof MANIFEST_FORMAT;
  readonly kind: ContentKind;
  readonly name: string;
  readonly version: string;
  /** Length of the plain disk image, or of the archive of a package or boot entry, in bytes, a multiple of 512. */
  readonly imageBytes: number;
  /** Stored bytes of all chunks that the image needs. */
  readonly storedBytes: number;
  readonly sliceTable: TableDescriptor;
  readonly chunkTable: TableDescriptor;
}

/** A table is itself content: one zstd frame, fetched and verified like a chunk, `plainBytes` when unpacked. */
export interface TableDescriptor extends Descriptor {
  readonly rows: number;
  readonly plainBytes: number;
}

/** The manifest's bytes: the same manifest always gives the same bytes, and so the same digest. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return fromText(canonicalJson(manifest));
}

/** Any bytes → a manifest, or what is wrong with them. Only the canonical form is taken. */
export function parseManifest(bytes: Uint8Array): Manifest | WireError {
  if (bytes.length > MAX_MANIFEST_BYTES) return new WireError(`manifest of ${bytes.length} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(toText(bytes));
  } catch {
    return new WireError('manifest is not JSON');
  }
  const wrong = whatIsWrong(value);
  if (wrong !== undefined) return new WireError(`manifest: ${wrong}`);
  const manifest = value as Manifest;
  // One value, one digest: other spacing, order, duplicate or unknown keys would name the same image twice.
  if (!equalBytes(encodeManifest(pick(manifest)), bytes)) return new WireError('manifest is not canonical');
  return manifest;
}

function whatIsWrong(value: unknown): string | undefined {
  if (!isRecord(value)) return 'not an object';
  if (value.format !== MANIFEST_FORMAT) return `format is not ${MANIFEST_FORMAT}`;
  if (!CONTENT_KINDS.some((kind) => kind === value.kind)) return 'kind is none of ours';
  if (typeof value.name !== 'string' || !isImageName(value.name)) return 'name';
  if (typeof value.version !== 'string' || !isImageVersion(value.version)) return 'version';
  if (!isCount(value.imageBytes, MAX_IMAGE_BYTES) || value.imageBytes % 512 !== 0) return 'imageBytes';
  if (!isCount(value.storedBytes, MAX_IMAGE_BYTES)) return 'storedBytes';
  if (!isTable(value.sliceTable, SLICE_ROW_BYTES)) return 'sliceTable';
  if (!isTable(value.chunkTable, CHUNK_ROW_BYTES)) return 'chunkTable';
  return undefined;
}

function isTable(value: unknown, rowBytes: number): value is TableDescriptor {
  return (
    isRecord(value) &&
    typeof value.digest === 'string' &&
    isDigest(value.digest) &&
    isCount(value.size, MAX_TABLE_BYTES) &&
    isCount(value.plainBytes, MAX_TABLE_BYTES) &&
    isCount(value.rows, MAX_TABLE_BYTES) &&
    value.plainBytes === value.rows * rowBytes
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown, most: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most;
}

/** Only the known keys: anything else makes the canonical form differ from what was sent. */
function pick(manifest: Manifest): Manifest {
  const { format, kind, name, version, imageBytes, storedBytes } = manifest;
  const [sliceTable, chunkTable] = [manifest.sliceTable, manifest.chunkTable].map(
    ({ digest, size, rows, plainBytes }) => ({ digest, size, rows, plainBytes }),
  ) as [TableDescriptor, TableDescriptor];
  return { format, kind, name, version, imageBytes, storedBytes, sliceTable, chunkTable };
}

function canonicalJson(value: object): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isRecord(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}
