// Making a package's files: whatever archive comes, signed or not, nothing outside the folder is touched.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/base/bytes.ts';
import { WireError } from '../../src/base/errors.ts';
import { ARCHIVE_END_BYTES, type ArchiveEntry, encodeHead, ROOT_PATH } from '../../src/chunk/archive.ts';
import { ArchiveReader } from '../../src/chunk/archive-reader.ts';
import { createFolderWriter } from '../../src/io/folder-writer.ts';
import { readFolder } from '../support/folder.ts';

let home: string;
let number = 0;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'peerboot-writer-'));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Feeds raw bytes through the reader into the writer, as a fetch does; the first thing that went wrong. */
async function extract(bytes: Uint8Array, root: string): Promise<unknown> {
  const reader = new ArchiveReader();
  const writer = createFolderWriter(root);
  try {
    for (const event of reader.push(bytes)) {
      if (event instanceof WireError) throw event;
      if (event.kind === 'data') await writer.data(event.bytes);
      else await writer.begin(event.entry);
    }
    const cut = reader.end();
    if (cut !== undefined) throw cut;
    return undefined;
  } catch (error) {
    return error;
  } finally {
    await writer.end().catch(() => {});
  }
}

const names = fc.constantFrom(
  'a',
  'b',
  'A',
  '..',
  '.',
  'link',
  'secret',
  '../victim',
  '/etc',
  'a/b',
  'a/../..',
  'c/',
);
const targets = fc.constantFrom('..', '../victim', '/etc', 'a', '../..', '.', 'a/..', 'link/../..');
const entry: fc.Arbitrary<ArchiveEntry> = fc.oneof(
  fc.record({ kind: fc.constant('folder' as const), path: names }),
  fc.record({ kind: fc.constant('link' as const), path: names, to: targets }),
  fc.record({
    kind: fc.constant('file' as const),
    path: names,
    size: fc.constant(512),
    executable: fc.boolean(),
  }),
);

describe('a hostile archive', () => {
  it('touches nothing outside the folder', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 8 }), fc.boolean(), async (entries, sorted) => {
        const base = join(home, String(++number));
        mkdirSync(join(base, 'victim'), { recursive: true });
        writeFileSync(join(base, 'victim', 'secret'), 'untouched');
        const list = sorted ? entries.toSorted((a, b) => (a.path < b.path ? -1 : 1)) : entries;
        const parts = list.flatMap((one) => [
          encodeHead(one),
          new Uint8Array(one.kind === 'file' ? 512 : 0).fill(65),
        ]);
        const head = encodeHead({ kind: 'folder', path: ROOT_PATH });
        const bytes = concatBytes([head, ...parts, new Uint8Array(ARCHIVE_END_BYTES)]);
        await extract(bytes, join(base, 'tree'));
        const { 'tree/': _, ...outside } = Object.fromEntries(
          Object.entries(readFolder(base)).filter(([path]) => !/^tree\/./.test(path)),
        );
        expect(outside).toEqual({ 'victim/': '', 'victim/secret': 'untouched' });
        // Links that were made lead nowhere else, either.
        for (const [path, content] of Object.entries(readFolder(join(base, 'tree')))) {
          if (content.startsWith('->')) expect(existsSync(join(base, 'tree', path, 'victim'))).toBe(false);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('does not write through what lies there already', async () => {
    const base = join(home, 'there');
    mkdirSync(base);
    writeFileSync(join(base, 'victim'), 'untouched');
    symlinkSync('victim', join(base, 'tree'));
    const single = concatBytes([
      encodeHead({ kind: 'file', path: 'x', size: 512, executable: false }),
      new Uint8Array(512),
      new Uint8Array(ARCHIVE_END_BYTES),
    ]);
    expect(await extract(single, join(base, 'tree'))).toMatchObject({ code: 'PB-PACKAGE-WRITE' });
    expect(readFileSync(join(base, 'victim'), 'utf8')).toBe('untouched');
  });

  it('where a name is taken says which', async () => {
    const writer = createFolderWriter(join(home, 'twice'));
    await writer.begin({ kind: 'folder', path: ROOT_PATH });
    await writer.begin({ kind: 'link', path: 'a', to: 'b' });
    await expect(writer.begin({ kind: 'folder', path: 'a' })).rejects.toMatchObject({
      code: 'PB-PACKAGE-WRITE',
      message: expect.stringMatching(/twice\/a: EEXIST/),
    });
  });
});
