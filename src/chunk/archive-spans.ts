// Where each file's content lies in a package's archive, so that a part of it can be read without the rest.
import { type ArchiveEntry, encodeHead, paddingBytes } from './archive.ts';

export interface FileSpan {
  readonly path: string;
  /** In the archive's plain bytes. */
  readonly offset: number;
  readonly size: number;
}

/** `entries` in the archive's order; folders and links have no content. */
export function fileSpans(entries: Iterable<ArchiveEntry>): FileSpan[] {
  const spans: FileSpan[] = [];
  let at = 0;
  for (const entry of entries) {
    at += encodeHead(entry).length;
    if (entry.kind !== 'file') continue;
    spans.push({ path: entry.path, offset: at, size: entry.size });
    at += entry.size + paddingBytes(entry.size);
  }
  return spans;
}
