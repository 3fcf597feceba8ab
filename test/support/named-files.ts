// A catalogue of named files in memory, with made-up but repeatable content.

import type { NamedFile, NamedFiles } from '../../src/base/named-files.ts';
import { seededRandom } from '../../src/base/random.ts';

const made = new Map<string, Uint8Array>();

export function contentOf(name: string, sizeBytes: number): Uint8Array {
  const key = `${name} ${sizeBytes}`;
  const known = made.get(key);
  if (known !== undefined) return known;
  const random = seededRandom([...name].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), sizeBytes));
  const bytes = Uint8Array.from({ length: sizeBytes }, () => random.next() * 256);
  made.set(key, bytes);
  return bytes;
}

export function namedFilesOf(sizes: Readonly<Record<string, number>>): NamedFiles {
  const files = new Map<string, NamedFile>(
    Object.entries(sizes).map(([name, sizeBytes]) => {
      const bytes = contentOf(name, sizeBytes);
      const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
      return [name, { name, sizeBytes, etag: `"${name}-${sizeBytes}"`, read }];
    }),
  );
  return { list: () => [...files.values()], get: (name) => files.get(name) };
}
