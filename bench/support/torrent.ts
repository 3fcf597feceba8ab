// Bencode (BEP 3), as far as a benchmark's torrent and its tracker's answers need it.
import { createHash } from 'node:crypto';

export type Bencodable =
  | number
  | string
  | Uint8Array
  | readonly Bencodable[]
  | { readonly [key: string]: Bencodable };

export function bencode(value: Bencodable): Buffer {
  if (typeof value === 'number') return Buffer.from(`i${value}e`);
  if (typeof value === 'string') return bencode(Buffer.from(value));
  if (value instanceof Uint8Array) return Buffer.concat([Buffer.from(`${value.length}:`), value]);
  const [opens, parts] = Array.isArray(value)
    ? ['l', value.map(bencode)]
    : // BEP 3: keys are sorted as raw strings.
      [
        'd',
        Object.entries(value)
          .sort(byKey)
          .flatMap(([key, one]) => [bencode(key), bencode(one)]),
      ];
  return Buffer.concat([Buffer.from(opens), ...parts, Buffer.from('e')]);
}

function byKey([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A torrent of one file whose bytes are given. */
export function torrentOf(
  name: string,
  bytes: Uint8Array,
  options: { readonly pieceBytes: number; readonly announce: string },
): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += options.pieceBytes) {
    const piece = bytes.subarray(at, at + options.pieceBytes);
    pieces.push(createHash('sha1').update(piece).digest());
  }
  const info = {
    name,
    length: bytes.length,
    'piece length': options.pieceBytes,
    pieces: Buffer.concat(pieces),
  };
  return bencode({ announce: options.announce, info });
}
