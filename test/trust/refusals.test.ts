// An attacker holds the origin: each way to lie is refused with its own code, and the last good set stays in force.
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { openTrustKeeper, type TrustKeeper } from '../../src/io/trust-keeper.ts';
import {
  DAY_MS,
  newestName,
  newPublisher,
  originOf,
  type Publisher,
  removeScratch,
  START_MS,
  scratchFolder,
  type Tree,
  tampered,
} from './publisher.ts';

afterEach(removeScratch);

const names = (keeper: TrustKeeper) =>
  keeper.current()?.images.map((image) => `${image.name}@${image.version}`);

async function storeWith(publisher: Publisher, tree?: Tree) {
  const stateDir = join(scratchFolder(), 'state');
  const open = (root = publisher.root) => openTrustKeeper({ stateDir, pinnedRoot: root, log: silentLog });
  const keeper = await open();
  if (tree !== undefined) await keeper.update(originOf(tree), publisher.clock.wallMs);
  return { keeper, open, stateDir };
}

/** A store that holds till@1, a publisher that has gone on to till@2, and what becomes of a hostile origin's tree. */
async function attack(change: (newer: Tree, older: Tree, publisher: Publisher) => Tree | Promise<Tree>) {
  const publisher = await newPublisher();
  const older = await publisher.publish('till', '1');
  const { keeper, open } = await storeWith(publisher, older);
  const newer = await publisher.publish('till', '2');
  const hostile = await change(newer, older, publisher);
  const outcome = await keeper
    .update(originOf(hostile), publisher.clock.wallMs)
    .then(String, (error: { code?: string }) => error.code);
  expect(names(keeper)).toEqual(['till@1']);
  expect(names(await open())).toEqual(['till@1']);
  // The store is not stuck: the honest origin is believed at once.
  expect(await keeper.update(originOf(newer), START_MS)).toBe(true);
  expect(names(keeper)).toEqual(['till@2', 'till@1']);
  return outcome;
}

const bump = (signed: Record<string, unknown>) => {
  signed.version = (signed.version as number) + 1;
};

describe('an honest origin', () => {
  it('is believed, and asked only for what is new', async () => {
    const publisher = await newPublisher();
    const { keeper } = await storeWith(publisher, await publisher.publish('till', '1'));
    const origin = originOf(publisher.tree());
    expect(await keeper.update(origin, START_MS)).toBe(false);
    expect(origin.asked).toEqual(['catalogue/2.root.json', 'catalogue/timestamp.json']);
    await publisher.refresh();
    const refreshed = originOf(publisher.tree());
    expect(await keeper.update(refreshed, START_MS)).toBe(true);
    expect(refreshed.asked).not.toContain('catalogue/1.targets.json');
    expect(keeper.current()?.versions).toEqual({ root: 1, timestamp: 2, snapshot: 2, targets: 1 });
  });
});

describe('forged', () => {
  it('timestamp with its version changed', async () => {
    const outcome = await attack((tree) =>
      new Map(tree).set('timestamp.json', tampered(tree.get('timestamp.json'), bump)),
    );
    expect(outcome).toBe('PB-TRUST-FORGED');
  });

  it.each(['snapshot', 'targets'])('%s with another content', async (role) => {
    const outcome = await attack((tree) => {
      const name = newestName(tree, role);
      return new Map(tree).set(
        name,
        tampered(tree.get(name), (signed) => {
          signed.expires = '2099-01-01T00:00:00Z';
        }),
      );
    });
    expect(outcome).toBe('PB-TRUST-FORGED');
  });

  it('everything signed with other keys', async () => {
    const outcome = await attack(async () => {
      const stranger = await newPublisher();
      for (const version of ['1', '2', '3']) await stranger.publish('evil', version);
      return stranger.tree();
    });
    expect(outcome).toBe('PB-TRUST-FORGED');
  });

  it("a new root that the old one's keys did not sign", async () => {
    const outcome = await attack(async (tree) => {
      const stranger = await newPublisher();
      const root = tampered(stranger.root, bump);
      return new Map(tree).set('2.root.json', root);
    });
    expect(outcome).toBe('PB-TRUST-FORGED');
  });

  it.each([
    ['nothing', ''],
    ['no JSON', '<html>sign in to the guest network</html>'],
    ['zeros', '\0'.repeat(400)],
    ['another form', '{"signed":{"_type":"timestamp"},"signatures":[]}'],
  ])('timestamp that is %s', async (_, text) => {
    const outcome = await attack((tree) => new Map(tree).set('timestamp.json', Buffer.from(text)));
    expect(outcome).toBe('PB-TRUST-FORGED');
  });
});

describe('rolled back', () => {
  it('the whole older set', async () => {
    const publisher = await newPublisher();
    const older = await publisher.publish('till', '1');
    const newer = await publisher.publish('till', '2');
    const { keeper, open } = await storeWith(publisher, newer);
    const refusal = { code: 'PB-TRUST-ROLLBACK' };
    await expect(keeper.update(originOf(older), START_MS)).rejects.toMatchObject(refusal);
    // Also by a process that starts anew and knows the newer set from disk only.
    await expect((await open()).update(originOf(older), START_MS)).rejects.toMatchObject(refusal);
    expect(names(keeper)).toEqual(['till@2', 'till@1']);
  });
});

describe('mixed', () => {
  it('an older snapshot under the newer timestamp', async () => {
    const outcome = await attack((tree) =>
      new Map(tree).set('2.snapshot.json', tree.get('1.snapshot.json') as Uint8Array),
    );
    expect(outcome).toBe('PB-TRUST-MIXED');
  });

  it('older targets under the newer snapshot', async () => {
    const outcome = await attack((tree) =>
      new Map(tree).set('2.targets.json', tree.get('1.targets.json') as Uint8Array),
    );
    expect(outcome).toBe('PB-TRUST-MIXED');
  });

  it('a snapshot that is not there (yet)', async () => {
    const outcome = await attack((tree) => {
      const cut = new Map(tree);
      cut.delete('2.snapshot.json');
      return cut;
    });
    expect(outcome).toBe('PB-TRUST-MIXED');
  });

  it('an older root in the place of a newer one', async () => {
    const outcome = await attack((tree) =>
      new Map(tree).set('2.root.json', tree.get('1.root.json') as Uint8Array),
    );
    expect(outcome).toBe('PB-TRUST-MIXED');
  });
});

describe('expired', () => {
  it('is refused from an origin, even when nothing was held before', async () => {
    const publisher = await newPublisher();
    const tree = await publisher.publish('till', '1');
    const { keeper } = await storeWith(publisher);
    const late = START_MS + 31 * DAY_MS;
    await expect(keeper.update(originOf(tree), late)).rejects.toMatchObject({ code: 'PB-TRUST-EXPIRED' });
    expect(keeper.current()).toBeUndefined();
  });

  it('an origin that stands still is told, while the held set stays in force for the grace', async () => {
    const publisher = await newPublisher();
    const tree = await publisher.publish('till', '1');
    const { keeper } = await storeWith(publisher, tree);
    const late = START_MS + 31 * DAY_MS;
    await expect(keeper.update(originOf(tree), late)).rejects.toMatchObject({ code: 'PB-TRUST-EXPIRED' });
    expect(names(keeper)).toEqual(['till@1']);
    expect(keeper.standing(START_MS)).toBe('fresh');
    expect(keeper.standing(late)).toBe('stale');
    expect(() => keeper.standing(START_MS + 121 * DAY_MS)).toThrow(/its grace of 90 days is over/);
  });

  it('the publisher signs how long the grace is', async () => {
    const publisher = await newPublisher();
    await publisher.publish('till', '1');
    const { keeper } = await storeWith(publisher, await publisher.refresh(0));
    expect(() => keeper.standing(START_MS + 31 * DAY_MS)).toThrow(/grace of 0 days/);
  });

  it('a refresh brings it back', async () => {
    const publisher = await newPublisher();
    const { keeper } = await storeWith(publisher, await publisher.publish('till', '1'));
    publisher.clock.wallMs += 31 * DAY_MS;
    expect(await keeper.update(originOf(await publisher.refresh()), publisher.clock.wallMs)).toBe(true);
    expect(keeper.standing(publisher.clock.wallMs)).toBe('fresh');
  });
});

it('a source that fails is told by its own code', async () => {
  const publisher = await newPublisher();
  const { keeper } = await storeWith(publisher);
  await expect(keeper.update(originOf(new Map()), START_MS)).rejects.toMatchObject({
    code: 'PB-CATALOGUE-MISSING',
  });
});

it('another root given later leaves the old publisher behind', async () => {
  const publisher = await newPublisher();
  const { open } = await storeWith(publisher, await publisher.publish('till', '1'));
  const successor = await newPublisher();
  const tree = await successor.publish('kiosk', '1');
  const keeper = await open(successor.root);
  expect(keeper.current()).toBeUndefined();
  expect(await keeper.update(originOf(tree), START_MS)).toBe(true);
  expect(names(keeper)).toEqual(['kiosk@1']);
});
