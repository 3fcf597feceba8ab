// The choice as the service makes it: from what peers announce and what was measured, and with its reason in the log.
import { describe, expect, it } from 'vitest';
import type { Digest } from '../../src/base/digest.ts';
import { createLineStrategy } from '../../src/service/line-strategy.ts';
import type { LineImage } from '../../src/swarm/node-ports.ts';
import { imageKey, type Presence, type SitePeer } from '../../src/swarm/site.ts';
import { type StrategySetting, strategyFacts } from '../../src/swarm/strategy.ts';
import { idlePeer } from '../support/idle-peer.ts';

const MANIFEST = `sha256:${'ab'.repeat(32)}` as Digest;
const KEY = imageKey(MANIFEST);
const ROWS = 4;
const image = { manifest: MANIFEST, title: 'till 3', rows: ROWS } as unknown as LineImage;

function peer(id: string, held: number | undefined, change: Partial<SitePeer> = {}): SitePeer {
  const holdings = held === undefined ? [] : [{ image: KEY, held, of: ROWS }];
  return idlePeer(id, { holdings, ...change });
}
const holder = (id: string, freeUplinkBytesPerSecond: number) => peer(id, ROWS, { freeUplinkBytesPerSecond });
const target = (id: string, held?: number) => peer(id, held, { role: 'target' });

describe('the facts', () => {
  it('count holders that may serve, and those that fetch or came to fetch', () => {
    const peers = [
      holder('a', 5),
      holder('b', 7),
      peer('c', ROWS, { unfit: ['battery'] }),
      peer('d', ROWS, { unfit: ['wan-down'] }),
      peer('e', 2),
      peer('f', undefined),
      target('g'),
      target('h', 1),
      target('i', ROWS),
    ];
    expect(strategyFacts(peers, KEY, 100)).toEqual({
      ...{ fetchers: 4, completeHolders: 4, fastestUplink: 7, downlink: 100 },
    });
  });

  it('are none in an empty site', () => {
    expect(strategyFacts([], KEY, 0)).toEqual({
      ...{ fetchers: 1, completeHolders: 0, fastestUplink: 0, downlink: 0 },
    });
  });
});

/** Opens the image, and returns what it became and what was logged. */
function open(setting: StrategySetting, peers: readonly SitePeer[], link = 0, came: readonly number[] = []) {
  const said: unknown[] = [];
  const info = (fields: object, text: string) => said.push({ ...fields, text });
  let nowMs = 0;
  const strategy = createLineStrategy({
    presence: { self: 'me', peers: () => peers } as unknown as Presence,
    setting,
    linkBytesPerSecond: () => link,
    clock: { nowMs: () => nowMs, wallMs: () => 0 },
    log: { info } as never,
  });
  for (const bytes of came) {
    strategy.came(bytes);
    nowMs += 250;
  }
  const setup = { self: 'me', role: 'peer', rows: ROWS, storedBytes: () => 1, has: () => false } as const;
  return { strategy: strategy.machineFor(image, setup).state().strategy, said };
}

describe('the choice', () => {
  const slow = [holder('a', 2e6), holder('b', 2e6), holder('c', 0)];

  it('goes by the speed of the card', () => {
    const { strategy, said } = open('auto', slow, 125e6);
    expect(strategy).toBe('swarm');
    expect(said).toEqual([
      {
        ...{ image: 'till 3', strategy: 'swarm', fetchers: 1, completeHolders: 3 },
        ...{ fastestUplink: 2e6, downlink: 125e6 },
        text: 'strategy: no single uplink fills the link, several together do',
      },
    ]);
  });

  it('goes by what came at most where no card tells', () => {
    expect(open('auto', slow).strategy).toBe('line');
    expect(open('auto', slow, 0, [1e6, 1e6, 1e6, 1e6, 1e6]).strategy).toBe('swarm');
    expect(open('auto', slow, 0, [1e5, 1e5, 1e5, 1e5, 1e5]).strategy).toBe('line');
  });

  it('is the line when more fetch than hold', () => {
    expect(open('auto', [...slow, target('x'), target('y'), target('z')], 125e6).strategy).toBe('line');
  });

  it.each(['line', 'swarm'] as const)('is the %s when told so', (setting) => {
    const { strategy, said } = open(setting, setting === 'line' ? slow : [], 125e6);
    expect(strategy).toBe(setting);
    expect(said).toEqual([{ image: 'till 3', strategy: setting, text: 'strategy: told' }]);
  });
});
