// `peerboot fetch` as its user runs it: what comes is proved and in its place whole, however often it was killed on its way.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { applicationFiles, fileBytes, makeFolder, readFolder } from '../support/folder.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { publishInto } from '../support/publish.ts';

const MOST_KILLS = 8;
const PEERBOOT = fileURLToPath(new URL('../../bin/peerboot.js', import.meta.url));

let home: string;
let origin: Origin;
/** Stored bytes of version 1. */
let storedBytes: number;
const files = applicationFiles(160, 100_000, 5);

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'peerboot-fetch-'));
  const source = makeFolder(join(home, 'source'), {
    ...files,
    'bin/run*': 'x',
    'bin/now': '->run',
    none: null,
  });
  ({ storedBytes } = await publishInto(home, source, { name: 'app', kind: 'package' }));
  origin = await startOrigin([], { files: filesBelow(join(home, 'tree')) });
});
afterAll(async () => {
  await origin?.close();
  rmSync(home, { recursive: true, force: true });
});

function filesBelow(root: string): Record<string, Uint8Array> {
  return Object.fromEntries(
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(root.length + 1), readFileSync(path)]),
  );
}

interface Line {
  readonly event?: string;
  readonly ok?: boolean;
  readonly receipt?: Record<string, unknown> & { bytes: Record<string, number>; resumedBytes: number };
  readonly error?: { readonly code: string; readonly what: string };
  readonly heldBytes?: number;
}

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly status: number | null; readonly lines: readonly Line[] }>;
}

function start(...words: string[]): Run {
  const child = spawn(process.execPath, [PEERBOOT, ...words, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout?.on('data', (data: Buffer) => {
    out += data;
  });
  const ended = new Promise<{ status: number | null; lines: Line[] }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => {
      resolve({
        status,
        lines: out
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line)),
      });
    });
  });
  return { child, ended };
}

const fetchWords = (reference: string, path: string, ...more: string[]) => [
  ...['fetch', reference, path, '--origin', origin.base, '--no-peers', '--state', join(home, 'state')],
  ...['--root', join(home, 'tree/catalogue/1.root.json'), ...more],
];

async function fetched(reference: string, path: string, ...more: string[]) {
  const { lines } = await start(...fetchWords(reference, path, ...more)).ended;
  return lines.at(-1) as Line;
}

/** What the newest version has. */
const source = () => readFolder(join(home, 'source'));

describe('peerboot fetch', () => {
  it('brings the folder with a receipt, and leaves nothing else', async () => {
    const place = join(home, 'place');
    mkdirSync(place);
    const { ok, receipt } = await fetched('app', join(place, 'app'));
    expect(ok).toBe(true);
    expect(readFolder(join(place, 'app'))).toEqual(source());
    expect(receipt).toMatchObject({ name: 'app', version: '1', files: 161, links: 1, storedBytes });
    expect(receipt?.bytes.origin).toBeGreaterThan(storedBytes);
    expect(receipt?.bytes.total).toBe(receipt?.bytes.origin);
    expect(readdirSync(place).sort()).toEqual(['app', 'app.receipt.json']);
    expect(JSON.parse(readFileSync(join(place, 'app.receipt.json'), 'utf8'))).toEqual(receipt);
    expect((await start('verify', join(place, 'app')).ended).lines).toMatchObject([{ ok: true }]);
    writeFileSync(join(place, 'app', 'bin/run'), 'y');
    expect((await start('verify', join(place, 'app')).ended).lines).toMatchObject([
      { ok: false, error: { code: 'PB-PACKAGE-DIFFERS' } },
    ]);
  });

  it('replaces only what it may', async () => {
    const path = join(home, 'there');
    makeFolder(path, { mine: 'precious' });
    expect(await fetched('app', path)).toMatchObject({ ok: false, error: { code: 'PB-PACKAGE-EXISTS' } });
    expect(readFolder(path)).toEqual({ mine: 'precious' });
    expect(existsSync(`${path}.partial`)).toBe(false);
    expect(await fetched('app', path, '--replace')).toMatchObject({ ok: true });
    expect(readFolder(path)).toEqual(source());
  });

  it('brings one file, in the place of another', async () => {
    makeFolder(home, { 'setup.exe*': fileBytes(50_000, 8) });
    await publishInto(home, join(home, 'setup.exe'), { name: 'setup', kind: 'package' });
    const withFile = await startOrigin([], { files: filesBelow(join(home, 'tree')) });
    const path = join(home, 'installed');
    writeFileSync(path, 'old');
    const words = fetchWords('setup@1', path, '--replace', '--origin', withFile.base);
    expect((await start(...words).ended).lines.at(-1)).toMatchObject({ ok: true });
    expect(readFileSync(path)).toEqual(Buffer.from(fileBytes(50_000, 8)));
    expect((await start('verify', path).ended).lines).toMatchObject([{ ok: true, files: 1 }]);
    await withFile.close();
  });

  it('says what there is instead of what is unknown', async () => {
    expect(await fetched('nothing', join(home, 'n'))).toMatchObject({
      error: { code: 'PB-PACKAGE-UNKNOWN', what: expect.stringMatching(/it has app/) },
    });
    expect(await fetched('app', join(home, 'no/such/folder'))).toMatchObject({
      error: { code: 'PB-PACKAGE-WRITE' },
    });
  });

  it('waits while another fetch has the place', async () => {
    const path = join(home, 'busy');
    const chunks = chunkGate();
    const first = start(...fetchWords('app', path));
    await chunks.begun;
    expect(await fetched('app', path)).toMatchObject({ error: { code: 'PB-FETCH-BUSY' } });
    chunks.open();
    expect((await first.ended).lines.at(-1)).toMatchObject({ ok: true });
  });

  it('killed at any moment goes on, and fetches nothing again that was kept', async () => {
    const random = seededRandom(Number(process.env.SEED ?? 11));
    const path = join(home, 'killed');
    let kills = 0;
    origin.sentBytes = 0;
    const chunkAsks = () => origin.requests.filter(({ path }) => path.startsWith('chunks/')).length;
    const before = chunkAsks();
    while (true) {
      // After so many chunks more, and then a little: while one is written, the files are made, or the switch is.
      const after = chunkAsks() + Math.floor(random.next() * 7);
      const extraMs = random.next() * 120;
      const run = start(...fetchWords('app', path));
      let running = true;
      void run.ended.then(() => {
        running = false;
      });
      const watch = setInterval(() => {
        if (kills === MOST_KILLS || chunkAsks() < after) return;
        clearInterval(watch);
        setTimeout(() => running && run.child.kill('SIGKILL'), extraMs);
      }, 2);
      const { lines } = await run.ended;
      clearInterval(watch);
      if (lines.at(-1)?.event === 'done') {
        expect(lines.at(-1)?.receipt?.bytes.total).toBeGreaterThan(0);
        break;
      }
      kills++;
      // Whole or not there: never in between.
      if (existsSync(path)) expect(readFolder(path)).toEqual(source());
    }
    expect(readFolder(path)).toEqual(source());
    expect(existsSync(`${path}.partial`)).toBe(false);
    // Each kill may lose what was in flight or not yet durable: the window, of 8 chunks.
    const chunks = new Set(origin.requests.slice(before).map((request) => request.path));
    expect(chunkAsks() - before).toBeLessThanOrEqual(chunks.size + kills * 9);
    expect(kills).toBeGreaterThan(0);
  });

  it('fetches of a newer version only what is new, and mends what was spoilt', async () => {
    const path = join(home, 'updated');
    await fetched('app@1', path);
    for (const [name, bytes] of Object.entries(files).slice(40, 42)) {
      writeFileSync(join(home, 'source', name), fileBytes(bytes.length + 700, 99));
    }
    await publishInto(home, join(home, 'source'), { name: 'app', version: '2', kind: 'package' });
    const newer = await startOrigin([], { files: filesBelow(join(home, 'tree')) });
    const words = fetchWords('app@2', path, '--replace', '--origin', newer.base);
    const updated = (await start(...words).ended).lines.at(-1);
    expect(updated).toMatchObject({ ok: true, receipt: { version: '2' } });
    expect(updated?.receipt?.bytes.origin).toBeLessThan(storedBytes * 0.1);
    expect(readFolder(path)).toEqual(source());
    writeFileSync(join(path, Object.keys(files)[7] ?? ''), 'spoilt');
    expect((await start(...words).ended).lines.at(-1)).toMatchObject({ ok: true });
    expect(readFolder(path)).toEqual(source());
    await newer.close();
  });
});

/** Holds every chunk back until it is opened. */
function chunkGate(): { begun: Promise<void>; open(): void } {
  let tell: () => void = () => {};
  const begun = new Promise<void>((resolve) => {
    tell = resolve;
  });
  let asked = 0;
  origin.fault = (path) => {
    if (!path.startsWith('chunks/') || ++asked < 4) return undefined;
    tell();
    return { kind: 'status', status: 503 };
  };
  return {
    begun,
    open: () => {
      origin.fault = () => undefined;
    },
  };
}
