// kill -9 at random moments of a publication: the old catalogue stays whole, and a rerun goes on where it was.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { diskBytes } from '../support/image.ts';
import { catalogueOf, publishInto, reassemble } from '../support/publish.ts';

const PEERBOOT = fileURLToPath(new URL('../../bin/peerboot.js', import.meta.url));
const FIRST = diskBytes(40_000_000, 31);
/** Half of it is new, so that there are several chunks to lose. */
const SECOND = Buffer.concat([FIRST.subarray(0, 20_000_256), diskBytes(30_000_128, 32)]);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'peerboot-publish-crash-'));
  writeFileSync(join(folder, 'first.img'), FIRST);
  writeFileSync(join(folder, 'second.img'), SECOND);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly killed: boolean;
  readonly lines: readonly { event?: string; resumedBytes?: number; newBytes?: number; ok?: boolean }[];
}

/** Runs the real command; With `kill`, it is ended after so long, if it still runs. */
function publishCommand(
  home: string,
  image: string,
  version: string,
  kill?: { readonly afterMs: number },
): Promise<Outcome> {
  const words = [
    ...['publish', join(folder, image), '--name', 'till', '--version', version],
    ...['--to', join(home, 'tree'), '--keys', join(home, 'keys'), '--max-waste', '100', '--json'],
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PEERBOOT, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, errors] = ['', ''];
    child.stdout.on('data', (data: Buffer) => {
      out += data;
    });
    child.stderr.on('data', (data: Buffer) => {
      errors += data;
    });
    const timer = kill === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), kill.afterMs);
    child.on('error', reject);
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      if (status !== 0 && signal !== 'SIGKILL') {
        reject(new Error(`status ${status}: ${errors}${out}`));
        return;
      }
      const lines = out.split('\n').slice(0, -1);
      resolve({ killed: signal === 'SIGKILL', lines: lines.map((line) => JSON.parse(line)) });
    });
  });
}

describe('a publication that is killed', () => {
  it('at random moments leaves the first version whole, and the last run finishes the second', async () => {
    const home = join(folder, 'killed');
    mkdirSync(home);
    const first = await publishInto(home, join(folder, 'first.img'));
    const clean = join(folder, 'clean');
    mkdirSync(clean);
    await publishInto(clean, join(folder, 'first.img'));
    const started = performance.now();
    const expected = (await publishCommand(clean, 'second.img', '2')).lines.at(-1);
    const wholeMs = performance.now() - started;

    const seed = Date.now();
    const random = seededRandom(seed);
    let kills = 0;
    for (let round = 0; round < 12; round++) {
      // The first one always strikes; later runs are shorter, so that some of them may finish.
      const afterMs = random.next() * wholeMs * (round === 0 ? 0.5 : 1);
      const { killed } = await publishCommand(home, 'second.img', '2', { afterMs });
      const versions = (await catalogueOf(home)).map((image) => image.version);
      if (!killed || versions.length === 2) break;
      kills++;
      expect(versions).toEqual(['1']);
      expect(Buffer.compare(await reassemble(join(home, 'tree'), first.manifest), FIRST)).toBe(0);
    }
    expect(kills, `seed ${seed}`).toBeGreaterThan(0);

    const last = (await publishCommand(home, 'second.img', '2')).lines.at(-1);
    expect(last).toMatchObject({ event: 'published', ok: true });
    const images = await catalogueOf(home);
    expect(images.map((image) => image.version)).toEqual(['2', '1']);
    // Interrupted or not, the same tree: packing is deterministic, and nothing half written counts.
    expect(images).toEqual(await catalogueOf(clean));
    expect(expected).toMatchObject({ newBytes: last?.newBytes === 0 ? expect.anything() : last?.newBytes });
    expect(readdirSync(join(home, 'tree', '.publish', 'drafts'))).toEqual([]);
    const [second] = images;
    if (second === undefined) throw new Error('no image');
    expect(Buffer.compare(await reassemble(join(home, 'tree'), second.manifest), SECOND)).toBe(0);
  });

  it('after it packed something does not pack that again', async () => {
    const home = join(folder, 'resumed');
    mkdirSync(home);
    const words = [
      ...['publish', join(folder, 'second.img'), '--name', 'till', '--version', '1'],
      ...['--to', join(home, 'tree'), '--keys', join(home, 'keys'), '--json'],
    ];
    // Killed as soon as the journal says that three chunks are durable: an event, not a guess.
    const child = spawn(process.execPath, [PEERBOOT, ...words], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.on('close', resolve));
    const journalLines = () => readJournal(home).length;
    const watch = setInterval(() => journalLines() >= 3 && child.kill('SIGKILL'), 2);
    await ended;
    clearInterval(watch);
    const remembered = readJournal(home);
    expect(remembered.length).toBeGreaterThanOrEqual(3);
    const summary = await publishInto(home, join(folder, 'second.img'));
    const rememberedBytes = remembered.reduce((sum, line) => sum + Number(line.split(' ')[2]), 0);
    expect(summary.resumedBytes).toBe(rememberedBytes);
    expect(summary.resumedBytes).toBeLessThan(summary.newBytes);
    expect(Buffer.compare(await reassemble(join(home, 'tree'), summary.manifest), SECOND)).toBe(0);
  });
});

function readJournal(home: string): string[] {
  try {
    return readFileSync(join(home, 'tree', '.publish', 'journal'), 'latin1')
      .split('\n')
      .slice(0, -1);
  } catch {
    return [];
  }
}
