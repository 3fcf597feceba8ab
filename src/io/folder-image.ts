// A folder as the bytes of its package, at any position: the archive is never written down, but read from the files.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { assert, PeerbootError } from '../base/errors.ts';
import { ARCHIVE_END_BYTES, encodeHead, paddingBytes } from '../chunk/archive.ts';
import { entryPath, type FolderScan } from './folder-scan.ts';
import type { ImageFile } from './image-file.ts';

/** Its `read` throws PB-PACKAGE-CHANGED when a file is no longer as long as it was, PB-PACKAGE-UNREADABLE when it fails. */
export function openFolderImage({ root, entries }: Pick<FolderScan, 'root' | 'entries'>): ImageFile {
  const isFolder = entries[0]?.entry.kind === 'folder';
  /** Where each entry's headers begin. */
  const starts = new Float64Array(entries.length + 1);
  entries.forEach(({ entry }, i) => {
    const size = entry.kind === 'file' ? entry.size : 0;
    starts[i + 1] = (starts[i] as number) + encodeHead(entry).length + size + paddingBytes(size);
  });
  const end = starts[entries.length] as number;
  let open: { readonly path: string; readonly fd: number } | undefined;

  function close(): void {
    if (open !== undefined) closeSync(open.fd);
    open = undefined;
  }

  /** The last one stays open: large files are read in many calls. */
  function fdOf(path: string, size: number): number {
    if (open?.path === path) return open.fd;
    close();
    try {
      const fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
      open = { path, fd };
    } catch (cause) {
      throw new PeerbootError('PB-PACKAGE-UNREADABLE', `${path}: ${(cause as Error).message}`, { cause });
    }
    const stats = fstatSync(open.fd);
    if (!stats.isFile() || stats.size !== size) throw changed(path);
    return open.fd;
  }

  function readContent(path: string, size: number, into: Uint8Array, position: number): void {
    const fd = fdOf(path, size);
    for (let done = 0; done < into.length; ) {
      const got = readSync(fd, into, done, into.length - done, position + done);
      if (got === 0) throw changed(path);
      done += got;
    }
  }

  /** Fills `into`, which lies within this entry, from `position` after the entry's start. */
  function readEntry(index: number, into: Uint8Array, position: number): void {
    const { entry } = entries[index] as (typeof entries)[number];
    const head = encodeHead(entry);
    const ofHead = head.subarray(position, position + into.length);
    into.set(ofHead);
    if (ofHead.length === into.length) return;
    const size = entry.kind === 'file' ? entry.size : 0;
    const rest = into.subarray(ofHead.length);
    const from = position + ofHead.length - head.length;
    const ofContent = rest.subarray(0, Math.max(0, size - from));
    if (ofContent.length > 0) readContent(entryPath(root, entry, isFolder), size, ofContent, from);
    rest.fill(0, ofContent.length);
  }

  return {
    format: 'package',
    imageBytes: end + ARCHIVE_END_BYTES,
    close,
    read(into, position) {
      assert(position + into.length <= end + ARCHIVE_END_BYTES, 'within the archive');
      let done = 0;
      for (let index = entryAt(starts, position); done < into.length && index < entries.length; index++) {
        const at = position + done;
        const length = Math.min(into.length - done, (starts[index + 1] as number) - at);
        readEntry(index, into.subarray(done, done + length), at - (starts[index] as number));
        done += length;
      }
      into.fill(0, done);
    },
  };
}

/** The last entry that begins at or before `position`. */
function entryAt(starts: Float64Array, position: number): number {
  let [low, high] = [0, starts.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((starts[middle] as number) <= position) low = middle;
    else high = middle;
  }
  return low;
}

function changed(path: string): PeerbootError {
  return new PeerbootError('PB-PACKAGE-CHANGED', `${path} changed while it was read`);
}
