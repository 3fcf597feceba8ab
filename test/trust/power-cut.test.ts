// A power cut at any step, of a store or of the publisher, leaves the old catalogue or the new one, and no way back.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import type { DurableSteps } from '../../src/io/state-folder.ts';
import { openTrustKeeper } from '../../src/io/trust-keeper.ts';
import { assembleSet } from '../../src/io/trust-verify.ts';
import { openTrustWriter } from '../../src/io/trust-writer.ts';
import { AFTERMATHS, dyingDisk, PowerCut } from './power-cut.ts';
import { newPublisher, originOf, removeScratch, START_MS, scratchFolder, type Tree } from './publisher.ts';

afterEach(removeScratch);

const MOST_STEPS = 60;

/** Runs `act` with power cut before step 0, 1, 2, … until it comes through; `afterwards` sees each aftermath. */
async function cutEverywhere(
  act: (steps: DurableSteps, round: string) => Promise<unknown>,
  afterwards: (round: string, cut: boolean) => Promise<void>,
): Promise<number> {
  for (let cutAt = 0; cutAt < MOST_STEPS; cutAt++) {
    let done = true;
    for (const aftermath of AFTERMATHS) {
      let cut = false;
      const round = `${cutAt}-${aftermath.bytes}-${aftermath.renames}`;
      const disk = dyingDisk(cutAt, aftermath);
      try {
        await act(disk, round);
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
        cut = true;
      }
      disk.settle();
      await afterwards(round, cut);
      done &&= !cut;
    }
    if (done) return cutAt;
  }
  throw new Error(`not done within ${MOST_STEPS} steps`);
}

describe('a store', () => {
  it('holds the old set or the new one, and refuses the one before in either case', async () => {
    const publisher = await newPublisher();
    const trees: Tree[] = [];
    for (const version of ['1', '2', '3']) trees.push(await publisher.publish('till', version));
    const [first, second, third] = trees as [Tree, Tree, Tree];
    const home = scratchFolder();
    const open = (round: string, steps?: DurableSteps) =>
      openTrustKeeper({
        stateDir: join(home, round),
        pinnedRoot: publisher.root,
        log: silentLog,
        ...(steps === undefined ? {} : { steps }),
      });
    const steps = await cutEverywhere(
      async (disk, round) => {
        await (await open(round)).update(originOf(second), START_MS);
        await (await open(round, disk)).update(originOf(third), START_MS);
      },
      async (round, cut) => {
        const keeper = await open(round);
        // Once the update has said that it is done, no cut takes it back.
        expect(cut ? [2, 3] : [3], round).toContain(keeper.current()?.versions.timestamp);
        await expect(keeper.update(originOf(first), START_MS), round).rejects.toMatchObject({
          code: 'PB-TRUST-ROLLBACK',
        });
        await keeper.update(originOf(third), START_MS);
        expect(keeper.current()?.versions.timestamp, round).toBe(3);
      },
    );
    expect(steps).toBe(4);
  });

  it('says so when the disk has rotted, instead of forgetting', async () => {
    const publisher = await newPublisher();
    const tree = await publisher.publish('till', '1');
    const stateDir = join(scratchFolder(), 'state');
    const open = () => openTrustKeeper({ stateDir, pinnedRoot: publisher.root, log: silentLog });
    await (await open()).update(originOf(tree), START_MS);
    const path = join(stateDir, 'catalogue.json');
    const whole = readFileSync(path);
    for (const length of [0, 1, 70, 71, 72, whole.length - 1]) {
      writeFileSync(path, whole.subarray(0, length));
      await expect(open(), `${length} bytes`).rejects.toMatchObject({ code: 'PB-TRUST-STATE-DAMAGED' });
    }
    writeFileSync(path, whole.with(200, (whole[200] ?? 0) ^ 1));
    await expect(open()).rejects.toMatchObject({ code: 'PB-TRUST-STATE-DAMAGED' });
  });
});

describe('the publisher', () => {
  it('leaves the old catalogue whole or the new one, and goes on from either', async () => {
    const home = scratchFolder();
    const seen = new Map<string, Awaited<ReturnType<typeof newPublisher>>>();
    const steps = await cutEverywhere(
      async (disk, round) => {
        const publisher = await newPublisher(join(home, round));
        seen.set(round, publisher);
        await publisher.publish('till', '1');
        const wallMs = () => START_MS;
        const writer = await openTrustWriter({
          tree: publisher.folder,
          keysFolder: publisher.keys,
          wallMs,
          steps: disk,
        });
        writer.addTarget({
          path: 'images/till/2.json',
          manifest: { digest: `sha256:${'2'.repeat(64)}`, size: 1 },
          custom: { kind: 'image', name: 'till', version: '2', imageBytes: 512, storedBytes: 1 },
        });
        await writer.commit();
      },
      async (round, cut) => {
        const publisher = seen.get(round);
        if (publisher === undefined) throw new Error('unreachable');
        const read = (held?: Tree) =>
          assembleSet({
            pinnedRoot: publisher.root,
            held,
            fetchFile: originOf(publisher.tree()).fetchFile as never,
            source: round,
          });
        const left = await read();
        expect(cut ? [1, 2] : [2], round).toContain(left.images.length);
        const again = await openTrustWriter({
          tree: publisher.folder,
          keysFolder: publisher.keys,
          wallMs: () => START_MS,
        });
        again.addTarget({
          path: 'images/till/3.json',
          manifest: { digest: `sha256:${'3'.repeat(64)}`, size: 1 },
          custom: { kind: 'image', name: 'till', version: '3', imageBytes: 512, storedBytes: 1 },
        });
        await again.commit();
        const next = await read(new Map(left.files));
        expect(next.versions.timestamp, round).toBeGreaterThan(left.versions.timestamp);
        expect(next.images[0]?.version, round).toBe('3');
      },
    );
    expect(steps).toBe(16);
  });

  it('a tree that was lost and made anew is not taken for a rollback', async () => {
    const home = scratchFolder();
    const publisher = await newPublisher(home);
    for (const version of ['1', '2', '3']) await publisher.publish('till', version);
    const stateDir = join(home, 'state');
    const keeper = await openTrustKeeper({ stateDir, pinnedRoot: publisher.root, log: silentLog });
    await keeper.update(originOf(publisher.tree()), START_MS);
    const anew = await newPublisher(home, join(home, 'other-tree'));
    expect(Buffer.from(anew.root)).toEqual(Buffer.from(publisher.root));
    expect(await keeper.update(originOf(await anew.publish('till', '4')), START_MS)).toBe(true);
    expect(keeper.current()?.images.map((image) => image.version)).toEqual(['4']);
  });
});
