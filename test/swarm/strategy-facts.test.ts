// What a node takes from the others' announcements before it chooses line or mesh, and that it makes the machine it chose.
import { describe, expect, it } from 'vitest';
import type { SitePeer } from '../../src/swarm/site.ts';
import { createMachine, strategyFacts } from '../../src/swarm/strategy.ts';
import { idlePeer } from '../support/idle-peer.ts';

const IMAGE = '0123456789abcdef';
let count = 0;
function peer(change: Partial<SitePeer> & { held?: number; of?: number } = {}): SitePeer {
  const { held, of = 10, ...rest } = change;
  return {
    ...idlePeer(`${count++}`.padStart(16, '0')),
    holdings: held === undefined ? [] : [{ image: IMAGE, held, of }],
    ...rest,
  };
}

describe('the facts', () => {
  it.each<[string, readonly SitePeer[], number, number, number]>([
    ['nobody else', [], 1, 0, 0],
    ['a peer without the image', [peer()], 1, 0, 0],
    ['a peer with all of it', [peer({ held: 10, freeUplinkBytesPerSecond: 7 })], 1, 1, 7],
    ['a peer with a part of it', [peer({ held: 3 })], 2, 0, 0],
    ['a peer that has begun with nothing', [peer({ held: 0 })], 1, 0, 0],
    ['a table of no rows', [peer({ held: 0, of: 0 })], 1, 0, 0],
    ['a target that holds nothing: it has come for an image', [peer({ role: 'target' })], 2, 0, 0],
    [
      'a target that fetches another image',
      [peer({ role: 'target', holdings: [{ image: 'f'.repeat(16), held: 1, of: 2 }] })],
      ...([1, 0, 0] as const),
    ],
    ['a target that is done', [peer({ role: 'target', held: 10 })], 1, 1, 0],
    ['a holder that may not serve', [peer({ held: 10, unfit: ['battery'] })], 1, 0, 0],
    ['a holder whose own way out fails', [peer({ held: 10, unfit: ['wan-down'] })], 1, 1, 0],
    [
      'the fastest of two holders',
      [
        peer({ held: 10, freeUplinkBytesPerSecond: 7 }),
        peer({ held: 10, freeUplinkBytesPerSecond: 9 }),
        peer({ held: 3, freeUplinkBytesPerSecond: 99 }),
      ],
      ...([2, 2, 9] as const),
    ],
  ])('%s', (_, peers, fetchers, completeHolders, fastestUplink) => {
    expect(strategyFacts(peers, IMAGE, 55)).toEqual({
      fetchers,
      completeHolders,
      fastestUplink,
      downlink: 55,
    });
  });
});

it.each(['line', 'swarm'] as const)('a node of the %s says so', (strategy) => {
  const setup = { self: 'M', role: 'target', rows: 4, storedBytes: () => 1, has: () => false } as const;
  expect(createMachine(strategy, setup).state().strategy).toBe(strategy);
});
