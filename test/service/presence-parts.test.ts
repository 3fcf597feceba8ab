// The small parts of presence: the id that is kept, subnets, and who learns of changes.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { PeerbootError } from '../../src/base/errors.ts';
import { seededRandom } from '../../src/base/random.ts';
import { keepPeerId, loadPeerId } from '../../src/io/peer-id.ts';
import { createPresence } from '../../src/service/presence.ts';
import { decodeBeacon, encodeBeacon, type SiteBeacon, siteHash } from '../../src/swarm/beacon-codec.ts';
import {
  type BeaconInterface,
  type BeaconNetOptions,
  isInSubnet,
  subnetOf,
} from '../../src/swarm/beacon-net.ts';
import { type Logbook, logbook } from '../support/logbook.ts';
import { IDLE } from '../swarm/beacon-world.ts';

const folder = mkdtempSync(join(tmpdir(), 'peerboot-peer-id-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('peer id', () => {
  it('is made once and kept; a damaged one is replaced', () => {
    const id = loadPeerId(folder);
    expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(loadPeerId(folder)).toBe(id);
    keepPeerId(folder, 'ab'.repeat(8));
    expect(loadPeerId(folder)).toBe('ab'.repeat(8));
    writeFileSync(join(folder, 'peer-id'), 'ab\n');
    const again = loadPeerId(folder);
    expect(again).toMatch(/^[0-9a-f]{16}$/);
    expect(loadPeerId(folder)).toBe(again);
  });
});

describe('subnets', () => {
  it.each([
    ['10.77.5.9', '255.255.255.0', '10.77.5.0/24'],
    ['10.77.5.9', '255.255.0.0', '10.77.0.0/16'],
    ['192.168.1.130', '255.255.255.128', '192.168.1.128/25'],
    ['127.0.0.1', '255.0.0.0', '127.0.0.0/8'],
  ])('%s with %s lies in %s', (address, netmask, expected) => {
    expect(subnetOf({ address: address as Ipv4, netmask: netmask as Ipv4 })).toBe(expected);
  });

  it('tells who is near', () => {
    const own = { address: '10.77.5.9' as Ipv4, netmask: '255.255.255.0' as Ipv4 };
    expect(isInSubnet('10.77.5.200' as Ipv4, own)).toBe(true);
    expect(isInSubnet('10.77.6.9' as Ipv4, own)).toBe(false);
  });
});

/** A presence without sockets: what it sends by which interface, and a way to be heard. */
function presence(label: string, interfaces: readonly BeaconInterface[]) {
  const sent: { by: string; said: SiteBeacon }[] = [];
  const log = logbook();
  const wakes: (() => void)[] = [];
  let heard: BeaconNetOptions['onDatagram'] = () => {};
  let now = 0;
  const send = (by: BeaconInterface, bytes: Uint8Array) => {
    const said = decodeBeacon(bytes);
    if (!(said instanceof Error)) sent.push({ by: by.name, said });
  };
  const service = createPresence({
    self: '11'.repeat(8),
    label,
    sitePort: () => 8068,
    own: IDLE,
    openNet: async (options) => {
      heard = options.onDatagram;
      return {
        interfaces: () => interfaces,
        towards: (address) => interfaces.find((one) => isInSubnet(address, one)) ?? interfaces[0],
        multicast: send,
        unicast: (by, _to, bytes) => send(by, bytes),
        close: async () => {},
      };
    },
    random: seededRandom(1),
    clock: { nowMs: () => now++, wallMs: () => 0 },
    timers: {
      after(_, wake) {
        wakes.push(wake);
        return () => wakes.splice(wakes.indexOf(wake), 1);
      },
    },
    log,
  });
  const from = (id: string, kind: 'goodbye' | 'announcement', site: string) => {
    const { freeUplinkBytesPerSecond: _, ...facts } = IDLE;
    const stamp = { id, instance: 1, revision: 0, freeUplinkBytesPerSecond: 0, direct: false };
    const beacon =
      kind === 'goodbye' ? { ...stamp, kind } : { ...stamp, kind, wants: false, sitePort: 9, facts };
    const source = { address: '10.77.5.2' as Ipv4, port: 8068 };
    heard(encodeBeacon({ site: siteHash(site), beacon }), source, true);
  };
  return {
    service,
    sent,
    log,
    wakes,
    from,
    hear: (bytes: Uint8Array) => heard(bytes, { address: '10.77.5.2' as Ipv4, port: 1 }, true),
  };
}

const messages = (log: Logbook, level: string) =>
  log.lines.filter((line) => line.level === level).map(({ message }) => message);

const ONE: BeaconInterface = { name: 'one', address: '10.77.5.1' as Ipv4, netmask: '255.255.255.0' as Ipv4 };
const TWO: BeaconInterface = { name: 'two', address: '10.77.6.1' as Ipv4, netmask: '255.255.255.0' as Ipv4 };

describe('presence', () => {
  it('says to each subnet its own site without a label, and the label everywhere with one', async () => {
    const bySubnet = presence('', [ONE, TWO]);
    await bySubnet.service.start();
    expect(bySubnet.sent.map(({ by, said }) => [by, said.site])).toEqual([
      ['one', siteHash('subnet 10.77.5.0/24')],
      ['two', siteHash('subnet 10.77.6.0/24')],
    ]);
    const labelled = presence('shop 7', [ONE, TWO]);
    await labelled.service.start();
    expect(new Set(labelled.sent.map(({ said }) => said.site))).toEqual(new Set([siteHash('label shop 7')]));
  });

  it('tells its listeners once of many changes, and logs who came and went', async () => {
    const { service, from, wakes, log } = presence('x', [ONE]);
    let told = 0;
    const stop = service.onChange(() => {
      told += 1;
    });
    await service.start();
    from('22'.repeat(8), 'announcement', 'label x');
    from('33'.repeat(8), 'announcement', 'label x');
    from('33'.repeat(8), 'goodbye', 'label x');
    expect(service.peers().map(({ id, port }) => [id, port])).toEqual([['22'.repeat(8), 9]]);
    for (const wake of wakes.splice(0)) wake();
    expect(told).toBe(1);
    stop();
    from('22'.repeat(8), 'goodbye', 'label x');
    for (const wake of wakes.splice(0)) wake();
    expect(told).toBe(1);
    expect(messages(log, 'info')).toEqual(['peer came', 'peer came', 'peer went', 'peer went']);
  });

  it('counts what it ignores, and warns of one that it can never reach', async () => {
    const { service, from, hear, log } = presence('', [ONE]);
    service.tellOf({ address: '10.99.0.1' as Ipv4, port: 8068 });
    await service.start();
    hear(new Uint8Array(5));
    from('22'.repeat(8), 'announcement', 'subnet 10.99.0.0/24');
    expect(service.stats()).toEqual({ received: 2, malformed: 1, ignored: { 'other-site': 1 } });
    expect(messages(log, 'warn')).toEqual([
      'told of a peer beyond our subnets: give both the same site label',
    ]);
  });

  it('says to the site whom it suspects, and asks that one; of strangers, and before it starts, nothing', async () => {
    const { service, from, sent } = presence('x', [ONE, TWO]);
    const suspect = (id: string) => {
      sent.length = 0;
      service.suspect?.(id);
      return sent.map(({ by, said: { beacon } }) =>
        beacon.kind === 'suspicion'
          ? `${by}: ${beacon.subject.slice(0, 2)} is suspect`
          : `${by}: ${beacon.kind}`,
      );
    };
    expect(suspect('22'.repeat(8))).toEqual([]);
    await service.start();
    expect(suspect('22'.repeat(8))).toEqual([]);
    from('22'.repeat(8), 'announcement', 'label x');
    expect(suspect('22'.repeat(8))).toEqual(['one: 22 is suspect', 'two: 22 is suspect', 'one: probe']);
    // Once is enough until it is heard again.
    expect(suspect('22'.repeat(8))).toEqual([]);
    from('22'.repeat(8), 'announcement', 'label x');
    expect(suspect('22'.repeat(8))).toHaveLength(3);
  });

  it('does not start where the group cannot be heard', async () => {
    const failing = createPresence({
      self: '11'.repeat(8),
      label: '',
      sitePort: () => 8068,
      own: IDLE,
      openNet: async () => {
        throw new PeerbootError('PB-PORT-IN-USE', 'held');
      },
      random: seededRandom(1),
      clock: { nowMs: () => 0, wallMs: () => 0 },
      timers: { after: () => () => {} },
      log: logbook(),
    });
    await expect(failing.start()).rejects.toMatchObject({ code: 'PB-PORT-IN-USE' });
    expect(failing.peers()).toEqual([]);
  });
});
