// The catalogue of named files: what it names, that it holds on to what it opened, and what it refuses.
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { type LoadedNamedFiles, loadNamedFiles } from '../../src/io/named-files.ts';
import { logbook } from '../support/logbook.ts';
import { contentOf } from '../support/named-files.ts';

const LARGE_BYTES = 3_000_000;
const small = contentOf('snponly.efi', 5000);
const large = contentOf('vmlinuz', LARGE_BYTES);
const hex = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

let folder: string;
let files: LoadedNamedFiles | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'peerboot-assets-'));
  await mkdir(join(folder, 'grub'));
  await writeFile(join(folder, 'snponly.efi'), small);
  await writeFile(join(folder, 'vmlinuz'), large);
  await writeFile(join(folder, 'grub/grub.cfg'), 'set timeout=0\n');
});

afterEach(async () => {
  await files?.close();
  files = undefined;
  await rm(folder, { recursive: true, force: true });
});

const provenance = (rows: object[]) =>
  writeFile(join(folder, 'provenance.json'), JSON.stringify({ files: rows }));

it('names every regular file with its size and digest, and nothing else', async () => {
  await symlink('/etc/passwd', join(folder, 'passwd'));
  await provenance([{ name: 'vmlinuz', sha256: hex(large) }]);
  const log = logbook();
  files = await loadNamedFiles(folder, log);
  expect(files.list()).toEqual([
    expect.objectContaining({ name: 'grub/grub.cfg', sizeBytes: 14 }),
    { name: 'snponly.efi', sizeBytes: 5000, etag: `"sha256:${hex(small)}"` },
    { name: 'vmlinuz', sizeBytes: LARGE_BYTES, etag: `"sha256:${hex(large)}"` },
  ]);
  expect(files.digest('vmlinuz')).toBe(`sha256:${hex(large)}`);
  expect(log.lines.map((line) => line.fields)).toEqual([{ file: 'passwd' }]);
  for (const name of ['passwd', 'provenance.json', '../x', '/etc/passwd', 'VMLINUZ', '', 'grub'])
    expect(files.get(name)).toBeUndefined();
});

it.each([
  ['snponly.efi', small],
  ['vmlinuz', large],
])('%s is read at any place, and only what it has', async (name, bytes) => {
  files = await loadNamedFiles(folder, silentLog);
  const file = files.get(name);
  expect(Buffer.from((await file?.read(0, 10)) ?? [])).toEqual(Buffer.from(bytes.subarray(0, 10)));
  expect(Buffer.from((await file?.read(4000, 1000)) ?? [])).toEqual(Buffer.from(bytes.subarray(4000, 5000)));
  expect((await file?.read(bytes.length - 3, 100))?.length).toBe(3);
  expect((await file?.read(bytes.length, 100))?.length).toBe(0);
});

it('a file replaced by rename is served as it was', async () => {
  files = await loadNamedFiles(folder, silentLog);
  await writeFile(join(folder, 'new'), contentOf('new', LARGE_BYTES));
  await rename(join(folder, 'new'), join(folder, 'vmlinuz'));
  expect(hex((await files.get('vmlinuz')?.read(0, LARGE_BYTES)) ?? new Uint8Array())).toBe(hex(large));
});

it('a file that was cut is an error, not short data', async () => {
  files = await loadNamedFiles(folder, silentLog);
  await truncate(join(folder, 'vmlinuz'), 1000);
  await expect(files.get('vmlinuz')?.read(0, 2000)).rejects.toMatchObject({ code: 'PB-ASSET-CHANGED' });
});

it('a file that is not the one in its provenance is refused', async () => {
  await provenance([{ name: 'vmlinuz', sha256: hex(small) }]);
  await expect(loadNamedFiles(folder, silentLog)).rejects.toMatchObject({ code: 'PB-ASSET-CHANGED' });
});

it.each(['not there', 'grub/empty'])('no assets (%s) says so', async (name) => {
  await mkdir(join(folder, 'grub/empty'));
  await expect(loadNamedFiles(join(folder, name), silentLog)).rejects.toMatchObject({
    code: 'PB-ASSETS-MISSING',
  });
});

it('a provenance file that cannot be read is refused with a code', async () => {
  await writeFile(join(folder, 'provenance.json'), '{ "files": ');
  await expect(loadNamedFiles(folder, silentLog)).rejects.toMatchObject({ code: 'PB-ASSET-CHANGED' });
});
