// Bytes, addresses and digests: one normal form each, and nothing else is taken for one.
import { describe, expect, it } from 'vitest';
import { formatIpv4, type Ipv4, ipv4Bytes, parseIpv4, parseMac } from '../../src/base/addresses.ts';
import {
  concatBytes,
  equalBytes,
  fromHex,
  fromText,
  isAllZero,
  toHex,
  toText,
  viewOf,
} from '../../src/base/bytes.ts';
import { type Digest, digestHex, digestOfRaw, isDigest } from '../../src/base/digest.ts';

describe('hexadecimal', () => {
  it('goes there and back, with separators only when asked for', () => {
    expect(toHex(Uint8Array.of(0, 15, 255))).toBe('000fff');
    expect(toHex(Uint8Array.of(0, 15, 255), ':')).toBe('00:0f:ff');
    expect(fromHex('000fFF')).toEqual(Uint8Array.of(0, 15, 255));
    expect(fromHex('')).toEqual(new Uint8Array(0));
  });
  it.each(['0', '0g', '0x', ' 00', '00:00'])('%j is none', (text) => expect(fromHex(text)).toBeUndefined());
});

describe('bytes', () => {
  it('are joined in order', () => {
    expect(concatBytes([])).toEqual(new Uint8Array(0));
    expect(concatBytes([Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)])).toEqual(
      Uint8Array.of(1, 2, 3),
    );
  });
  it('are equal when both length and every byte are', () => {
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 0))).toBe(false);
  });
  it('are all zero when no bit is set', () => {
    expect(isAllZero(new Uint8Array(3))).toBe(true);
    expect(isAllZero(Uint8Array.of(0, 0, 1))).toBe(false);
  });
  it('show foreign text with U+FFFD where it is none', () => {
    expect(toText(fromText('Öl 🙂'))).toBe('Öl 🙂');
    expect(toText(Uint8Array.of(65, 0xff))).toBe('A\ufffd');
  });
  it('have a view on just themselves, whatever buffer they lie in', () => {
    const view = viewOf(Uint8Array.of(9, 1, 2, 9).subarray(1, 3));
    expect([view.byteLength, view.getUint16(0)]).toEqual([2, 0x0102]);
  });
});

describe('addresses', () => {
  it.each(['52:54:00:AB:cd:ef', '52-54-00-ab-cd-ef', '525400abcdef'])('MAC %s', (text) =>
    expect(parseMac(text)).toBe('52:54:00:ab:cd:ef'),
  );
  it.each(['', '52:54:00:ab:cd', '52:54:00:ab:cd:ef:00', '52:54:00:ab:cd:eg'])('%j is no MAC', (text) =>
    expect(parseMac(text)).toBeUndefined(),
  );
  it('IPv4 has one spelling', () => {
    expect(parseIpv4('10.77.000.2')).toBe('10.77.0.2');
    expect(ipv4Bytes('10.77.0.255' as Ipv4)).toEqual(Uint8Array.of(10, 77, 0, 255));
    expect(formatIpv4(Uint8Array.of(10, 77, 0, 255))).toBe('10.77.0.255');
  });
  it.each(['', '10.77.0', '10.77.0.2.1', '10.77.0.256', '10.77.0.', '10.77.0.-1', '10.77.0.0x1', '::1'])(
    '%j is no IPv4 address',
    (text) => expect(parseIpv4(text)).toBeUndefined(),
  );
});

it('a digest is sha256 in lower case, and names a file by its digits', () => {
  const digest = digestOfRaw(new Uint8Array(32).fill(0xab));
  expect(digest).toBe(`sha256:${'ab'.repeat(32)}`);
  expect(digestHex(digest)).toBe('ab'.repeat(32));
  expect(isDigest(digest)).toBe(true);
  for (const text of ['', digest.toUpperCase(), digest.slice(0, -1), `${digest}0`, 'ab'.repeat(32)])
    expect(isDigest(text as Digest), text).toBe(false);
});
