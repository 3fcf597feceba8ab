// What of our own announcement others must know at once, and what may wait for the next beacon.
import { expect, it } from 'vitest';
import { mattersAtOnce, progressed } from '../../src/swarm/own-announcement.ts';
import type { Announcement } from '../../src/swarm/site.ts';

const IMAGE = '0123456789abcdef';
const own: Announcement = {
  role: 'peer',
  httpPort: 8067,
  tags: ['till'],
  holdings: [{ image: IMAGE, held: 3, of: 10 }],
  freeUplinkBytesPerSecond: 1000,
  unfit: [],
  crossing: [],
};
const holding = (held: number, of = 10, image = IMAGE): Partial<Announcement> => ({
  holdings: [{ image, held, of }],
});

it.each<[string, Partial<Announcement>, boolean, boolean]>([
  ['nothing', {}, false, false],
  ['another role', { role: 'target' }, true, false],
  ['another port', { httpPort: 0 }, true, false],
  ['a tag more', { tags: ['till', 'boot-host'] }, true, false],
  ['another tag', { tags: ['kiosk'] }, true, false],
  ['being unfit', { unfit: ['battery'] }, true, false],
  ['crossing the WAN', { crossing: [IMAGE] }, true, false],
  ['a freer uplink', { freeUplinkBytesPerSecond: 9 }, false, false],
  ['a chunk more', holding(4), false, true],
  ['the last chunk', holding(10), true, true],
  ['none left', holding(0), true, true],
  ['another image', holding(3, 10, 'ffffffffffffffff'), true, false],
  ['another image beside it', { holdings: [...own.holdings, { image: 'ff', held: 1, of: 2 }] }, true, true],
  ['no image', { holdings: [] }, true, false],
])('%s', (_, change, atOnce, further) => {
  const after = { ...own, ...change };
  expect([mattersAtOnce(own, after), progressed(own, after)]).toEqual([atOnce, further]);
});
