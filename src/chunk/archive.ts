// A package as one stream of bytes: a POSIX tar archive (ustar, pax where needed) in exactly one spelling.
import { concatBytes, equalBytes, fromText, isAllZero, toText } from '../base/bytes.ts';
import { assert, WireError } from '../base/errors.ts';
import { utf8Length, wrongLink, wrongPath } from './archive-names.ts';
import { SECTOR_BYTES } from './slice.ts';

/** The folder itself, first in a package that is a folder. A package that is one file has that file alone. */
export const ROOT_PATH = '.';

export type ArchiveEntry =
  | { readonly kind: 'folder'; readonly path: string }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly size: number;
      readonly executable: boolean;
    }
  /** A symbolic link; `to` is relative, see `wrongLink`. */
  | { readonly kind: 'link'; readonly path: string; readonly to: string };

/** Two sectors of zeros end an archive (POSIX.1-2017, pax, "ustar Interchange Format"). */
export const ARCHIVE_END_BYTES = 2 * SECTOR_BYTES;

/** The field has eleven octal digits: 8 GiB and more need pax. */
const MOST_USTAR_BYTES = 8 ** 11 - 1;
const NAME_BYTES = 100;
/** Of a pax header: two paths and a number. */
const MOST_PAX_BYTES = 16 * 1024;

const TYPE = { file: '0', link: '2', folder: '5', pax: 'x' } as const;
/** Offsets and lengths of a header's fields. */
const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkname: [157, 100],
  magic: [257, 8],
} as const;

/** What of the entry's content is filled up with zeros, so that the next header begins a sector. */
export function paddingBytes(size: number): number {
  return (SECTOR_BYTES - (size % SECTOR_BYTES)) % SECTOR_BYTES;
}

/**
 * Headers of the entry, whole sectors; a file's content and padding follow. There is one spelling: no owner, no times
 * (mtime 0), mode 0755 for folders and what may be executed, else 0644, links 0777; pax records only for what ustar's
 * fields cannot say.
 */
export function encodeHead(entry: ArchiveEntry): Uint8Array {
  const name = entry.kind === 'folder' ? `${entry.path}/` : entry.path;
  const link = entry.kind === 'link' ? entry.to : '';
  const size = entry.kind === 'file' ? entry.size : 0;
  assert(Number.isSafeInteger(size) && size >= 0, `size ${size}`);
  const records = [
    ...(fits(link) ? [] : [record('linkpath', link)]),
    ...(fits(name) ? [] : [record('path', name)]),
    ...(size <= MOST_USTAR_BYTES ? [] : [record('size', String(size))]),
  ].join('');
  const own = header({
    name: fits(name) ? name : shortened(name),
    type: TYPE[entry.kind],
    mode: entry.kind === 'link' ? 0o777 : entry.kind === 'folder' || entry.executable ? 0o755 : 0o644,
    size: size <= MOST_USTAR_BYTES ? size : 0,
    link: fits(link) ? link : shortened(link),
  });
  if (records === '') return own;
  const body = fromText(records);
  const pax = header({ name: '././@PaxHeader', type: TYPE.pax, mode: 0o644, size: body.length, link: '' });
  return concatBytes([pax, body, new Uint8Array(paddingBytes(body.length)), own]);
}

/** ASCII that has its room: said by ustar alone. */
function fits(text: string): boolean {
  return text.length <= NAME_BYTES && /^[\x20-\x7e]*$/.test(text);
}

/** For readers that do not know pax: better than nothing. */
function shortened(text: string): string {
  const ascii = text.replaceAll(/[^\x20-\x7e]/gu, '_').slice(-NAME_BYTES);
  return ascii.startsWith('/') ? `_${ascii.slice(1)}` : ascii;
}

/** `length key=value\n`, where the length counts its own digits, too. */
function record(key: string, value: string): string {
  const rest = key.length + utf8Length(value) + 3;
  let length = rest + 1;
  while (rest + String(length).length !== length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function header(input: { name: string; type: string; mode: number; size: number; link: string }): Uint8Array {
  const bytes = new Uint8Array(SECTOR_BYTES);
  const put = (at: number, text: string): void => bytes.set(fromText(text), at);
  const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');
  put(FIELD.name[0], input.name);
  put(FIELD.mode[0], octal(input.mode, 7));
  put(FIELD.uid[0], octal(0, 7));
  put(FIELD.gid[0], octal(0, 7));
  put(FIELD.size[0], octal(input.size, 11));
  put(FIELD.mtime[0], octal(0, 11));
  put(FIELD.type[0], input.type);
  put(FIELD.linkname[0], input.link);
  put(FIELD.magic[0], 'ustar\x0000');
  // The checksum is taken with its own field full of spaces.
  put(FIELD.checksum[0], ' '.repeat(8));
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  put(FIELD.checksum[0], `${octal(sum, 6)}\0 `);
  return bytes;
}

/**
 * What the first sector of an entry says about how long its headers are: 512 bytes, or more with pax. `undefined` for
 * a sector of zeros: the archive ends there.
 */
export function headLength(sector: Uint8Array): number | undefined | WireError {
  if (isAllZero(sector)) return undefined;
  if (text(sector, FIELD.type) !== TYPE.pax) return SECTOR_BYTES;
  const size = octalOf(sector, FIELD.size);
  if (size === undefined || size > MOST_PAX_BYTES) return new WireError('pax header of no proper size');
  return 2 * SECTOR_BYTES + size + paddingBytes(size);
}

/** Headers of `headLength` bytes → the entry. Only our one spelling is taken: everything else is refused. */
export function decodeHead(bytes: Uint8Array): ArchiveEntry | WireError {
  const own = bytes.subarray(-SECTOR_BYTES);
  const records = bytes.length === SECTOR_BYTES ? new Map() : recordsOf(bytes);
  const name: string = records.get('path') ?? text(own, FIELD.name);
  const size = Number(records.get('size') ?? octalOf(own, FIELD.size));
  const type = text(own, FIELD.type);
  const path = name.endsWith('/') ? name.slice(0, -1) : name;
  const to: string = records.get('linkpath') ?? text(own, FIELD.linkname);
  const wrong =
    (path === ROOT_PATH && type === TYPE.folder ? undefined : wrongPath(path)) ??
    (type === TYPE.link ? wrongLink(path, to) : undefined);
  if (wrong !== undefined) return new WireError(wrong);
  if (!Number.isSafeInteger(size) || size < 0) return new WireError('an entry of no proper size');
  const entry = entryOf(type, path, { to, size, executable: octalOf(own, FIELD.mode) === 0o755 });
  if (entry === undefined) return new WireError(`an entry of type ${JSON.stringify(type)}`);
  return equalBytes(encodeHead(entry), bytes) ? entry : new WireError(`an unusual header of ${path}`);
}

function entryOf(
  type: string,
  path: string,
  facts: { to: string; size: number; executable: boolean },
): ArchiveEntry | undefined {
  const { to, size, executable } = facts;
  if (type === TYPE.file) return { kind: 'file', path, size, executable };
  if (type === TYPE.folder) return { kind: 'folder', path };
  return type === TYPE.link ? { kind: 'link', path, to } : undefined;
}

/** Lenient: what it misreads does not encode to the same bytes again. */
function recordsOf(bytes: Uint8Array): Map<string, string> {
  const size = octalOf(bytes, FIELD.size) ?? 0;
  const body = bytes.subarray(SECTOR_BYTES, SECTOR_BYTES + size);
  const records = new Map<string, string>();
  for (let at = 0; at < body.length; ) {
    const length = Number.parseInt(toText(body.subarray(at, at + 8)), 10);
    if (!(length > 0)) break;
    const line = toText(body.subarray(at, at + length - 1));
    const [, key = '', value = ''] = /^\d+ ([^=]*)=([\s\S]*)$/.exec(line) ?? [];
    records.set(key, value);
    at += length;
  }
  return records;
}

function text(bytes: Uint8Array, [at, length]: readonly [number, number]): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return toText(end < 0 ? field : field.subarray(0, end));
}

function octalOf(bytes: Uint8Array, field: readonly [number, number]): number | undefined {
  const digits = text(bytes, field);
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}
