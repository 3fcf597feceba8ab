// FAT file systems (Microsoft's FAT32 specification 1.03, ECMA-107), as far as the files in a folder: what an EFI system partition has.
import { concatBytes, viewOf } from '../base/bytes.ts';

/** Bytes of a disk or partition; undefined where it has none. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array | undefined>;

export interface FatFile {
  /** Short form, upper case: `BOOTX64.EFI`. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Its first 4 KiB; fewer when file or file system ends before. */
  head(): Promise<Uint8Array>;
}

interface Fat {
  readonly bits: 12 | 16 | 32;
  readonly clusterBytes: number;
  /** Byte offsets within the partition. */
  readonly table: number;
  readonly root: number;
  readonly data: number;
  readonly rootBytes: number;
  readonly rootCluster: number;
  readonly clusters: number;
}

interface Entry extends Pick<FatFile, 'name' | 'sizeBytes'> {
  readonly isFolder: boolean;
  readonly cluster: number;
}

const BOOT_SECTOR_BYTES = 512;
const ENTRY_BYTES = 32;
const VOLUME_LABEL = 0x08;
const FOLDER = 0x10;
const LONG_NAME = 0x0f;
const DELETED = 0xe5;
/** A folder on the way to a boot program has a handful of entries; this many are looked at. */
const MOST_FOLDER_BYTES = 64 * 1024;
const HEAD_BYTES = 4096;

/**
 * The files in a folder. Undefined when this is no FAT file system, or the folder is not there: whatever the bytes are, reading
 * ends and nothing is thrown.
 */
export async function fatFiles(
  read: ReadAt,
  folder: readonly string[],
): Promise<readonly FatFile[] | undefined> {
  const sector = await read(0, BOOT_SECTOR_BYTES);
  const fat = sector === undefined ? undefined : parseFat(sector);
  if (fat === undefined) return undefined;
  let entries = parseEntries(await rootOf(read, fat));
  for (const name of folder) {
    const next = entries.find((entry) => entry.isFolder && entry.name === name);
    if (next === undefined) return undefined;
    entries = parseEntries(await chain(read, fat, next.cluster));
  }
  return entries
    .filter(({ isFolder }) => !isFolder)
    .map(({ name, sizeBytes, cluster }) => ({
      ...{ name, sizeBytes },
      head: async () =>
        (await chain(read, fat, cluster, HEAD_BYTES)).subarray(0, Math.min(HEAD_BYTES, sizeBytes)),
    }));
}

function parseFat(sector: Uint8Array): Fat | undefined {
  const view = viewOf(sector);
  const sectorBytes = view.getUint16(11, true);
  const perCluster = view.getUint8(13);
  const reserved = view.getUint16(14, true);
  const tables = view.getUint8(16);
  const rootEntries = view.getUint16(17, true);
  const sectors = view.getUint16(19, true) || view.getUint32(32, true);
  const tableSectors = view.getUint16(22, true) || view.getUint32(36, true);
  const isSound =
    [512, 1024, 2048, 4096].includes(sectorBytes) &&
    perCluster > 0 &&
    (perCluster & (perCluster - 1)) === 0 &&
    reserved > 0 &&
    tables > 0 &&
    tableSectors > 0;
  if (!isSound) return undefined;
  const rootBytes = Math.ceil((rootEntries * ENTRY_BYTES) / sectorBytes) * sectorBytes;
  const table = reserved * sectorBytes;
  const root = table + tables * tableSectors * sectorBytes;
  const data = root + rootBytes;
  const clusterBytes = perCluster * sectorBytes;
  const clusters = Math.floor((sectors * sectorBytes - data) / clusterBytes);
  if (clusters <= 0) return undefined;
  // The count of clusters alone decides, never a name in the boot sector (specification 1.03, page 14).
  const bits = clusters < 4085 ? 12 : clusters < 65525 ? 16 : 32;
  const rootCluster = bits === 32 ? view.getUint32(44, true) : 0;
  return { bits, clusterBytes, table, root, data, rootBytes, rootCluster, clusters };
}

function rootOf(read: ReadAt, fat: Fat): Promise<Uint8Array> {
  if (fat.bits === 32) return chain(read, fat, fat.rootCluster);
  return read(fat.root, Math.min(fat.rootBytes, MOST_FOLDER_BYTES)).then((bytes) => bytes ?? NOTHING);
}

/** What lies in a chain of clusters, as far as it can be followed and until there is enough. */
async function chain(
  read: ReadAt,
  fat: Fat,
  first: number,
  enoughBytes = MOST_FOLDER_BYTES,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let cluster = first;
  for (let bytes = 0; bytes < enoughBytes; bytes += fat.clusterBytes) {
    // Two numbers are taken, so the first cluster is 2; what is no cluster ends the chain.
    if (cluster < 2 || cluster >= fat.clusters + 2) break;
    const part = await read(fat.data + (cluster - 2) * fat.clusterBytes, fat.clusterBytes);
    if (part === undefined) break;
    parts.push(part);
    cluster = await nextCluster(read, fat, cluster);
  }
  return concatBytes(parts);
}

async function nextCluster(read: ReadAt, { bits, table }: Fat, cluster: number): Promise<number> {
  const bytes = await read(table + Math.floor((cluster * bits) / 8), bits === 32 ? 4 : 2);
  if (bytes === undefined) return 0;
  const view = viewOf(bytes);
  if (bits === 32) return view.getUint32(0, true) & 0x0fff_ffff;
  const value = view.getUint16(0, true);
  if (bits === 16) return value;
  // Two entries of FAT12 share three bytes.
  return cluster % 2 === 0 ? value & 0xfff : value >> 4;
}

function parseEntries(bytes: Uint8Array): readonly Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
    const entry = bytes.subarray(at, at + ENTRY_BYTES);
    const view = viewOf(entry);
    if (view.getUint8(0) === 0) break;
    const attributes = view.getUint8(11);
    const isNamed = view.getUint8(0) !== DELETED && (attributes & LONG_NAME) !== LONG_NAME;
    if (!isNamed || (attributes & VOLUME_LABEL) !== 0) continue;
    entries.push({
      name: shortName(entry),
      isFolder: (attributes & FOLDER) !== 0,
      cluster: (view.getUint16(20, true) << 16) | view.getUint16(26, true),
      sizeBytes: view.getUint32(28, true),
    });
  }
  return entries;
}

function shortName(entry: Uint8Array): string {
  const text = (from: number, to: number) => String.fromCharCode(...entry.subarray(from, to)).trimEnd();
  const [base, extension] = [text(0, 8), text(8, 11)];
  return extension === '' ? base : `${base}.${extension}`;
}

const NOTHING = new Uint8Array(0);
