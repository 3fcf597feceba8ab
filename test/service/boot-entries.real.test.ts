// Boot entries, published with the real parts and served over a real socket: every file as it was, whole and in ranges.
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomInt, seededRandom } from '../../src/base/random.ts';
import type { EntryFlags } from '../../src/command/publish-entry.ts';
import { entriesOf, publishEntry } from '../support/boot-entry.ts';
import { fileBytes, makeFolder } from '../support/folder.ts';
import { testPeer } from './peer.ts';

/** As large as needs several chunks, and a stretch of zeros in the middle. */
const WIM = Buffer.concat([fileBytes(9_000_001, 5), new Uint8Array(700_000), fileBytes(3_000_000, 6)]);
const FILES: Readonly<Record<string, Uint8Array>> = {
  wimboot: linuxHead(),
  'boot/BCD': fileBytes(40_000, 2),
  'boot/boot.sdi': fileBytes(300_000, 3),
  'sources/boot.wim': WIM,
  empty: new Uint8Array(0),
};

/** A head as wimboot's: a Linux kernel for BIOS, and a program for UEFI. */
function linuxHead(): Uint8Array {
  const bytes = new Uint8Array(70_000);
  bytes.set(Buffer.from('MZ'), 0);
  bytes.set([0x80, 0, 0, 0], 0x3c);
  bytes.set(Buffer.from('PE\0\0\x64\x86', 'latin1'), 0x80);
  bytes.set(Buffer.from('HdrS'), 0x202);
  return bytes;
}

let folder: string;
let base: string;
const undo: (() => unknown)[] = [];
let opened: Awaited<ReturnType<typeof entriesOf>>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'peerboot-entries-'));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  const path = makeFolder(join(folder, 'winpe'), FILES);
  await publishEntry(folder, {
    path,
    name: 'winpe',
    flags: {
      boot: 'wimboot',
      wimboot: 'wimboot',
      bcd: 'boot/BCD',
      sdi: 'boot/boot.sdi',
      wim: 'sources/boot.wim',
      title: 'Windows PE',
    },
  });
  const iso = join(folder, 'tool.iso');
  writeFileSync(iso, WIM);
  await publishEntry(folder, {
    path: iso,
    name: 'tool',
    flags: { boot: 'iso', firmware: ['bios'], tool: true },
  });
  opened = await entriesOf(folder);
  const peer = testPeer({ entries: opened.entries });
  const { port } = await peer.http.start();
  undo.push(() => peer.http.stop());
  base = `http://127.0.0.1:${port}/boot/entries`;
});
afterAll(async () => {
  for (const end of undo.splice(0).reverse()) await end();
});

describe('the signed catalogue', () => {
  it('says how each is started, by what, and where its files lie', () => {
    expect(opened.all.map(({ name, boot }) => [name, boot.firmwares, boot.tool, boot.start])).toEqual([
      ['tool', ['bios'], true, { way: 'iso', iso: 'tool.iso' }],
      [
        'winpe',
        ['bios', 'uefi-x64'],
        false,
        {
          way: 'wimboot',
          wimboot: 'wimboot',
          bcd: 'boot/BCD',
          sdi: 'boot/boot.sdi',
          wim: 'sources/boot.wim',
        },
      ],
    ]);
  });

  it('has them once: what two entries share is stored once', () => {
    const bytes = readdirSync(join(folder, 'tree/chunks'), { recursive: true, withFileTypes: true })
      .filter((one) => one.isFile())
      .reduce((sum, one) => sum + statSync(join(one.parentPath, one.name)).size, 0);
    expect(bytes).toBeLessThan(WIM.length * 1.3);
  });

  it('refuses another way to start under a version that is published', async () => {
    const flags: EntryFlags = { boot: 'iso', firmware: ['bios'], tool: false };
    const again = publishEntry(folder, { path: join(folder, 'tool.iso'), name: 'tool', flags });
    await expect(again).rejects.toMatchObject({ code: 'PB-VERSION-EXISTS' });
  });
});

describe('over HTTP', () => {
  it.each(Object.keys(FILES))('%s comes whole, with its length', async (path) => {
    const answer = await fetch(`${base}/winpe/1/${path}`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-length')).toBe(String(FILES[path]?.length));
    expect(Buffer.compare(Buffer.from(await answer.arrayBuffer()), FILES[path] as Uint8Array)).toBe(0);
  });

  it('HEAD tells the length and an entity tag, and nothing is fetched for it but tables', async () => {
    const fresh = await entriesOf(folder);
    const peer = testPeer({ entries: fresh.entries });
    const { port } = await peer.http.start();
    const url = `http://127.0.0.1:${port}/boot/entries/tool/1/tool.iso`;
    const answer = await fetch(url, { method: 'HEAD' });
    expect(answer.headers.get('content-length')).toBe(String(WIM.length));
    expect(answer.headers.get('accept-ranges')).toBe('bytes');
    expect(fresh.asked.length).toBe(3);
    const tag = answer.headers.get('etag') as string;
    expect((await fetch(url, { headers: { 'if-none-match': tag } })).status).toBe(304);
    await peer.http.stop();
  });

  it('any range is just those bytes, across slices, chunks and zeros', async () => {
    const random = seededRandom(7);
    for (let round = 0; round < 60; round++) {
      const start = randomInt(random, WIM.length);
      const end = Math.min(WIM.length, start + 1 + randomInt(random, round % 3 === 0 ? 2048 : 400_000));
      const headers = { range: `bytes=${start}-${end - 1}` };
      const answer = await fetch(`${base}/tool/1/tool.iso`, { headers });
      expect(answer.status).toBe(206);
      expect(answer.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/${WIM.length}`);
      expect(Buffer.compare(Buffer.from(await answer.arrayBuffer()), WIM.subarray(start, end))).toBe(0);
    }
    const beyond = await fetch(`${base}/tool/1/tool.iso`, { headers: { range: `bytes=${WIM.length}-` } });
    expect(beyond.status).toBe(416);
  });

  it.each([
    ['another/1/x', 404, 'PB-BOOT-ENTRY-UNKNOWN'],
    ['winpe/2/wimboot', 404, 'PB-BOOT-ENTRY-UNKNOWN'],
    ['winpe/1/nothing', 404, 'PB-BOOT-ENTRY-UNKNOWN'],
    ['winpe/1/../../keys/root.json', 404, 'PB-HTTP-NOT-FOUND'],
    ['winpe/1/%2e%2e/keys', 404, 'PB-HTTP-NOT-FOUND'],
  ])('%s is refused', async (path, status, code) => {
    const answer = await fetch(`${base}/${path}`);
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([status, code]);
  });

  it('what no source has is an error of its own, before a byte is sent', async () => {
    const broken = await entriesOf(folder);
    const peer = testPeer({ entries: broken.entries });
    const { port } = await peer.http.start();
    rmSync(join(folder, 'tree/chunks'), { recursive: true });
    const answer = await fetch(`http://127.0.0.1:${port}/boot/entries/tool/1/tool.iso`);
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([
      502,
      'PB-SOURCE-FAILED',
    ]);
    await peer.http.stop();
  });
});
