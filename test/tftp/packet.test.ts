// TFTP packets: what stands on the wire, what ROMs get wrong, and that every packet survives the round trip.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromText } from '../../src/base/bytes.ts';
import { WireError } from '../../src/base/errors.ts';
import { decodeTftp, encodeTftp, type TftpPacket, writeData } from '../../src/tftp/packet.ts';

const bytes = (...parts: (number | string)[]) =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'number' ? [part] : [...fromText(part)])));

describe('on the wire', () => {
  const rows: [string, Uint8Array, TftpPacket][] = [
    [
      'plain read request (RFC 1350)',
      bytes(0, 1, 'undionly.kpxe', 0, 'octet', 0),
      { kind: 'read', file: 'undionly.kpxe', mode: 'octet', options: [] },
    ],
    [
      'read request with options in their order (RFC 2347)',
      bytes(0, 1, 'a', 0, 'octet', 0, 'tsize', 0, '0', 0, 'blksize', 0, '1468', 0),
      {
        kind: 'read',
        file: 'a',
        mode: 'octet',
        options: [
          ['tsize', '0'],
          ['blksize', '1468'],
        ],
      },
    ],
    [
      'write request',
      bytes(0, 2, 'a', 0, 'octet', 0),
      { kind: 'write', file: 'a', mode: 'octet', options: [] },
    ],
    ['data', bytes(0, 3, 1, 2, 'xy'), { kind: 'data', block: 258, data: bytes('xy') }],
    ['empty last data', bytes(0, 3, 0, 9), { kind: 'data', block: 9, data: bytes() }],
    ['ack', bytes(0, 4, 0xff, 0xff), { kind: 'ack', block: 65535 }],
    ['error', bytes(0, 5, 0, 1, 'no', 0), { kind: 'error', code: 1, message: 'no' }],
    ['option acknowledgement', bytes(0, 6, 'tsize', 0, '7', 0), { kind: 'oack', options: [['tsize', '7']] }],
  ];
  it.each(rows)('%s', (_name, wire, packet) => {
    expect(decodeTftp(wire)).toEqual(packet);
    expect(encodeTftp(packet)).toEqual(wire);
  });
});

describe('what clients get wrong', () => {
  const rows: [string, Uint8Array, Partial<TftpPacket>][] = [
    ['no NUL after the mode', bytes(0, 1, 'a', 0, 'octet'), { kind: 'read', file: 'a', mode: 'octet' }],
    ['an option without a value', bytes(0, 1, 'a', 0, 'octet', 0, 'tsize', 0), { options: [] }],
    ['a byte 0xff behind the name', bytes(0, 1, 'a', 0xff, 0, 'octet', 0), { file: 'a\xff' }],
    ['an error without a text', bytes(0, 5, 0, 8), { kind: 'error', code: 8, message: '' }],
    ['bytes behind an ack', bytes(0, 4, 0, 1, 'junk'), { kind: 'ack', block: 1 }],
  ];
  it.each(rows)('%s is understood', (_name, wire, expected) => {
    expect(decodeTftp(wire)).toMatchObject(expected);
  });

  it.each([
    ['nothing', bytes()],
    ['three bytes', bytes(0, 4, 0)],
    ['an opcode beyond OACK', bytes(0, 7, 0, 0)],
    ['opcode 0', bytes(0, 0, 0, 0)],
    ['a request without a mode', bytes(0, 1, 'abc')],
  ])('%s is a WireError', (_name, wire) => {
    expect(decodeTftp(wire)).toBeInstanceOf(WireError);
  });
});

const latin1 = fc
  .array(fc.integer({ min: 1, max: 255 }), { maxLength: 40 })
  .map((codes) => String.fromCharCode(...codes));
const optionList = fc.array(fc.tuple(latin1, latin1), { maxLength: 5 });
const word = fc.integer({ min: 0, max: 65535 });
const anyPacket: fc.Arbitrary<TftpPacket> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('read' as const, 'write' as const),
    file: latin1,
    mode: latin1,
    options: optionList,
  }),
  fc.record({ kind: fc.constant('data' as const), block: word, data: fc.uint8Array({ maxLength: 600 }) }),
  fc.record({ kind: fc.constant('ack' as const), block: word }),
  fc.record({ kind: fc.constant('error' as const), code: word, message: latin1 }),
  // Shorter than four bytes is no packet, so an OACK carries at least one option.
  fc.record({
    kind: fc.constant('oack' as const),
    options: fc.array(fc.tuple(latin1, latin1), { minLength: 1, maxLength: 5 }),
  }),
);

describe('properties', () => {
  it('every packet survives the round trip', () => {
    fc.assert(
      fc.property(anyPacket, (packet) => {
        expect(decodeTftp(encodeTftp(packet))).toEqual(packet);
      }),
    );
  });

  it('any bytes decode to a packet or a WireError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (wire) => {
        const packet = decodeTftp(wire);
        expect(packet instanceof WireError || typeof packet.kind === 'string').toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('a packet buffer used again carries nothing of its last use', () => {
    const buffer = new Uint8Array(4 + 16).fill(0xee);
    fc.assert(
      fc.property(word, fc.uint8Array({ minLength: 16, maxLength: 16 }), (block, data) => {
        expect(decodeTftp(writeData(buffer, block, data))).toEqual({ kind: 'data', block, data });
      }),
    );
  });
});
