// A packet for people: what a log and the doctor show of it, also when it is odd.
import { expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { fromHex } from '../../src/base/bytes.ts';
import { describePacket } from '../../src/dhcp/describe.ts';
import { OPTIONS, showOption } from '../../src/dhcp/options.ts';
import { clientPacket } from '../support/dhcp-packets.ts';

const text = (...args: Parameters<typeof clientPacket>) => describePacket(clientPacket(...args)).join('\n');

it('names type, machine and what is set', () => {
  const shown = text({ fields: { ciaddr: '10.77.0.9' as Ipv4, secs: 4 } });
  expect(shown).toContain('DISCOVER xid 50580001 chaddr 52:54:00:77:00:01');
  expect(shown).toContain('10.77.0.9');
});

it('shows what is odd as it is: an unknown op, another hardware type, no message type', () => {
  const shown = text({ fields: { op: 9, htype: 6 }, more: [[53, new Uint8Array(0)]] });
  expect(shown).toContain('BOOTP op 9');
  expect(shown).toContain('htype 6');
  expect(text({ fields: { op: 2 }, more: [[53, new Uint8Array(0)]] })).toContain('BOOTP reply');
});

it('looks inside options that carry others, and shows them raw when they are broken', () => {
  const uuid = fromHex('0033221100554477668899aabbccddeeff') as Uint8Array;
  expect(text({ more: [[97, uuid]] })).toContain('= 00112233-4455-6677-8899-aabbccddeeff');
  expect(text({ more: [[97, new Uint8Array(17)]] })).toContain('= no usable uuid');
  expect(text({ more: [[43, Uint8Array.of(6, 1, 8, 255)]] })).toMatch(/43 .* = .*6/);
  expect(text({ more: [[43, Uint8Array.of(6, 9)]] })).toMatch(/43 vendor-specific information 06 09$/m);
  expect(text({ more: [[175, Uint8Array.of(235, 3, 1, 0, 0)]] })).toContain('1.0.0');
  expect(text({ more: [[175, Uint8Array.of(235, 3)]] })).toMatch(/175 iPXE options eb 03$/m);
});

it('an option that is not of its kind is shown raw, an empty one as empty', () => {
  expect(showOption(OPTIONS.maximumSize.code, Uint8Array.of(1))).toBe('57 maximum message size 01');
  expect(showOption(OPTIONS.leaseTime.code, Uint8Array.of(1, 2))).toBe('51 lease time 01 02');
  expect(showOption(OPTIONS.clientArchitecture.code, Uint8Array.of(7))).toBe('93 client architecture 07');
  expect(showOption(OPTIONS.vendorOptions.code, new Uint8Array(0))).toBe(
    '43 vendor-specific information (empty)',
  );
});
