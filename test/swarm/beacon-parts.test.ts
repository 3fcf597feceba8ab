// Parts of the beacon by themselves: who is answered how, who has left, whom we were told of, which way gives way.
import { describe, expect, it } from 'vitest';
import type { Ipv4, Mac } from '../../src/base/addresses.ts';
import { WireError } from '../../src/base/errors.ts';
import { seededRandom } from '../../src/base/random.ts';
import { Answers } from '../../src/swarm/beacon-answers.ts';
import { decodeBeacon, encodeBeacon, MOST_BEACON_BYTES } from '../../src/swarm/beacon-codec.ts';
import { Left } from '../../src/swarm/beacon-left.ts';
import { isInSubnet, subnetOf } from '../../src/swarm/beacon-net.ts';
import { BeaconTable } from '../../src/swarm/beacon-table.ts';
import { ToldAddresses } from '../../src/swarm/beacon-told.ts';
import { randomPeerId } from '../../src/swarm/site.ts';
import { BeaconWorld, IDLE, type Seat, SITE } from './beacon-world.ts';

const at = (last: number, port = 8068) => ({ address: `10.77.0.${last}` as Ipv4, port });
const STAMP = { instance: 9, revision: 0, freeUplinkBytesPerSecond: 0, direct: false };

describe('answers', () => {
  it('go to one by unicast, to several near ones by one multicast', () => {
    const answers = new Answers(seededRandom(1));
    answers.ask(at(1), false, 3, 0);
    expect(answers.due(0)).toBeUndefined();
    expect(answers.due(30)).toEqual({ unicast: [at(1)], multicast: false });
    answers.ask(at(1), false, 3, 40);
    answers.ask(at(2), false, 3, 40);
    answers.ask(at(3), true, 3, 40);
    expect(answers.nextAt()).toBe(180);
    expect(answers.due(180)).toEqual({ unicast: [at(3)], multicast: true });
    expect(answers.nextAt()).toBe(Number.POSITIVE_INFINITY);
  });

  it('are not needed once all were told, but by those that multicast does not reach', () => {
    const answers = new Answers(seededRandom(1));
    answers.ask(at(1), false, 3, 0);
    answers.announcedToAll();
    expect(answers.nextAt()).toBe(Number.POSITIVE_INFINITY);
    answers.ask(at(1), false, 3, 0);
    answers.ask(at(2), true, 3, 0);
    answers.announcedToAll();
    expect(answers.due(1_000)).toEqual({ unicast: [at(2)], multicast: false });
  });
});

describe('who has left', () => {
  it('is not brought back within a second by a beat of the same start', () => {
    const left = new Left();
    left.add('a', 1, 0);
    expect([left.has('a', 1, 999), left.has('a', 2, 999), left.has('b', 1, 999)]).toEqual([
      true,
      false,
      false,
    ]);
    expect(left.has('a', 1, 1_000)).toBe(false);
  });

  it('is forgotten when a flood of goodbyes comes, rather than growing without end', () => {
    const left = new Left();
    for (let i = 0; i < 257; i++) left.add(`${i}`, 1, 0);
    expect([left.has('0', 1, 1), left.has('256', 1, 1)]).toEqual([false, true]);
  });
});

describe('addresses told', () => {
  it('count once each, 256 at most', () => {
    const told = new ToldAddresses(seededRandom(1));
    for (let i = 0; i < 300; i++) told.add(at(i & 255, 1 + (i >> 8)), 0);
    told.add(at(0, 1), 0);
    expect(told.due(0)).toHaveLength(256);
    told.remove(at(0, 1));
    expect(told.due(1e6)).toHaveLength(255);
  });

  it('fall silent only after they have answered, and are tried anew a second later', () => {
    const told = new ToldAddresses(seededRandom(1));
    told.add(at(1), 0);
    told.silent(at(1), 0);
    told.answered(at(2));
    expect([told.due(0), told.answering()]).toEqual([[at(1)], []]);
    told.answered(at(1));
    expect([told.answering(), told.nextAt()]).toEqual([[at(1)], Number.POSITIVE_INFINITY]);
    told.silent(at(1), 5_000);
    expect(told.nextAt()).toBe(6_000);
  });
});

it('of five ways to a peer the longest silent gives way, never the one in use', () => {
  const table = new BeaconTable();
  const beat = { ...STAMP, id: 'b'.repeat(16), kind: 'beat' } as const;
  const peer = table.add(at(1), beat, 0);
  for (const last of [2, 3, 4]) table.heard(peer, at(last), 10_000, last);
  // The third way is heard again, so that the second and then the fourth are silent for longest.
  table.heard(peer, at(2), 10_000, 10);
  table.heard(peer, at(5), 10_000, 11);
  table.heard(peer, at(6), 10_000, 12);
  const ways = peer.paths.map(({ endpoint }) => endpoint.address).sort();
  expect(ways).toEqual([at(1), at(2), at(5), at(6)].map(({ address }) => address));
  expect(peer.path.endpoint).toEqual(at(1));
});

it('a datagram longer than any beacon is an error', () => {
  const { freeUplinkBytesPerSecond: __, ...facts } = IDLE;
  const beacon = {
    ...STAMP,
    id: 'b'.repeat(16),
    kind: 'announcement',
    wants: false,
    sitePort: 1,
    facts,
  } as const;
  const bytes = new Uint8Array(MOST_BEACON_BYTES + 1);
  bytes.set(encodeBeacon({ site: SITE, beacon }));
  expect(decodeBeacon(bytes)).toBeInstanceOf(WireError);
  expect((decodeBeacon(bytes) as WireError).message).toBe('too long');
});

it.each([
  ['10.77.5.200', '255.255.255.0', '10.77.5.0/24'],
  ['10.77.5.200', '255.255.255.128', '10.77.5.128/25'],
  ['10.77.5.200', '0.0.0.0', '0.0.0.0/0'],
])('%s with %s is in %s', (address, netmask, subnet) => {
  const own = { address: address as Ipv4, netmask: netmask as Ipv4 };
  expect(subnetOf(own)).toBe(subnet);
  expect(isInSubnet('10.77.5.130' as Ipv4, own)).toBe(true);
  expect(isInSubnet('10.78.5.130' as Ipv4, own)).toBe(netmask === '0.0.0.0');
});

it('a peer`s id has sixteen digits, whatever is drawn', () => {
  expect(randomPeerId({ next: () => 0 })).toBe('0'.repeat(16));
  expect(randomPeerId({ next: () => 1 - 2 ** -53 })).toBe('f'.repeat(16));
});

describe('who has answered a boot request', () => {
  const answered = (seat: Seat) =>
    seat.log.flatMap(({ action }) =>
      action.kind === 'answered' ? [[action.by, action.mac, action.xid]] : [],
    );

  it.each([true, false])('is said to all the others (by multicast: %s)', (multicast) => {
    const world = new BeaconWorld({ multicast });
    const [a, b, c] = world.start(3) as [Seat, Seat, Seat];
    for (const seat of [b, c]) world.at(10, () => world.step(seat, { kind: 'tell', where: a.endpoint }));
    world.run(3_000);
    const mac = '52:54:00:12:34:56' as Mac;
    world.step(a, { kind: 'answered', mac, xid: 7 });
    world.run(3_010);
    expect([a, b, c].map(answered)).toEqual([[], [[a.machine.self, mac, 7]], [[a.machine.self, mac, 7]]]);
  });
});
