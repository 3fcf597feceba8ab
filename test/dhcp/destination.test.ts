// Where a reply goes, as a table (RFC 2131 §4.1; PXE 2.1 for 4011).
import { expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { isHostAddress, replyDestination } from '../../src/dhcp/destination.ts';
import { clientPacket } from '../support/dhcp-packets.ts';

const NOBODY = '0.0.0.0:68';

it.each([
  ['broadcast without an address', 67, {}, NOBODY, 'broadcast 255.255.255.255:68'],
  [
    'flag clear: still broadcast, as no address is given',
    67,
    { flags: 0 },
    NOBODY,
    'broadcast 255.255.255.255:68',
  ],
  ['through a relay', 67, { giaddr: '10.77.9.1' }, '10.77.9.1:67', 'relay 10.77.9.1:67'],
  [
    'relay before ciaddr',
    67,
    { giaddr: '10.77.9.1', ciaddr: '10.77.9.5' },
    '10.77.9.1:67',
    'relay 10.77.9.1:67',
  ],
  ['with an address', 67, { ciaddr: '10.77.0.9' }, '10.77.0.9:68', 'unicast 10.77.0.9:68'],
  ['EDK2 at 4011', 4011, { ciaddr: '10.77.0.9' }, '10.77.0.9:4011', 'unicast 10.77.0.9:4011'],
  ['iPXE at 4011', 4011, { ciaddr: '10.77.0.9' }, '10.77.0.9:68', 'unicast 10.77.0.9:68'],
  [
    'routed to 4011',
    4011,
    { ciaddr: '10.77.0.9', giaddr: '10.77.9.1' },
    '10.77.0.9:4011',
    'unicast 10.77.0.9:4011',
  ],
  ['forged giaddr: broadcast', 67, { giaddr: '255.255.255.255' }, NOBODY, undefined],
  ['forged giaddr: multicast', 67, { giaddr: '224.0.0.251' }, NOBODY, undefined],
  ['forged ciaddr: loopback', 67, { ciaddr: '127.0.0.1' }, NOBODY, undefined],
])('%s', (_, port, fields, source, expected) => {
  const [address, sourcePort] = source.split(':');
  const destination = replyDestination(
    clientPacket({ fields: fields as Partial<Record<'ciaddr' | 'giaddr', Ipv4>> }),
    { address: address as Ipv4, port: Number(sourcePort) },
    port as 67 | 4011,
  );
  expect(destination && `${destination.kind} ${destination.address}:${destination.port}`).toBe(expected);
});

it.each([
  ['10.0.0.1', true],
  ['192.168.1.255', true],
  ['0.1.2.3', false],
  ['127.0.0.1', false],
  ['239.1.2.3', false],
  ['240.0.0.1', false],
])('%s is a host: %s', (address, expected) => expect(isHostAddress(address as Ipv4)).toBe(expected));
