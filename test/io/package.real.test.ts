// Packages with the real parts: any tar reads the archive, equal folders give equal digests, updates share, trouble is told.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseManifest } from '../../src/chunk/manifest.ts';
import { openFolderImage } from '../../src/io/folder-image.ts';
import { scanFolder } from '../../src/io/folder-scan.ts';
import { openTrustWriter } from '../../src/io/trust-writer.ts';
import { applicationFiles, fileBytes, makeFolder, readFolder } from '../support/folder.ts';
import { diskBytes } from '../support/image.ts';
import { publishInto, reassemble } from '../support/publish.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'peerboot-package-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const publishPackage = (path: string, options: { version?: string; name?: string } = {}) =>
  publishInto(folder, path, { name: 'app', ...options, kind: 'package' });

const APPLICATION = {
  'bin/run*': '#!/bin/sh\n',
  'bin/link': '->../share/data',
  'bin/self': '->.',
  'share/data': fileBytes(300_001, 3),
  'share/empty': '',
  'share/none': null,
  'share/zeros': new Uint8Array(200_000),
  'share/exact': fileBytes(512 * 40, 4),
  'Grüße/日本語 🙂.txt': 'unicode',
  'with space': '1',
  'a.txt': 'before a/',
  'a/x': 'inside',
  [`${'deep/'.repeat(60)}${'n'.repeat(140)}`]: 'deep',
};

/** What tar makes of the published archive. */
async function untar(manifest: Parameters<typeof reassemble>[1]): Promise<string> {
  const tar = join(folder, 'archive.tar');
  writeFileSync(tar, await reassemble(join(folder, 'tree'), manifest));
  const out = join(folder, 'untarred');
  mkdirSync(out);
  execFileSync('tar', ['-xf', tar, '-C', out], { stdio: 'pipe' });
  return out;
}

describe('a folder', () => {
  it('is an archive that tar unpacks as it was', async () => {
    const source = makeFolder(join(folder, 'source'), APPLICATION);
    const { manifest } = await publishPackage(source);
    expect(readFolder(await untar(manifest))).toEqual(readFolder(source));
    const listed = execFileSync('tar', ['-tvf', join(folder, 'archive.tar')], { encoding: 'utf8' });
    expect(listed.split('\n')[0]).toMatch(/^drwxr-xr-x 0\/0 +0 1970-01-01 \d\d:\d\d \.\/$/);
    expect(listed).toMatch(/-rwxr-xr-x .* bin\/run\n/);
  });

  it('gives the same manifest wherever, whenever and in whatever order it was written', async () => {
    const one = makeFolder(join(folder, 'one'), APPLICATION);
    const other = makeFolder(
      join(folder, 'elsewhere', 'two'),
      Object.fromEntries(Object.entries(APPLICATION).reverse()),
    );
    chmodSync(join(other, 'a.txt'), 0o600);
    utimesSync(join(other, 'a.txt'), 1, 1);
    const first = await publishPackage(one);
    const second = await publishInto(join(folder, 'elsewhere'), other, { name: 'app', kind: 'package' });
    expect(second.manifest).toEqual(first.manifest);
    chmodSync(join(other, 'a.txt'), 0o700);
    const third = await publishInto(join(folder, 'elsewhere'), other, {
      name: 'app',
      version: '2',
      kind: 'package',
    });
    expect(third.manifest).not.toEqual(first.manifest);
  });

  it('that is empty, and one file, are packages too', async () => {
    const empty = await publishPackage(makeFolder(join(folder, 'empty'), {}));
    expect(empty.imageBytes).toBe(512 + 1024);
    makeFolder(folder, { 'setup.exe*': fileBytes(70_000, 9) });
    const single = await publishPackage(join(folder, 'setup.exe'), { name: 'setup' });
    expect(readFolder(await untar(single.manifest))).toEqual({
      'setup.exe*': Buffer.from(fileBytes(70_000, 9)).toString('latin1'),
    });
  });

  it('with a file of more than 8 GiB is read by tar', () => {
    const source = makeFolder(join(folder, 'large'), { 'after.txt': 'after', 'a.bin': '' });
    const large = 9 * 2 ** 30 + 5;
    truncateSync(join(source, 'a.bin'), large);
    const image = openFolderImage(scanFolder(source));
    // Sparse on both sides: only the headers have bytes.
    const tar = join(folder, 'large.tar');
    const end = image.imageBytes;
    const head = new Uint8Array(8192);
    image.read(head, 0);
    const tail = new Uint8Array(4096);
    image.read(tail, end - tail.length);
    image.close();
    writeFileSync(tar, head);
    truncateSync(tar, end - tail.length);
    writeFileSync(tar, tail, { flag: 'a' });
    const listed = execFileSync('tar', ['-tvf', tar], { encoding: 'utf8' });
    expect(listed).toMatch(new RegExp(`${large} 1970.* a\\.bin\\n`));
    expect(listed).toMatch(/ 5 1970.* after\.txt\n/);
  });

  it('shares chunks with its earlier version, and is no image to anybody', async () => {
    const files = applicationFiles(400, 30_000);
    const source = makeFolder(join(folder, 'source'), files);
    const first = await publishPackage(source);
    for (const name of Object.keys(files).filter((_, i) => i % 100 === 50)) {
      writeFileSync(join(source, name), fileBytes(31_000, 77));
    }
    const second = await publishPackage(source, { version: '2' });
    expect(second.newBytes / first.storedBytes).toBeLessThan(0.05);
    const image = await publishInto(folder, diskBytes(2_000_000), { name: 'app', version: '1' });
    const writer = await openTrustWriter({
      tree: join(folder, 'tree'),
      keysFolder: join(folder, 'keys'),
      wallMs: Date.now,
    });
    expect(writer.packages().map(({ name, version }) => `${name}@${version}`)).toEqual(['app@2', 'app@1']);
    expect(writer.images().map((one) => one.manifest)).toEqual([image.manifest]);
  });

  it('says in its manifest that it is a package', async () => {
    const { manifest } = await publishPackage(makeFolder(join(folder, 'x'), { a: '1' }));
    const hex = manifest.digest.slice('sha256:'.length);
    const [path] = readdirSync(join(folder, 'tree/chunks', hex.slice(0, 2))).filter((name) => name === hex);
    const bytes = execFileSync('cat', [join(folder, 'tree/chunks', hex.slice(0, 2), path ?? '')]);
    expect(parseManifest(bytes)).toMatchObject({ kind: 'package', name: 'app', version: '1' });
  });
});

describe('what cannot travel is refused, by name', () => {
  const refuse = async (path: string, code: string, what: RegExp) => {
    await expect(publishPackage(path)).rejects.toMatchObject({ code, message: expect.stringMatching(what) });
    expect(readdirSync(folder)).not.toContain('chunks');
  };

  it('a socket', async () => {
    const source = makeFolder(join(folder, 's'), { a: '1' });
    const server = createServer().listen(join(source, 'sock'));
    await new Promise((resolve) => server.once('listening', resolve));
    await refuse(source, 'PB-PACKAGE-ENTRY', /sock" is a socket/);
    server.close();
  });

  it('a pipe and a device', async () => {
    const source = makeFolder(join(folder, 's'), { a: '1' });
    execFileSync('mkfifo', [join(source, 'pipe')]);
    await refuse(source, 'PB-PACKAGE-ENTRY', /pipe" is a pipe/);
    rmSync(join(source, 'pipe'));
    execFileSync('mknod', [join(source, 'null'), 'c', '1', '3']);
    await refuse(source, 'PB-PACKAGE-ENTRY', /null" is a device/);
  });

  it.each([
    ['->/etc/passwd', /absolute path \/etc\/passwd/],
    ['->../../outside', /leads outside/],
    ['->sub/../../x', /turns back/],
  ])('a link %s', async (to, what) => {
    await refuse(makeFolder(join(folder, 's'), { 'd/link': to }), 'PB-PACKAGE-ENTRY', what);
  });

  it('a name that is not UTF-8', async () => {
    const source = makeFolder(join(folder, 's'), {});
    writeFileSync(Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0x66, 0xff])]), '1');
    await refuse(source, 'PB-PACKAGE-ENTRY', /not UTF-8/);
  });

  it('nothing at all, and a device itself', async () => {
    await refuse(join(folder, 'nowhere'), 'PB-PACKAGE-UNREADABLE', /no such file/);
    await refuse('/dev/null', 'PB-PACKAGE-ENTRY', /neither a file nor a folder/);
  });

  it('a file that changes while it is read, grows, or goes', async () => {
    for (const change of [
      (path: string) => writeFileSync(path, fileBytes(90_000, 2)),
      (path: string) => writeFileSync(path, 'more', { flag: 'a' }),
      (path: string) => rmSync(path),
    ]) {
      const source = makeFolder(join(folder, 's'), { 'a/changing': fileBytes(90_000, 1), b: '1' });
      let changed = false;
      const publishing = publishInto(folder, source, {
        name: 'app',
        kind: 'package',
        onProgress() {
          if (!changed) change(join(source, 'a/changing'));
          changed = true;
        },
      });
      await expect(publishing).rejects.toMatchObject({ code: 'PB-PACKAGE-CHANGED' });
    }
    expect(readdirSync(join(folder, 'tree'))).not.toContain('catalogue');
  });

  it('but a name that Windows refuses, or folds, only warns', () => {
    const source = makeFolder(join(folder, 's'), { 'aux.txt': '1', 'x:y': '1', Readme: '1', README: '2' });
    expect(scanFolder(source).warnings).toEqual([
      'Readme: differs from README only by capitals or accents, one name on Windows and macOS',
      'aux.txt: is the name of a device on Windows',
      'x:y: has a character that Windows keeps for itself',
    ]);
  });
});
