// The package runs by itself: no checkout, no node_modules, workers included.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makePackage } from '../../tools/package.ts';
import { run } from '../lab/process.ts';

const folder = mkdtempSync(join(tmpdir(), 'peerboot-package-'));
const at = (name: string) => join(folder, name);
const peerboot = (...words: string[]) =>
  run(process.execPath, [at('package/bin/peerboot.js'), ...words], { cwd: folder });

beforeAll(() => makePackage(at('package')));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('knows its version and its configuration', async () => {
  const { version } = JSON.parse(readFileSync(at('package/package.json'), 'utf8'));
  expect((await peerboot('--version')).trim()).toBe(version);
  const config = JSON.parse(await peerboot('config', 'show', '--json', '--site', 'store-7'));
  expect(config).toMatchObject({ site: 'store-7', assetsDir: '/usr/share/peerboot/assets' });
});

it('publishes with its workers, and reads what it signed', async () => {
  writeFileSync(at('disk.img'), Buffer.alloc(1 << 20, 'peerboot'));
  const words = ['--name', 'till', '--version', '1', '--to', at('tree'), '--keys', at('keys'), '--json'];
  const summary = (await peerboot('publish', at('disk.img'), ...words)).trim().split('\n').at(-1) ?? '';
  expect(JSON.parse(summary)).toMatchObject({ ok: true, imageBytes: 1 << 20 });
  const refreshed = await peerboot(
    'catalogue',
    'refresh',
    '--to',
    at('tree'),
    '--keys',
    at('keys'),
    '--json',
  );
  expect(JSON.parse(refreshed)).toMatchObject({ ok: true, versions: { timestamp: 2 } });
});

it("carries its parts' licences", () => {
  const text = readFileSync(at('package/THIRD-PARTY.md'), 'utf8');
  for (const name of ['fastify', 'tuf-js', 'undici', 'zod'])
    expect(text).toMatch(new RegExp(`^## ${name} \\d`, 'm'));
});
