// Reads a package's archive as its bytes come, in pieces of any size, and refuses whatever could reach outside its folder.
import { isAllZero } from '../base/bytes.ts';
import { assert, WireError } from '../base/errors.ts';
import {
  ARCHIVE_END_BYTES,
  type ArchiveEntry,
  decodeHead,
  headLength,
  paddingBytes,
  ROOT_PATH,
} from './archive.ts';
import { SECTOR_BYTES } from './slice.ts';

export type ArchiveEvent =
  | { readonly kind: 'entry'; readonly entry: ArchiveEntry }
  /** Content of the file that was the last entry: a window on what was pushed. */
  | { readonly kind: 'data'; readonly bytes: Uint8Array };

/**
 * Entries come sorted, each once, the folder before what lies in it; nothing lies in a file or a link. So whoever makes
 * each folder himself, and refuses to make what is there already, writes nowhere else.
 */
export class ArchiveReader {
  /** Of headers, or of padding, until there is enough of it. */
  #kept = new Uint8Array(SECTOR_BYTES);
  #keptBytes = 0;
  #neededBytes = SECTOR_BYTES;
  #fileBytesLeft = 0;
  #paddingLeft = 0;
  #ended = false;
  #last: string | undefined;
  /** A package of one file has nothing after it. */
  #isSingle = false;
  readonly #folders: string[] = [];

  /** The events of these bytes, or what is wrong with them: then nothing more may be pushed. */
  *push(bytes: Uint8Array): Generator<ArchiveEvent | WireError> {
    let at = 0;
    while (at < bytes.length) {
      if (this.#fileBytesLeft > 0) {
        const piece = bytes.subarray(at, at + this.#fileBytesLeft);
        this.#fileBytesLeft -= piece.length;
        at += piece.length;
        yield { kind: 'data', bytes: piece };
      } else if (this.#paddingLeft > 0) {
        const piece = bytes.subarray(at, at + this.#paddingLeft);
        this.#paddingLeft -= piece.length;
        at += piece.length;
        if (!isAllZero(piece)) return yield new WireError('padding that is not zero');
      } else if (this.#ended) {
        return yield new WireError('bytes behind the end of the archive');
      } else {
        const piece = bytes.subarray(at, at + this.#neededBytes - this.#keptBytes);
        this.#kept.set(piece, this.#keptBytes);
        this.#keptBytes += piece.length;
        at += piece.length;
        if (this.#keptBytes < this.#neededBytes) return;
        const event = this.#head();
        if (event !== undefined) yield event;
        if (event instanceof WireError) return;
      }
    }
  }

  /** No more bytes come: undefined when that is right. */
  end(): WireError | undefined {
    if (!this.#ended) return new WireError('the archive is cut off');
    return this.#last === undefined ? new WireError('the archive is empty') : undefined;
  }

  /** As many bytes as were needed are there: an entry, or nothing yet. */
  #head(): ArchiveEvent | WireError | undefined {
    const bytes = this.#kept.subarray(0, this.#neededBytes);
    if (this.#neededBytes === SECTOR_BYTES) {
      const length = headLength(bytes);
      if (length instanceof WireError) return length;
      if (length !== SECTOR_BYTES) return this.#expect(length ?? ARCHIVE_END_BYTES);
    } else if (isAllZero(bytes)) {
      this.#ended = true;
      return undefined;
    }
    const entry = decodeHead(bytes);
    if (entry instanceof WireError) return entry;
    const wrong = this.#misplaced(entry);
    if (wrong !== undefined) return new WireError(wrong);
    this.#keptBytes = 0;
    this.#neededBytes = SECTOR_BYTES;
    if (entry.kind === 'file') {
      this.#fileBytesLeft = entry.size;
      this.#paddingLeft = paddingBytes(entry.size);
    }
    return { kind: 'entry', entry };
  }

  #expect(length: number): undefined {
    assert(length > this.#neededBytes, 'more is needed');
    const larger = new Uint8Array(Math.max(length, this.#kept.length));
    larger.set(this.#kept.subarray(0, this.#keptBytes));
    this.#kept = larger;
    this.#neededBytes = length;
    return undefined;
  }

  #misplaced({ kind, path }: ArchiveEntry): string | undefined {
    if (this.#last === undefined) {
      this.#last = path;
      this.#isSingle = path !== ROOT_PATH;
      if (!this.#isSingle) return undefined;
      return kind !== 'file' || path.includes('/') ? `${path} comes before the package's folder` : undefined;
    }
    if (this.#isSingle || path === ROOT_PATH) return `${path} comes after a package of one file`;
    const key = sortKey(kind, path);
    if (this.#last !== ROOT_PATH && key <= this.#last) return `${path} is out of order, or comes twice`;
    this.#last = key;
    while (this.#folders.length > 0 && !path.startsWith(`${this.#folders.at(-1)}/`)) this.#folders.pop();
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    if (parent !== (this.#folders.at(-1) ?? '')) return `${path} lies in no folder of the package`;
    if (kind === 'folder') this.#folders.push(path);
    return undefined;
  }
}

/** In what order entries come: by their paths, a folder's with its slash, so that it comes just before what is in it. */
export function sortKey(kind: ArchiveEntry['kind'], path: string): string {
  return kind === 'folder' ? `${path}/` : path;
}
