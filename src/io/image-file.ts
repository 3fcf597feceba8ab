// A disk image as the plain bytes of its disk, whatever the file's format: raw or qcow2, told by its content.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { PeerbootError } from '../base/errors.ts';
import { MAX_IMAGE_BYTES } from '../chunk/manifest.ts';
import { isQcow2, openQcow2 } from './qcow2.ts';

/** Read by worker threads, which have nothing else to do meanwhile: so its calls block. */
export interface ImageFile {
  readonly format: 'raw' | 'qcow2' | 'package';
  /** Length of the plain disk, or archive, in bytes, a multiple of 512. */
  readonly imageBytes: number;
  /** Fills `into` with the disk's bytes from `position`; both must lie within the disk. */
  read(into: Uint8Array, position: number): void;
  close(): void;
}

/** An open file, for readers of formats. */
export interface RandomReader {
  readonly fileBytes: number;
  /** Reads what there is, at most `into.length`, and tells how much it was. */
  readInto(into: Uint8Array, position: number): number;
  readUpTo(position: number, length: number): Uint8Array;
  close(): void;
}

/** Formats that are taken for raw disks by mistake: their bytes would be published as they are, and never boot. */
const FOREIGN: readonly { readonly what: string; readonly at: number; readonly magic: string }[] = [
  { what: 'a VMDK image', at: 0, magic: 'KDMV' },
  { what: 'a VHDX image', at: 0, magic: 'vhdxfile' },
  { what: 'a VHD image', at: 0, magic: 'conectix' },
  { what: 'a VDI image', at: 0x40, magic: '\x7f\x10\xda\xbe' },
  { what: 'a WIM archive', at: 0, magic: 'MSWIM\0\0\0' },
  { what: 'compressed (gzip)', at: 0, magic: '\x1f\x8b\x08' },
  { what: 'compressed (xz)', at: 0, magic: '\xfd7zXZ\0' },
  { what: 'compressed (zstd)', at: 0, magic: '\x28\xb5\x2f\xfd' },
  { what: 'compressed (bzip2)', at: 0, magic: 'BZh' },
  { what: 'a zip archive', at: 0, magic: 'PK\x03\x04' },
];

/** Throws PB-IMAGE-UNREADABLE when it is not there, no disk, or in a form that cannot be read. */
export function openImage(path: string): ImageFile {
  const file = openReader(path);
  try {
    const head = file.readUpTo(0, 512);
    if (isQcow2(head)) return openQcow2(file);
    return openRaw(file, path, head);
  } catch (error) {
    file.close();
    throw error;
  }
}

function openRaw(file: RandomReader, path: string, head: Uint8Array): ImageFile {
  const text = String.fromCharCode(...head);
  const foreign = FOREIGN.find(({ at, magic }) => text.startsWith(magic, at));
  if (foreign !== undefined) throw unreadable(`${path} is ${foreign.what}`);
  const { fileBytes } = file;
  if (fileBytes === 0 || fileBytes % 512 !== 0 || fileBytes > MAX_IMAGE_BYTES) {
    throw unreadable(`${path} has ${fileBytes} bytes, which is no disk of whole 512-byte sectors`);
  }
  return {
    format: 'raw',
    imageBytes: fileBytes,
    close: () => file.close(),
    read(into, position) {
      const got = file.readInto(into, position);
      if (got < into.length) throw unreadable(`${path} became shorter while it was read`);
    },
  };
}

function openReader(path: string): RandomReader {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (cause) {
    throw unreadable(`${path} cannot be opened: ${(cause as Error).message}`, cause);
  }
  const fileBytes = fileBytesOf(fd, path);
  const readInto = (into: Uint8Array, position: number): number => {
    let done = 0;
    // A format's broken tables may point anywhere, even where no file could reach.
    if (position >= fileBytes) return 0;
    while (done < into.length) {
      const got = readSync(fd, into, done, into.length - done, position + done);
      if (got === 0) break;
      done += got;
    }
    return done;
  };
  return {
    fileBytes,
    readInto,
    readUpTo(position, length) {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, readInto(bytes, position));
    },
    close: () => closeSync(fd),
  };
}

/** A block device has no size in its inode: its end is found by halving, one byte a step. */
function fileBytesOf(fd: number, path: string): number {
  const stat = fstatSync(fd);
  if (stat.isFile()) return stat.size;
  if (!stat.isBlockDevice()) {
    closeSync(fd);
    throw unreadable(`${path} is neither a file nor a block device`);
  }
  const one = new Uint8Array(1);
  const has = (position: number) => readSync(fd, one, 0, 1, position) === 1;
  let [low, high] = [0, 512];
  while (high < MAX_IMAGE_BYTES && has(high - 1)) [low, high] = [high, high * 2];
  while (high - low > 512) {
    const middle = low + Math.floor((high - low) / 1024) * 512;
    if (has(middle - 1)) low = middle;
    else high = middle;
  }
  return low;
}

function unreadable(what: string, cause?: unknown): PeerbootError {
  return new PeerbootError('PB-IMAGE-UNREADABLE', what, { cause });
}
