// The codec: what goes in comes out, whatever else is in the bytes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatIpv4 } from '../../src/base/addresses.ts';
import { concatBytes, fromText, toText } from '../../src/base/bytes.ts';
import { WireError } from '../../src/base/errors.ts';
import { type DhcpPacket, decodePacket, encodePacket } from '../../src/dhcp/packet.ts';
import { clientPacket, mustDecode } from '../support/dhcp-packets.ts';

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const withoutNul = (maxLength: number) =>
  fc.array(fc.integer({ min: 1, max: 255 }), { maxLength }).map((list) => Uint8Array.from(list));
const address = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatIpv4);
const uint8 = fc.integer({ min: 0, max: 0xff });
const uint16 = fc.integer({ min: 0, max: 0xffff });
const code = fc.integer({ min: 1, max: 254 }).filter((one) => one !== 52);

const anyPacket: fc.Arbitrary<DhcpPacket> = fc.record({
  op: uint8,
  htype: uint8,
  hops: uint8,
  xid: fc.integer({ min: 0, max: 0xffffffff }),
  secs: uint16,
  flags: uint16,
  ciaddr: address,
  yiaddr: address,
  siaddr: address,
  giaddr: address,
  chaddr: bytes(16),
  sname: withoutNul(64),
  file: withoutNul(128),
  options: fc.array(fc.tuple(code, bytes(700)), { maxLength: 12 }).map((entries) => new Map(entries)),
});

const sorted = (packet: DhcpPacket) => ({
  ...packet,
  options: [...packet.options].sort(([a], [b]) => a - b),
});

/** A packet of these raw options; `file` and `sname` raw as well. */
function rawPacket(options: Uint8Array, fields: { file?: Uint8Array; sname?: Uint8Array } = {}): Uint8Array {
  const whole = encodePacket(clientPacket()).slice(0, 240);
  whole.set(fields.sname ?? new Uint8Array(0), 44);
  whole.set(fields.file ?? new Uint8Array(0), 108);
  return concatBytes([whole, options]);
}

describe('round trip', () => {
  it('any packet encodes to bytes that decode to it', () => {
    fc.assert(
      fc.property(anyPacket, (packet) => {
        expect(sorted(mustDecode(encodePacket(packet)))).toEqual(sorted(packet));
      }),
      { numRuns: 500 },
    );
  });

  it('the order in which options were set does not show in the bytes', () => {
    fc.assert(
      fc.property(anyPacket, (packet) => {
        const reversed = { ...packet, options: new Map([...packet.options].reverse()) };
        expect(encodePacket(reversed)).toEqual(encodePacket(packet));
      }),
      { numRuns: 200 },
    );
  });
});

describe('encoding', () => {
  const codesIn = (encoded: Uint8Array) => {
    const codes: number[] = [];
    for (let at = 240; encoded[at] !== 255; at += 2 + (encoded[at + 1] as number)) {
      codes.push(encoded[at] as number);
    }
    return codes;
  };

  it('puts 53 and 54 first, the boot file behind the others, the relay last', () => {
    const options = new Map([82, 67, 175, 1, 54, 53].map((one) => [one, Uint8Array.of(1)]));
    expect(codesIn(encodePacket({ ...clientPacket(), options }))).toEqual([53, 54, 1, 175, 67, 82]);
  });

  it('pads to BOOTP’s 300 bytes', () => {
    const encoded = encodePacket(clientPacket({ vendorClass: '' }));
    expect(encoded).toHaveLength(300);
    expect(encoded.subarray(240, 244)).toEqual(Uint8Array.of(53, 1, 1, 255));
  });

  it('splits an option above 255 bytes (RFC 3396)', () => {
    const value = Uint8Array.from({ length: 600 }, (_, i) => i);
    const packet = clientPacket({ more: [[224, value]] });
    expect(codesIn(encodePacket(packet)).filter((one) => one === 224)).toHaveLength(3);
    expect(mustDecode(encodePacket(packet)).options.get(224)).toEqual(value);
  });

  it('never produces overload, and refuses what has no room', () => {
    const refused: Partial<DhcpPacket>[] = [
      { options: new Map([[52, Uint8Array.of(1)]]) },
      { options: new Map([[0, Uint8Array.of(1)]]) },
      { options: new Map([[255, Uint8Array.of(1)]]) },
      { file: new Uint8Array(129) },
      { sname: new Uint8Array(65) },
      { chaddr: new Uint8Array(17) },
    ];
    for (const fields of refused) {
      expect(() => encodePacket({ ...clientPacket(), ...fields })).toThrow('assertion failed');
    }
  });
});

describe('decoding', () => {
  it.each([
    ['too short', new Uint8Array(239), 'no options'],
    ['no cookie', new Uint8Array(300), 'cookie'],
    ['an option without length', rawPacket(Uint8Array.of(53)), 'option 53 runs past the end'],
    ['a value cut off', rawPacket(Uint8Array.of(60, 9, 80)), 'option 60 runs past the end'],
    ['an impossible overload', rawPacket(Uint8Array.of(52, 1, 4)), 'overload'],
    ['an empty overload', rawPacket(Uint8Array.of(52, 0)), 'overload'],
  ])('%s is a WireError', (_, raw, message) => {
    const result = decodePacket(raw);
    expect(result).toBeInstanceOf(WireError);
    expect((result as WireError).message).toContain(message);
  });

  it('a hardware address longer than its field is a WireError', () => {
    const raw = rawPacket(Uint8Array.of(255));
    raw[2] = 17;
    expect(decodePacket(raw)).toBeInstanceOf(WireError);
  });

  it('pads are skipped, and a missing End is forgiven', () => {
    const packet = mustDecode(rawPacket(Uint8Array.of(0, 0, 53, 1, 1, 0)));
    expect([...packet.options]).toEqual([[53, Uint8Array.of(1)]]);
  });

  it('unknown options survive, and nothing after End is read', () => {
    const packet = mustDecode(rawPacket(Uint8Array.of(211, 2, 7, 8, 255, 60, 200)));
    expect([...packet.options]).toEqual([[211, Uint8Array.of(7, 8)]]);
  });

  it('overloaded fields are read: options, then file, then sname, pieces joined (RFC 3396)', () => {
    const packet = mustDecode(
      rawPacket(Uint8Array.of(52, 1, 3, 43, 1, 1, 255), {
        file: Uint8Array.of(43, 1, 2, 66, 1, 65, 255),
        sname: Uint8Array.of(43, 1, 3, 255),
      }),
    );
    expect(packet.options.get(43)).toEqual(Uint8Array.of(1, 2, 3));
    expect(packet.options.get(66)).toEqual(Uint8Array.of(65));
    expect(packet.options.has(52)).toBe(false);
    expect(packet.file).toHaveLength(0);
    expect(packet.sname).toHaveLength(0);
  });

  it('an option may not run out of an overloaded field', () => {
    const file = new Uint8Array(128).fill(0);
    file.set([60, 127], 0);
    expect(decodePacket(rawPacket(Uint8Array.of(52, 1, 1, 255), { file }))).toBeInstanceOf(WireError);
  });

  it('text fields end at their NUL', () => {
    const packet = mustDecode(rawPacket(Uint8Array.of(255), { file: fromText('a.efi\0rubbish') }));
    expect(toText(packet.file)).toBe('a.efi');
    expect(packet.sname).toHaveLength(0);
  });

  it('text fields may fill all their room, without a NUL', () => {
    const [file, sname] = [new Uint8Array(128).fill(0x66), new Uint8Array(64).fill(0x73)];
    const packet = mustDecode(rawPacket(Uint8Array.of(255), { file, sname }));
    expect([packet.file, packet.sname]).toEqual([file, sname]);
  });
});
