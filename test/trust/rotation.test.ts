// Roots and keys change over the years: stores follow, agents with an old root follow, and old keys are worth nothing.
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { openTrustKeeper } from '../../src/io/trust-keeper.ts';
import { replaceOnlineKeys } from '../../src/io/trust-keys.ts';
import { trustedWallMs, verifyCatalogueOnce } from '../../src/io/trust-once.ts';
import { openTrustWriter } from '../../src/io/trust-writer.ts';
import {
  DAY_MS,
  newPublisher,
  originOf,
  removeScratch,
  START_MS,
  scratchFolder,
  type Tree,
} from './publisher.ts';

afterEach(removeScratch);

async function rotated() {
  const publisher = await newPublisher();
  const before = await publisher.publish('till', '1');
  replaceOnlineKeys(publisher.keys);
  const writer = await openTrustWriter({
    tree: publisher.folder,
    keysFolder: publisher.keys,
    wallMs: () => START_MS,
  });
  const { versions } = await writer.commit();
  return { publisher, before, versions };
}

function keeperOf(root: Uint8Array) {
  return openTrustKeeper({ stateDir: join(scratchFolder(), 'state'), pinnedRoot: root, log: silentLog });
}

const once = (tree: Tree, root: Uint8Array, ...clocksMs: number[]) =>
  verifyCatalogueOnce({
    root,
    source: 'http://peer',
    fetchFile: async (name) => tree.get(name),
    clocksMs,
  });

describe('new keys', () => {
  it('are named by a new root, and sign everything', async () => {
    const { versions } = await rotated();
    expect(versions).toEqual({ root: 2, timestamp: 2, snapshot: 2, targets: 2 });
  });

  it('are followed by a store that holds the old set, and by an agent with the old root', async () => {
    const { publisher, before } = await rotated();
    const keeper = await keeperOf(publisher.root);
    await keeper.update(originOf(before), START_MS);
    expect(await keeper.update(originOf(publisher.tree()), START_MS)).toBe(true);
    expect(keeper.current()?.versions.root).toBe(2);
    const served = new Map(keeper.current()?.files);
    expect((await once(served, publisher.root, START_MS)).images).toHaveLength(1);
  });

  it('take the old ones their worth: what they signed is forged from then on, also by a store without a set', async () => {
    const { publisher, before } = await rotated();
    const stolen = new Map(before).set('2.root.json', publisher.tree().get('2.root.json') as Uint8Array);
    const keeper = await keeperOf(publisher.root);
    await expect(keeper.update(originOf(stolen), START_MS)).rejects.toMatchObject({
      code: 'PB-TRUST-FORGED',
    });
    // The new root alone was remembered: leaving it out again does not help.
    await expect(keeper.update(originOf(before), START_MS)).rejects.toMatchObject({
      code: 'PB-TRUST-FORGED',
    });
  });

  it('an unwilling change is picked up: the writer goes on where a crash left it', async () => {
    const { publisher } = await rotated();
    replaceOnlineKeys(publisher.keys);
    for (const expected of [true, false]) {
      const writer = await openTrustWriter({
        tree: publisher.folder,
        keysFolder: publisher.keys,
        wallMs: () => START_MS,
      });
      expect((await writer.commit()).changed).toBe(expected);
    }
  });
});

it('the root is renewed by itself half way through its life', async () => {
  const publisher = await newPublisher();
  await publisher.publish('till', '1');
  publisher.clock.wallMs += 400 * DAY_MS;
  const tree = await publisher.refresh();
  expect(tree.has('2.root.json')).toBe(true);
  expect((await once(tree, publisher.root, publisher.clock.wallMs)).versions.root).toBe(2);
});

describe('an agent without memory', () => {
  const late = START_MS + 31 * DAY_MS;

  it('takes a set in its grace and says so, and refuses it afterwards', async () => {
    const publisher = await newPublisher();
    const tree = await publisher.publish('till', '1');
    expect((await once(tree, publisher.root, START_MS)).stale).toBe(false);
    expect((await once(tree, publisher.root, late)).stale).toBe(true);
    const refusal = once(tree, publisher.root, START_MS + 121 * DAY_MS);
    await expect(refusal).rejects.toMatchObject({ code: 'PB-TRUST-EXPIRED' });
  });

  it('believes the latest clock: an empty battery or a lying peer makes no old set good', async () => {
    const publisher = await newPublisher();
    const tree = await publisher.publish('till', '1');
    const battery = 0;
    const lying = START_MS - 3650 * DAY_MS;
    const refusal = once(tree, publisher.root, battery, lying, START_MS + 121 * DAY_MS);
    await expect(refusal).rejects.toMatchObject({ code: 'PB-TRUST-EXPIRED' });
    expect(trustedWallMs([Number.NaN, 5, 7])).toBe(7);
  });

  it('cannot see a rollback within the grace: it has nothing to compare with', async () => {
    const publisher = await newPublisher();
    const older = await publisher.publish('till', '1');
    await publisher.publish('till', '2');
    expect((await once(older, publisher.root, START_MS)).images.map((image) => image.version)).toEqual(['1']);
  });

  it('refuses what another publisher signed', async () => {
    const stranger = await newPublisher();
    const tree = await stranger.publish('till', '1');
    const publisher = await newPublisher();
    await expect(once(tree, publisher.root, START_MS)).rejects.toMatchObject({ code: 'PB-TRUST-FORGED' });
  });
});
