// The picture of a site: trees from what every peer says, targets known only by their feeder, narrow terminals.
import { describe, expect, it } from 'vitest';
import type { LineView, PeerFacts, SitePeerView, SiteView } from '../../src/api/site.ts';
import { pictureLines } from '../../src/command/site-picture.ts';
import { imageTrees, type LineNode } from '../../src/command/site-tree.ts';
import { visibleLength } from '../../src/command/terminal.ts';

const KEY = '00112233445566aa';
const id = (digit: string) => digit.repeat(16);
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are escape sequences
const plain = (line: string) => line.replaceAll(/\u001b\[[0-9;]*m/g, '');

const line = (change: Partial<LineView>): LineView => ({
  ...{ key: KEY, title: 'till 3', rows: 10, storedBytes: 4_000_000, held: 5, depth: 0, rate: 0 },
  ...{ followers: [], holds: 0, paused: false, priority: 'normal' },
  ...change,
});

function peer(
  digit: string,
  facts: Partial<PeerFacts> | undefined,
  change: Partial<SitePeerView> = {},
): SitePeerView {
  return {
    ...{ id: id(digit), address: `10.77.0.${digit}`, httpPort: 8067, role: 'peer', tags: [], unfit: [] },
    ...{ freeUplinkBytesPerSecond: 0, holdings: [] },
    ...(facts === undefined
      ? {}
      : {
          facts: {
            ...{
              id: id(digit),
              name: `till-${digit}`,
              site: 'store-1',
              paused: false,
              wanLimit: null,
              lanLimit: null,
            },
            ...{ lines: [], replicas: [], wan: [] },
            ...facts,
          },
        }),
    ...change,
  };
}

const site = (peers: SitePeerView[]): SiteView => ({
  ...{ site: 'store-1', self: id('1'), wishes: [], peers },
  control: {
    paused: false,
    pausedImages: ['kiosk'],
    priority: 'normal',
    priorities: {},
    tagged: [],
    untagged: [],
    wanLimit: 2_000_000,
  },
});

const CHAIN = site([
  peer('1', {
    lines: [
      line({ feeder: 'wan', held: 8, rate: 2_000_000, followers: [{ id: id('2'), rate: 1, held: 6 }] }),
    ],
    wan: [{ title: 'till 3', bytes: 3_200_000 }],
    replicas: [
      {
        key: KEY,
        title: 'till 3',
        rows: 10,
        held: 8,
        storedBytes: 4_000_000,
        wanted: 2,
        copies: 1,
        role: 'keep',
      },
    ],
  }),
  peer('2', {
    lines: [
      line({
        feeder: id('1'),
        held: 6,
        rate: 1_900_000,
        holds: 3,
        followers: [{ id: id('9'), rate: 1_500_000, held: 2 }],
      }),
    ],
  }),
  peer('9', undefined, { role: 'target', httpPort: 0, holdings: [{ image: KEY, held: 4, of: 10 }] }),
  peer('4', { lines: [line({ held: 10 })] }, { tags: ['boot-host', 'room:8'] }),
  peer('5', undefined, { unfit: [] }),
]);
const UNKNOWN = { key: KEY, title: 'till 3', rows: 0, held: 0, storedBytes: 4_000_000, wanted: 2, copies: 1 };

describe('trees', () => {
  const shape = (nodes: readonly LineNode[]): unknown[] =>
    nodes.map(({ name, held, followers }) => [name, held, shape(followers)]);

  it('WAN → peer → peer → target, the idle holder apart', () => {
    const [image] = imageTrees(CHAIN);
    expect(shape(image?.fromWan ?? [])).toEqual([['till-1', 8, [['till-2', 6, [['99999999', 4, []]]]]]]);
    expect(shape(image?.fromDisk ?? [])).toEqual([['till-4', 10, []]]);
    expect(image).toMatchObject({ title: 'till 3', wanBytes: 3_200_000, copies: 1, wanted: 2 });
  });

  it('a peer that does not yet know how many chunks there are spoils nothing', () => {
    const asked = peer('0', { replicas: [{ ...UNKNOWN, role: 'none' }] });
    const [image] = imageTrees({ ...CHAIN, peers: [asked, ...CHAIN.peers] });
    expect([image?.rows, image?.wanted]).toEqual([10, 2]);
  });

  it('nobody is lost when what two say goes round in a circle, or when a feeder is unknown', () => {
    const circle = site([
      peer('1', { lines: [line({ feeder: id('2') })] }),
      peer('2', { lines: [line({ feeder: id('1') })] }),
      peer('3', { lines: [line({ feeder: id('8') })] }),
    ]);
    const [image] = imageTrees(circle);
    const names = (nodes: readonly LineNode[]): string[] =>
      nodes.flatMap((node) => [node.name, ...names(node.followers)]);
    expect(names([...(image?.fromWan ?? []), ...(image?.fromDisk ?? [])]).sort()).toEqual([
      'till-1',
      'till-2',
      'till-3',
    ]);
  });
});

describe('the picture', () => {
  it('draws the line, the copies, the WAN bytes and the peers', () => {
    expect(
      pictureLines(CHAIN, 120)
        .map(plain)
        .map((text) => text.trimEnd()),
    ).toEqual([
      'Site store-1 · 4 peers, 1 target · paused kiosk · limits WAN 2.0 MB/s, LAN as configured',
      '',
      'till 3  4.0 MB  WAN 3.2 MB (0.80 ×)  copies 1 of 2  line',
      '  WAN',
      '  └─ ◐ till-1  10.77.0.1  ████████░░ 80 %  2.0 MB/s',
      '     └─ ◐ till-2  10.77.0.2  ██████░░░░ 60 %  1.9 MB/s  3 waiting',
      '        └─ ◐ 99999999 (target)  10.77.0.9  ████░░░░░░ 40 %  1.5 MB/s',
      '  ● till-4  10.77.0.4  ██████████ 100 %',
      '',
      'Peers',
      '  till-1 (asked)  10.77.0.1  peer    fit',
      '  till-2          10.77.0.2  peer    fit',
      '  99999999        10.77.0.9  target  fit',
      '  till-4          10.77.0.4  peer    fit       boot-host',
      '  55555555        10.77.0.5  peer    silent',
    ]);
  });

  it('tells of a swarm, and from how many a machine fetches', () => {
    const joins = { id: id('9'), rate: 1_000_000, held: 4, joins: true };
    const holder = (digit: string) => peer(digit, { lines: [line({ held: 10, followers: [joins] })] });
    const target = peer('9', undefined, { role: 'target', httpPort: 0 });
    const texts = pictureLines(site([holder('1'), holder('2'), target]), 120).map(plain);
    expect(texts.find((text) => text.startsWith('till 3'))).toMatch(/ {2}swarm$/);
    expect(texts.find((text) => text.includes('└─'))).toMatch(/40 % {2}2\.0 MB\/s {2}from 2 sources$/);
  });

  it.each([20, 40, 60, 80])('is never wider than %d columns', (columns) => {
    for (const text of pictureLines(CHAIN, columns)) expect(visibleLength(text)).toBeLessThanOrEqual(columns);
  });

  it('says so when there is nothing to draw', () => {
    expect(pictureLines(site([peer('1', {})]), 80).map(plain)).toContain(
      'No image is in a line, and none shall be held.',
    );
  });
});
