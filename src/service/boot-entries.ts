// Files of boot entries, read at any place from verified chunks: what a machine's iPXE asks for comes from the site like all content.
import { type CatalogueBootEntry, findImage } from '../api/catalogue.ts';
import { equalBytes } from '../base/bytes.ts';
import type { Descriptor, Digest, Sha256 } from '../base/digest.ts';
import { PeerbootError, WireError } from '../base/errors.ts';
import { parseManifest, parseTables, type TableDescriptor, type Tables } from '../chunk/manifest.ts';
import type { Wanted } from '../chunk/ports.ts';

export interface BootEntriesOptions {
  /** Of the catalogue in force. */
  readonly entries: () => readonly CatalogueBootEntry[];
  /** Proved stored bytes, from the chunk store or a source; see ContentService. */
  readonly get: (wanted: Wanted) => Promise<Uint8Array>;
  readonly unzstd: (bytes: Uint8Array, plainBytes: number) => Promise<Uint8Array>;
  readonly sha256: Sha256;
}

export interface OpenEntryFile {
  readonly sizeBytes: number;
  /** Changes with the entry's content and with the file. */
  readonly etag: string;
  /** At most `length` bytes from `offset`, at least one; rejects as a ChunkSource does. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

export interface BootEntries {
  /** `name` (its newest version) or `name@version`. */
  find(reference: string): CatalogueBootEntry | undefined;
  /** Rejects with PB-BOOT-ENTRY-UNKNOWN, or as a ChunkSource does when the entry's tables cannot be had. */
  open(reference: string, path: string): Promise<OpenEntryFile>;
}

/** Unpacked chunks that are kept: a CD is read in sectors, now here, now there. */
const MOST_PLAIN_BYTES = 48 * 1024 * 1024;
const MOST_TABLES = 4;
/** Chunks asked for beyond the one that is being read, so that none of them is waited for alone. */
const AHEAD = 2;

interface PlainChunk {
  readonly bytes: Promise<Uint8Array>;
  readonly plainBytes: number;
  /** Slices that were compared with their digest. */
  readonly proved: Set<number>;
}

export function createBootEntries(options: BootEntriesOptions): BootEntries {
  const { get, sha256, unzstd } = options;
  const tables = new Map<Digest, Promise<Tables>>();
  /** Least recently used first. */
  const unpacked = new Map<Digest, PlainChunk>();
  let unpackedBytes = 0;

  const find = (reference: string) => findImage(options.entries(), reference);

  async function loadTables(entry: CatalogueBootEntry): Promise<Tables> {
    const image = entry.manifest.digest;
    const stored = ({ digest, size }: Descriptor) => get({ digest, size });
    const manifest = sound(parseManifest(await stored(entry.manifest)));
    if (manifest.kind !== 'boot-entry') throw inconsistent(`${image} is the manifest of another kind`);
    const table = async (one: TableDescriptor) => unzstd(await stored(one), one.plainBytes);
    const { chunkTable, sliceTable } = manifest;
    return sound(parseTables(manifest, await table(sliceTable), await table(chunkTable)));
  }

  /** Asked by many at once they are loaded once; a failure is forgotten, for it may be mended. */
  function tablesOf(entry: CatalogueBootEntry): Promise<Tables> {
    const { digest } = entry.manifest;
    const known = tables.get(digest);
    tables.delete(digest);
    const loading = known ?? loadTables(entry);
    tables.set(digest, loading);
    if (known === undefined) loading.catch(() => tables.delete(digest));
    const [oldest] = tables.keys();
    if (tables.size > MOST_TABLES && oldest !== undefined) tables.delete(oldest);
    return loading;
  }

  function plainChunk(image: Digest, { chunks }: Tables, row: number): PlainChunk {
    const { digest, size, plainBytes } = chunks.row(row);
    const known = unpacked.get(digest);
    unpacked.delete(digest);
    const chunk = known ?? {
      bytes: get({ digest, size, image }).then((stored) => unzstd(stored, plainBytes)),
      plainBytes,
      proved: new Set(),
    };
    unpacked.set(digest, chunk);
    if (known !== undefined) return known;
    unpackedBytes += plainBytes;
    // Whoever reads it meets the failure; nobody else needs to, and the next one asks anew.
    chunk.bytes.catch(() => {
      if (unpacked.get(digest) === chunk) forget(digest);
    });
    for (const oldest of unpacked.keys()) {
      if (unpackedBytes <= MOST_PLAIN_BYTES || unpacked.size <= AHEAD + 1) break;
      forget(oldest);
    }
    return chunk;
  }

  function forget(digest: Digest): void {
    unpackedBytes -= unpacked.get(digest)?.plainBytes ?? 0;
    unpacked.delete(digest);
  }

  /** What lies at this place of the archive, to the end of its slice at most. */
  async function readAt(entry: CatalogueBootEntry, at: number, length: number): Promise<Uint8Array> {
    const all = await tablesOf(entry);
    const { slices } = all;
    const row = rowAt(slices, at);
    const within = at - slices.offset(row);
    const count = Math.min(length, slices.length(row) - within);
    if (slices.isZero(row)) return new Uint8Array(Math.min(count, 512 * 1024));
    const chunk = plainChunk(entry.manifest.digest, all, slices.chunk(row));
    askAhead(entry, all, slices.chunk(row));
    const from = slices.chunkOffset(row);
    const slice = (await chunk.bytes).subarray(from, from + slices.length(row));
    if (!chunk.proved.has(row)) {
      if (!equalBytes(sha256(slice), slices.rawDigest(row))) {
        throw inconsistent(`slice ${row} of ${entry.name}@${entry.version} is not what its chunk carries`);
      }
      chunk.proved.add(row);
    }
    return slice.subarray(within, within + count);
  }

  /** Chunks come in the order of their first use: the next ones are most often the next that are read. */
  function askAhead(entry: CatalogueBootEntry, all: Tables, chunk: number): void {
    for (let next = chunk + 1; next <= chunk + AHEAD && next < all.chunks.rows; next++) {
      const { digest } = all.chunks.row(next);
      if (!unpacked.has(digest)) plainChunk(entry.manifest.digest, all, next);
    }
  }

  return {
    find,
    async open(reference, path) {
      const entry = find(reference);
      const file = entry?.boot.files.find((one) => one.path === path);
      if (entry === undefined || file === undefined) {
        const what = entry === undefined ? `no boot entry ${reference}` : `no file ${path} in ${reference}`;
        throw new PeerbootError('PB-BOOT-ENTRY-UNKNOWN', `the catalogue has ${what}`);
      }
      const { imageBytes } = (await tablesOf(entry)).slices;
      if (file.offset + file.size > imageBytes) throw inconsistent(`${path} reaches beyond its archive`);
      return {
        sizeBytes: file.size,
        etag: `"${entry.manifest.digest}-${file.offset}"`,
        read: (offset, length) => readAt(entry, file.offset + offset, Math.min(length, file.size - offset)),
      };
    },
  };
}

function rowAt(slices: Tables['slices'], at: number): number {
  let [low, high] = [0, slices.rows];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (slices.offset(middle) <= at) low = middle;
    else high = middle;
  }
  return low;
}

/** Signed and yet wrong: the fault was made when it was published. */
function inconsistent(what: string): PeerbootError {
  return new PeerbootError('PB-IMAGE-INCONSISTENT', what);
}

function sound<T>(value: T | WireError): T {
  if (value instanceof WireError) throw inconsistent(value.message);
  return value;
}
