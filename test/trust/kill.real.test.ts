// kill -9 at random moments of taking catalogues: what was accepted stays accepted, and the one before is refused.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { seededRandom } from '../../src/base/random.ts';
import { openTrustKeeper } from '../../src/io/trust-keeper.ts';
import { start } from '../lab/process.ts';
import { newestName, newPublisher, originOf, removeScratch, START_MS, type Tree } from './publisher.ts';

const CHILD = fileURLToPath(new URL('updater-child.ts', import.meta.url));
const VERSIONS = 400;
const KILLS = 25;

const folder = mkdtempSync(join(tmpdir(), 'peerboot-kill-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  removeScratch();
});

it(`${KILLS} kills`, async () => {
  const publisher = await newPublisher();
  const trees: Tree[] = [];
  let targets = '';
  for (let version = 1; version <= VERSIONS; version++) {
    const tree = version === 1 ? await publisher.publish('till', '1') : await publisher.refresh();
    targets ||= newestName(tree, 'targets');
    const names = ['timestamp.json', `${version}.snapshot.json`, targets];
    trees.push(new Map(names.map((name) => [name, publisher.read(name)])));
  }
  const treesFile = join(folder, 'trees.json');
  const texts = trees.map((tree) => [...tree].map(([name, bytes]) => [name, Buffer.from(bytes).toString()]));
  writeFileSync(treesFile, JSON.stringify({ root: Buffer.from(publisher.root).toString(), trees: texts }));

  const random = seededRandom(20_261_122);
  const stateDir = join(folder, 'state');
  let reached = 0;
  for (let kill = 0; kill < KILLS && reached < VERSIONS; kill++) {
    const child = start(process.execPath, [CHILD, stateDir, treesFile]);
    const afterLines = 1 + Math.floor(random.next() * 12);
    await child.log.waitFor(() => (child.log.lines.length >= afterLines ? true : undefined), {
      timeoutMs: 30_000,
      what: `${afterLines} catalogues taken`,
    });
    // In the midst of a later one: some fifths of a millisecond of spinning, since timers are coarser than a write.
    for (const end = performance.now() + random.next() * 4; performance.now() < end; );
    await child.stop('SIGKILL');
    const printed = Number(child.log.lines.filter((line) => /^\d+$/.test(line)).at(-1));
    const keeper = await openTrustKeeper({ stateDir, pinnedRoot: publisher.root, log: silentLog });
    const held = keeper.current()?.versions.timestamp ?? 0;
    expect(held).toBeGreaterThanOrEqual(printed);
    expect(held).toBeGreaterThan(reached);
    reached = held;
    const before = trees[held - 2];
    if (before === undefined) continue;
    await expect(keeper.update(originOf(before), START_MS)).rejects.toMatchObject({
      code: 'PB-TRUST-ROLLBACK',
    });
  }
  expect(reached).toBeGreaterThan(KILLS);
});
