// The archive of a package: entries come back as they were, in pieces of any size, and nothing reaches outside its folder.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, fromText, toText } from '../../src/base/bytes.ts';
import { WireError } from '../../src/base/errors.ts';
import { randomInt, seededRandom } from '../../src/base/random.ts';
import {
  ARCHIVE_END_BYTES,
  type ArchiveEntry,
  decodeHead,
  encodeHead,
  paddingBytes,
  ROOT_PATH,
} from '../../src/chunk/archive.ts';
import { foldedPath, windowsRefuses, wrongLink, wrongPath } from '../../src/chunk/archive-names.ts';
import { ArchiveReader, sortKey } from '../../src/chunk/archive-reader.ts';
import { fileSpans } from '../../src/chunk/archive-spans.ts';

interface Made {
  readonly entry: ArchiveEntry;
  readonly content: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);
const folder = (path: string): Made => ({ entry: { kind: 'folder', path }, content: NO_BYTES });
const link = (path: string, to: string): Made => ({ entry: { kind: 'link', path, to }, content: NO_BYTES });
const file = (path: string, content: Uint8Array = NO_BYTES, executable = false): Made => ({
  entry: { kind: 'file', path, size: content.length, executable },
  content,
});

function archive(made: readonly Made[]): Uint8Array {
  const parts = made.flatMap(({ entry, content }) => [
    encodeHead(entry),
    content,
    new Uint8Array(paddingBytes(content.length)),
  ]);
  return concatBytes([...parts, new Uint8Array(ARCHIVE_END_BYTES)]);
}

/** What a reader makes of it when it comes in these pieces; the error that ended it, if one did. */
function read(bytes: Uint8Array, pieces: () => number): { made: Made[]; wrong: WireError | undefined } {
  const reader = new ArchiveReader();
  const made: { entry: ArchiveEntry; content: Uint8Array }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(bytes.length - at, Math.max(1, pieces()));
    for (const event of reader.push(bytes.subarray(at, at + length))) {
      if (event instanceof WireError) return { made, wrong: event };
      const last = made.at(-1);
      if (event.kind === 'entry') made.push({ entry: event.entry, content: NO_BYTES });
      else if (last !== undefined) last.content = concatBytes([last.content, event.bytes]);
    }
    at += length;
  }
  return { made, wrong: reader.end() };
}

const name = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
    fc.constantFrom('a', 'b', 'a b', 'ä', '日本語', 'é', 'x'.repeat(120), '🙂.txt', '-rf', 'a\nb'),
  )
  .filter((text) => wrongPath(text) === undefined && !text.includes('/'));

/** A folder with anything in it, sorted as the archive has it. */
const tree = fc
  .array(
    fc.tuple(fc.array(name, { minLength: 1, maxLength: 4 }), fc.uint8Array({ maxLength: 1500 }), fc.nat(3)),
    {
      maxLength: 12,
    },
  )
  .map((paths) => {
    const byPath = new Map<string, Made>();
    for (const [parts, content, kind] of paths) {
      const parents = parts.slice(0, -1).map((_, i) => parts.slice(0, i + 1).join('/'));
      if (parents.some((parent) => (byPath.get(parent)?.entry.kind ?? 'folder') !== 'folder')) continue;
      const path = parts.join('/');
      if (byPath.has(path)) continue;
      for (const parent of parents) byPath.set(parent, folder(parent));
      const made = [folder(path), link(path, 'somewhere'), file(path, content), file(path, content, true)][
        kind
      ];
      byPath.set(path, made as Made);
    }
    const sorted = [...byPath.values()].sort((a, b) =>
      sortKey(a.entry.kind, a.entry.path) < sortKey(b.entry.kind, b.entry.path) ? -1 : 1,
    );
    return [folder(ROOT_PATH), ...sorted];
  });

describe('an archive', () => {
  it('gives back what was put in, in pieces of any size', () => {
    fc.assert(
      fc.property(tree, fc.integer(), (made, seed) => {
        const random = seededRandom(seed);
        const bytes = archive(made);
        expect(bytes.length % 512).toBe(0);
        expect(read(bytes, () => randomInt(random, 700))).toEqual({ made, wrong: undefined });
      }),
      { numRuns: 100 },
    );
  });

  it('of one file is that file alone', () => {
    const made = [file('setup.exe', fromText('MZ'), true)];
    expect(read(archive(made), () => 512)).toEqual({ made, wrong: undefined });
    expect(read(archive([...made, file('two')]), () => 512).wrong?.message).toMatch(
      /after a package of one file/,
    );
  });

  it.each([
    ['8 GiB less one byte', 8 ** 11 - 1, 512],
    ['8 GiB', 8 ** 11, 1536],
    ['40 TB', 40e12, 1536],
  ])('says %s', (_what, size, length) => {
    const entry = { kind: 'file', path: 'large.bin', size, executable: false } as const;
    expect(encodeHead(entry)).toHaveLength(length);
    expect(decodeHead(encodeHead(entry))).toEqual(entry);
  });

  it.each([
    ['short', 'a/b.txt', 512],
    ['100 bytes', 'n'.repeat(100), 512],
    ['101 bytes', 'n'.repeat(101), 1536],
    ['4000 bytes', `${'ab/'.repeat(1333)}a`, 512 * 10],
    ['not ASCII', 'Grüße/日本語.txt', 1536],
  ])('says a path that is %s', (_what, path, length) => {
    const entry = { kind: 'file', path, size: 3, executable: true } as const;
    expect(encodeHead(entry)).toHaveLength(length);
    expect(decodeHead(encodeHead(entry))).toEqual(entry);
  });

  it.each([
    ['short', 'b', 512],
    ['100 bytes', 'n'.repeat(100), 512],
    ['101 bytes', 'n'.repeat(101), 1536],
    ['not ASCII', 'Grüße', 1536],
    ['long, its last hundred bytes an absolute path', `a/${'b'.repeat(20)}/${'c'.repeat(99)}`, 1536],
  ])('says a link to a name that is %s', (_what, to, length) => {
    const entry = { kind: 'link', path: 'a', to } as const;
    const head = encodeHead(entry);
    expect(head).toHaveLength(length);
    expect(decodeHead(head)).toEqual(entry);
    // Readers without pax are not led to the root: their field of 100 bytes holds no absolute path.
    expect(head[head.length - 512 + 157]).not.toBe('/'.charCodeAt(0));
  });

  it.each([
    ['no number', 'x path=a\n'],
    ['no key and value', '9 nothing'],
    ['a length of nought', '0 path=a\n'],
  ])('with a pax record of %s is refused', (_what, record) => {
    const head = encodeHead({ kind: 'file', path: 'ü', size: 0, executable: false });
    head.fill(0, 512, 1024);
    head.set(fromText(record), 512);
    expect(decodeHead(head)).toBeInstanceOf(WireError);
  });

  it('with anything in its padding is refused: there is one spelling', () => {
    const bytes = archive([folder(ROOT_PATH), file('a', fromText('content'))]);
    bytes[512 + 512 + 20] = 1;
    expect(read(bytes, () => 512).wrong?.message).toBe('padding that is not zero');
  });

  it('tells one error and nothing more, however much comes with it', () => {
    const broken = concatBytes([
      encodeHead({ kind: 'folder', path: 'a/../b' }),
      archive([folder(ROOT_PATH)]),
    ]);
    const events = [...new ArchiveReader().push(broken)];
    expect(events).toHaveLength(1);
    expect(events[0]).toBeInstanceOf(WireError);
  });

  it.each([
    ['a folder', folder('a')],
    ['a link', link('a', 'b')],
    ['a file in a folder', file('a/b')],
  ])('that begins with %s, not with its own folder, is refused', (_what, made) => {
    expect(read(archive([made]), () => 512).wrong?.message).toMatch(/before the package's folder/);
  });

  it.each([
    ['an absolute path', [file('/etc/passwd')]],
    ['a path upwards', [file('../escape')]],
    ['a path upwards later', [folder('a'), file('a/../../escape')]],
    ['an empty part', [folder('a'), file('a//b')]],
    ['a folder called ..', [folder('..')]],
    ['a file in no folder', [file('a/b')]],
    ['a file in a file', [file('a'), file('a/b')]],
    ['a file through a link', [link('a', 'b'), file('a/x')]],
    ['a link to an absolute path', [link('a', '/etc')]],
    ['a link upwards', [link('a', '..')]],
    ['a link that turns back', [folder('a'), link('a/b', 'c/../../..')]],
    ['a name twice', [file('a'), file('a')]],
    ['a folder twice', [folder('a'), folder('a')]],
    ['another order', [file('b'), file('a')]],
    ['the folder itself again', [folder(ROOT_PATH)]],
    ['a NUL in a name', [file('a\0b')]],
  ])('with %s is refused', (_what, made) => {
    const { wrong, made: before } = read(archive([folder(ROOT_PATH), ...made]), () => 512);
    expect(wrong).toBeInstanceOf(WireError);
    expect(before.length).toBeLessThanOrEqual(made.length);
  });

  it.each([
    ['nothing', new Uint8Array(0)],
    ['no entry', new Uint8Array(ARCHIVE_END_BYTES)],
    ['no end', archive([folder(ROOT_PATH), file('a')]).subarray(0, -512)],
    ['half a file', archive([folder(ROOT_PATH), file('a', new Uint8Array(2000))]).subarray(0, 2048)],
    ['something behind its end', concatBytes([archive([folder(ROOT_PATH)]), new Uint8Array(512)])],
  ])('of %s is refused', (_what, bytes) => {
    expect(read(bytes, () => 512).wrong).toBeInstanceOf(WireError);
  });

  it('changed anywhere gives entries that stay within, or an error', () => {
    const random = seededRandom(5);
    const good = archive([
      folder(ROOT_PATH),
      folder('a'),
      file('a/b', Buffer.from('content')),
      link('a/c', '../d'),
      file(`d${'e'.repeat(130)}`, new Uint8Array(600).fill(7)),
    ]);
    let refused = 0;
    for (let round = 0; round < 1500; round++) {
      const bytes = good.slice();
      for (let times = 0; times <= randomInt(random, 4); times++) {
        bytes[randomInt(random, bytes.length)] = randomInt(random, 256);
      }
      const { made, wrong } = read(bytes, () => 300);
      if (wrong !== undefined) refused++;
      const folders = new Set(['']);
      const seen = new Set<string>();
      for (const { entry } of made.slice(1)) {
        expect(wrongPath(entry.path)).toBeUndefined();
        if (entry.kind === 'link') expect(wrongLink(entry.path, entry.to)).toBeUndefined();
        expect(folders).toContain(entry.path.slice(0, Math.max(0, entry.path.lastIndexOf('/'))));
        expect(seen).not.toContain(sortKey(entry.kind, entry.path));
        seen.add(sortKey(entry.kind, entry.path));
        if (entry.kind === 'folder') folders.add(entry.path);
      }
    }
    expect(refused).toBeGreaterThan(700);
  });

  it('gives the same bytes for the same entries', () => {
    const made = [folder(ROOT_PATH), file('a', Buffer.from('1'), true)];
    const head = encodeHead((made[1] as Made).entry);
    expect(Buffer.from(head.subarray(0, 1)).toString()).toBe('a');
    expect(Buffer.from(head.subarray(100, 156)).toString('latin1')).toBe(
      '0000755\x000000000\x000000000\x0000000000001\x0000000000000\x00006102\0 ',
    );
  });
});

describe('links', () => {
  it.each([
    ['a', 'b', true],
    ['a', './b', true],
    ['a/b', '../c', true],
    ['a/b', '..', true],
    ['a/b/c', '../../d/', true],
    ['a', '../b', false],
    ['a/b', '../../c', false],
    ['a/b', 'c/../d', false],
    ['a', '/a', false],
    ['a', '', false],
  ])('%s → %s may travel: %s', (path, to, may) => {
    expect(wrongLink(path, to) === undefined).toBe(may);
  });
});

describe('links and paths', () => {
  const long = 'n'.repeat(4095);
  it('are Unicode, and no longer than Linux walks', () => {
    expect(wrongPath(long)).toBeUndefined();
    expect(wrongPath(`${long}n`)).toMatch(/more than 4095 bytes/);
    expect(wrongPath('ü'.repeat(2048))).toMatch(/more than 4095 bytes/);
    expect(wrongPath('a\ud800b')).toMatch(/not Unicode/);
    expect(wrongLink('a', long)).toBeUndefined();
    expect(wrongLink('a', `${long}n`)).toMatch(/more than 4095 bytes/);
    for (const to of ['a\ud800b', 'a\0b']) expect(wrongLink('a', to)).toMatch(/not Unicode/);
  });
});

describe('names', () => {
  it.each([
    ['report.pdf', true],
    ['a:b', false],
    ['aux', false],
    ['AUX.txt', false],
    ['auxiliary', true],
    ['dir./x', false],
    ['x ', false],
    ['back\\slash', false],
    ['COM1', false],
    ['tab\t', false],
  ])('%s exists on Windows: %s', (path, exists) => {
    expect(windowsRefuses(path) === undefined).toBe(exists);
  });

  it('fold as Windows and macOS fold them', () => {
    expect(foldedPath('A\u0308.TXT')).toBe(foldedPath('ä.txt'));
  });
});

it('says where the content of each file lies', () => {
  const contents: Readonly<Record<string, string>> = {
    'a/one': 'first',
    'a/two': 'x'.repeat(700),
    [`b${'b'.repeat(120)}`]: 'long name',
  };
  const entries: ArchiveEntry[] = [
    { kind: 'folder', path: ROOT_PATH },
    { kind: 'folder', path: 'a' },
    { kind: 'link', path: 'a/link', to: 'one' },
    ...Object.entries(contents).map(
      ([path, { length: size }]): ArchiveEntry => ({ kind: 'file', path, size, executable: false }),
    ),
  ];
  const archive = concatBytes(
    entries.flatMap((entry) => {
      const content = fromText(entry.kind === 'file' ? (contents[entry.path] as string) : '');
      return [encodeHead(entry), content, new Uint8Array(paddingBytes(content.length))];
    }),
  );
  const spans = fileSpans(entries);
  expect(spans.map(({ path }) => path)).toEqual(Object.keys(contents));
  for (const { path, offset, size } of spans)
    expect(toText(archive.subarray(offset, offset + size))).toBe(contents[path]);
});
