// What a client of an address server wants, and what it is answered (RFC 2131 §4.3).
import { describe, expect, it } from 'vitest';
import { ANY_ADDRESS, type Ipv4 } from '../../src/base/addresses.ts';
import { addressDestination, addressReply, isInNetwork, readRequest } from '../../src/dhcp/address-server.ts';
import { OPTIONS, optionEntry, readOption } from '../../src/dhcp/options.ts';
import { type ClientPacket, clientPacket, serverIdentifier } from '../support/dhcp-packets.ts';

const SERVER = '10.77.0.1' as Ipv4;
const NETWORK = {
  server: SERVER,
  netmask: '255.255.255.0' as Ipv4,
  router: '10.77.0.254' as Ipv4,
  nameServers: ['10.77.0.53' as Ipv4],
  leaseSeconds: 3600,
};
const asking = (address: string) => optionEntry(OPTIONS.requestedAddress, address as Ipv4);
const read = (packet: ClientPacket) => readRequest(clientPacket(packet), SERVER);
const CLIENT = 'mac:525400770001';
const ADDRESS = '10.77.0.9' as Ipv4;

describe('a request', () => {
  it.each<[string, ClientPacket, object | undefined]>([
    ['DISCOVER', { type: 'DISCOVER' }, { kind: 'discover', client: CLIENT, asked: undefined }],
    [
      'for our offer',
      { type: 'REQUEST', more: [serverIdentifier(SERVER), asking(ADDRESS)] },
      { kind: 'request', client: CLIENT, address: ADDRESS, state: 'selecting' },
    ],
    [
      'after a restart',
      { type: 'REQUEST', more: [asking(ADDRESS)] },
      { kind: 'request', client: CLIENT, address: ADDRESS, state: 'init-reboot' },
    ],
    [
      'to renew',
      { type: 'REQUEST', fields: { ciaddr: ADDRESS } },
      { kind: 'request', client: CLIENT, address: ADDRESS, state: 'renewing' },
    ],
    [
      "for another server's offer",
      { type: 'REQUEST', more: [serverIdentifier('10.77.0.2'), asking(ADDRESS)] },
      { kind: 'chose-another', client: CLIENT, server: '10.77.0.2' },
    ],
    ['for nothing', { type: 'REQUEST' }, undefined],
    [
      'DECLINE',
      { type: 'DECLINE', more: [serverIdentifier(SERVER), asking(ADDRESS)] },
      { kind: 'decline', client: CLIENT, address: ADDRESS },
    ],
    [
      'DECLINE to another',
      { type: 'DECLINE', more: [serverIdentifier('10.77.0.2'), asking(ADDRESS)] },
      undefined,
    ],
    ['RELEASE', { type: 'RELEASE', more: [serverIdentifier(SERVER)] }, { kind: 'release', client: CLIENT }],
    ['RELEASE to another', { type: 'RELEASE', more: [serverIdentifier('10.77.0.2')] }, undefined],
    ['INFORM', { type: 'INFORM' }, { kind: 'inform' }],
    ['an answer', { type: 'OFFER' }, undefined],
    ['by a relay', { type: 'DISCOVER', fields: { giaddr: '10.77.9.1' as Ipv4 } }, undefined],
  ])('%s', (_, packet, wanted) => expect(read(packet)).toEqual(wanted));

  it('is of the MAC, whatever the client calls itself; without a MAC of its identifier', () => {
    const id = [61, Uint8Array.of(0xff, 1)] as const;
    expect(read({ more: [id] })).toMatchObject({ client: CLIENT });
    expect(read({ more: [id], fields: { chaddr: new Uint8Array(16) } })).toMatchObject({ client: 'id:ff01' });
  });
});

describe('a reply', () => {
  const request = clientPacket({ fields: { flags: 0 } });
  const value = (type: 'OFFER' | 'ACK' | 'NAK', address?: Ipv4) =>
    addressReply(request, type, address, NETWORK);

  it('gives address, lease and network, and nothing to boot', () => {
    const { yiaddr, siaddr, file, options } = value('OFFER', ADDRESS);
    // Who is next is told, for GRUB's sake, and no file.
    expect([yiaddr, siaddr, file.length]).toEqual([ADDRESS, NETWORK.server, 0]);
    expect(value('NAK', undefined).siaddr).toBe(ANY_ADDRESS);
    expect([...options.keys()]).toEqual([53, 54, 51, 58, 59, 1, 3, 6]);
    expect(readOption(options, OPTIONS.leaseTime)).toBe(3600);
    expect(readOption(options, OPTIONS.renewalTime)).toBe(1800);
    expect(readOption(options, OPTIONS.rebindingTime)).toBe(3150);
    expect(readOption(options, OPTIONS.domainServer)).toEqual(NETWORK.nameServers);
  });

  it('to an INFORM has no lease, a NAK nothing at all', () => {
    expect([...value('ACK').options.keys()]).toEqual([53, 54, 1, 3, 6]);
    expect([...value('NAK').options.keys()]).toEqual([53, 54]);
  });

  it('goes to the address that the client has, a NAK to all', () => {
    const renewing = clientPacket({ type: 'REQUEST', fields: { ciaddr: ADDRESS } });
    const source = { address: ADDRESS, port: 68 };
    expect(addressDestination('ACK', renewing, source)?.address).toBe(ADDRESS);
    expect(addressDestination('NAK', renewing, source)?.address).toBe('255.255.255.255');
  });
});

it('an address is of the network or not', () => {
  expect(isInNetwork('10.77.0.200' as Ipv4, NETWORK)).toBe(true);
  expect(isInNetwork('10.77.1.200' as Ipv4, NETWORK)).toBe(false);
});

it('a network without a way out is told none: neither router nor name server', () => {
  const bare = { ...NETWORK, router: undefined, nameServers: [] };
  const reply = addressReply(clientPacket({ type: 'DISCOVER' }), 'OFFER', ADDRESS, bare);
  expect(readOption(reply.options, OPTIONS.subnetMask)).toBe(NETWORK.netmask);
  expect([OPTIONS.router, OPTIONS.domainServer].map(({ code }) => reply.options.has(code))).toEqual([
    false,
    false,
  ]);
});
