// The site's catalogue over time: which sources are asked, when again, and what is said while none answers.
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { PeerbootError } from '../../src/base/errors.ts';
import { silentLog } from '../../src/base/log.ts';
import type { FileSource } from '../../src/chunk/ports.ts';
import { openTrustKeeper } from '../../src/io/trust-keeper.ts';
import { createCatalogue } from '../../src/service/catalogue.ts';
import { DAY_MS, newPublisher, originOf, removeScratch, START_MS, scratchFolder } from './publisher.ts';

afterEach(removeScratch);

const down: FileSource = {
  name: 'http://down',
  fetchFile: async () => {
    throw new PeerbootError('PB-SOURCE-FAILED', 'http://down: refused');
  },
};

async function site(pinnedRoot: Uint8Array, sources: FileSource[]) {
  const keeper = await openTrustKeeper({ stateDir: join(scratchFolder(), 's'), pinnedRoot, log: silentLog });
  const clock = { wall: START_MS };
  const delays: number[] = [];
  let wake = () => {};
  const catalogue = createCatalogue({
    keeper,
    sources,
    refreshMs: 300_000,
    clock: { nowMs: () => 0, wallMs: () => clock.wall },
    timers: {
      after: (delayMs, act) => {
        delays.push(delayMs);
        wake = act;
        return () => {
          wake = () => {};
        };
      },
    },
    log: silentLog,
  });
  return { catalogue, clock, delays, wake: () => wake() };
}

it('asks every source: the first may be a mirror that stands still', async () => {
  const publisher = await newPublisher();
  const mirror = originOf(await publisher.publish('till', '1'), 'http://mirror');
  const origin = originOf(await publisher.publish('till', '2'));
  const { catalogue } = await site(publisher.root, [down, mirror, origin]);
  expect(catalogue.state()).toMatchObject({ state: 'none' });
  await catalogue.refresh();
  expect(catalogue.find('till')?.version).toBe('2');
  expect(catalogue.find('till@1')?.version).toBe('1');
  expect(catalogue.find('till@3')).toBeUndefined();
  expect(catalogue.state()).toEqual({ state: 'valid' });
  // The mirror is now behind what is held, and is told so without harm.
  await catalogue.refresh();
  expect(catalogue.state()).toEqual({ state: 'valid' });
  expect(await catalogue.file('timestamp.json')).toEqual(publisher.read('timestamp.json'));
  expect(await catalogue.file('9.targets.json')).toBeUndefined();
});

it('says that it is held when all sources fail, and when its date has passed, and none after its grace', async () => {
  const publisher = await newPublisher();
  const sources: FileSource[] = [originOf(await publisher.publish('till', '1'))];
  const { catalogue, clock } = await site(publisher.root, sources);
  await catalogue.refresh();
  sources[0] = down;
  await catalogue.refresh();
  expect(catalogue.state()).toEqual({ state: 'held', reason: 'PB-SOURCE-FAILED http://down: refused' });
  clock.wall += 31 * DAY_MS;
  expect(catalogue.state().state).toBe('held');
  expect(catalogue.images()).toHaveLength(1);
  clock.wall += 90 * DAY_MS;
  expect(catalogue.state()).toMatchObject({
    state: 'none',
    reason: expect.stringMatching(/^PB-TRUST-EXPIRED/),
  });
  expect(catalogue.images()).toEqual([]);
  expect(await catalogue.file('timestamp.json')).toBeUndefined();
});

it('asks again sooner while all fail, ever later up to the usual time, and stops when told', async () => {
  const publisher = await newPublisher();
  const { catalogue, delays, wake } = await site(publisher.root, [down]);
  await catalogue.refresh();
  catalogue.start();
  for (let round = 1; round <= 7; round++) {
    wake();
    await expect.poll(() => delays.length).toBe(round + 1);
  }
  expect(delays).toEqual([5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
  catalogue.stop();
  wake();
  await catalogue.refresh();
  expect(delays).toHaveLength(8);
});

it('without a root there is none, and it says why', async () => {
  const catalogue = createCatalogue({
    keeper: undefined,
    reason: 'PB-TRUST-ROOT-MISSING',
    sources: [down],
    refreshMs: 1,
    clock: { nowMs: () => 0, wallMs: () => START_MS },
    timers: { after: () => () => {} },
    log: silentLog,
  });
  await catalogue.refresh();
  expect(catalogue.state()).toEqual({ state: 'none', reason: 'PB-TRUST-ROOT-MISSING' });
  expect(catalogue.images()).toEqual([]);
});
