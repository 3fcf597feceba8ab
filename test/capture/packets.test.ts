// Frames as switches, relays and drivers make them: tags, fragments, cooked links, kept in part.
import { describe, expect, it } from 'vitest';
import { concatBytes, fromText, toText } from '../../src/base/bytes.ts';
import type { LinkType } from '../../src/capture/file.ts';
import { PacketReader } from '../../src/capture/packets.ts';

const word = (value: number) => [value >>> 8, value & 0xff];

interface Ip {
  readonly protocol?: number;
  /** Offset in bytes, and whether more follow. */
  readonly fragment?: readonly [at: number, more: boolean];
  readonly id?: number;
  readonly totalLength?: number;
  readonly options?: number;
}

function ip(
  body: Uint8Array,
  { protocol = 17, fragment = [0, false], id = 7, options = 0, ...rest }: Ip = {},
): Uint8Array {
  const headBytes = 20 + options;
  const total = rest.totalLength ?? headBytes + body.length;
  const flags = (fragment[1] ? 0x2000 : 0) | (fragment[0] / 8);
  const head = [
    0x40 | (headBytes / 4),
    0,
    ...word(total),
    ...word(id),
    ...word(flags),
    64,
    protocol,
    0,
    0,
    10,
    77,
    0,
    2,
    10,
    77,
    0,
    50,
  ];
  return concatBytes([Uint8Array.from(head), new Uint8Array(options), body]);
}

const udp = (text: string) =>
  concatBytes([Uint8Array.from([...word(67), ...word(68), ...word(8 + text.length), 0, 0]), fromText(text)]);

const ethernet = (inside: Uint8Array, tags: readonly number[] = []) =>
  concatBytes([
    new Uint8Array(12),
    Uint8Array.from(tags.flatMap((tag) => [...word(tag), 0, 5])),
    Uint8Array.from([8, 0]),
    inside,
  ]);

function read(bytes: Uint8Array, link: LinkType = 'ethernet', reader = new PacketReader()) {
  return reader.read({ number: 1, atMs: 0, link, bytes, wireBytes: bytes.length });
}

const HELLO = {
  kind: 'udp',
  source: { address: '10.77.0.2', port: 67 },
  target: { address: '10.77.0.50', port: 68 },
  payloadBytes: 5,
};

describe('a datagram', () => {
  it.each<[string, Uint8Array, LinkType]>([
    ['plain', ethernet(ip(udp('hello'))), 'ethernet'],
    ['with a VLAN tag', ethernet(ip(udp('hello')), [0x8100]), 'ethernet'],
    ['with two', ethernet(ip(udp('hello')), [0x88a8, 0x8100]), 'ethernet'],
    ['with IP options', ethernet(ip(udp('hello'), { options: 8 })), 'ethernet'],
    [
      'padded to the least size of Ethernet',
      concatBytes([ethernet(ip(udp('hello'))), new Uint8Array(30)]),
      'ethernet',
    ],
    ['without a link', ip(udp('hello')), 'raw-ip'],
    [
      'of `tcpdump -i any`',
      concatBytes([new Uint8Array(14), Uint8Array.of(8, 0), ip(udp('hello'))]),
      'linux-cooked',
    ],
    [
      'of newer `tcpdump -i any`',
      concatBytes([Uint8Array.of(8, 0), new Uint8Array(18), ip(udp('hello'))]),
      'linux-cooked-2',
    ],
  ])('%s', (_, bytes, link) => {
    const packet = read(bytes, link);
    expect(packet).toMatchObject(HELLO);
    expect(toText(packet?.payload ?? new Uint8Array(0))).toBe('hello');
  });

  it('kept in part still tells its length', () => {
    const whole = ethernet(ip(udp('hello')));
    const packet = read(whole.subarray(0, whole.length - 3));
    expect(packet).toMatchObject(HELLO);
    expect(packet?.payload).toHaveLength(2);
  });

  it.each([
    ['ARP', concatBytes([new Uint8Array(12), Uint8Array.of(8, 6), new Uint8Array(28)])],
    ['too short for IP', ethernet(new Uint8Array(10))],
    [
      'IP version 6 in disguise',
      ethernet(Uint8Array.from(ip(udp('hello')), (byte, i) => (i === 0 ? 0x65 : byte))),
    ],
    ['ICMP', ethernet(ip(udp('hello'), { protocol: 1 }))],
    ['a UDP length beyond the packet', ethernet(ip(Uint8Array.from([0, 67, 0, 68, 9, 9, 0, 0])))],
    ['no room for a UDP head', ethernet(ip(new Uint8Array(4)))],
    ['no room for a TCP head', ethernet(ip(new Uint8Array(8), { protocol: 6 }))],
    [
      'a TCP head beyond the packet',
      ethernet(
        ip(
          Uint8Array.from({ length: 20 }, (_, i) => (i === 12 ? 0xf0 : 0)),
          { protocol: 6 },
        ),
      ),
    ],
    ['nothing at all', new Uint8Array(0)],
  ])('is none: %s', (_, bytes) => expect(read(bytes)).toBeUndefined());

  it.each(['linux-cooked', 'linux-cooked-2'] as const)('is none: other than IPv4 on %s', (link) => {
    const ARP = [8, 6];
    const head = link === 'linux-cooked' ? [...Array(14).fill(0), ...ARP] : [...ARP, ...Array(18).fill(0)];
    expect(read(concatBytes([Uint8Array.from(head), ip(udp('hello'))]), link)).toBeUndefined();
    expect(read(new Uint8Array(10), link)).toBeUndefined();
  });
});

describe('fragments', () => {
  const text = 'a datagram that is longer than one frame';
  const body = udp(text);
  const cut = (at: number, end: number, id = 7) =>
    ethernet(ip(body.subarray(at, end), { fragment: [at, end < body.length], id }));

  it.each([
    ['in order', [cut(0, 16), cut(16, 32), cut(32, body.length)]],
    ['in any order, one of them twice', [cut(32, body.length), cut(0, 16), cut(0, 16), cut(16, 32)]],
  ])('are put together %s', (_, pieces) => {
    const reader = new PacketReader();
    const packets = pieces.map((bytes) => read(bytes, 'ethernet', reader));
    expect(packets.slice(0, -1)).toEqual(pieces.slice(1).map(() => undefined));
    expect(toText(packets.at(-1)?.payload ?? new Uint8Array(0))).toBe(text);
  });

  it('that overlap as no sender cuts them are put together without writing past the end', () => {
    const reader = new PacketReader();
    read(cut(0, 16), 'ethernet', reader);
    // Told to be longer than the last fragment leaves room for.
    read(ethernet(ip(new Uint8Array(64), { fragment: [40, true], id: 7 })), 'ethernet', reader);
    expect(read(cut(32, body.length), 'ethernet', reader)).toMatchObject({ payloadBytes: text.length });
  });

  it('are kept in bounds: too many unfinished datagrams push out the oldest', () => {
    const reader = new PacketReader();
    for (let id = 0; id < 100; id++) read(cut(0, 16, id), 'ethernet', reader);
    expect(read(cut(16, body.length, 0), 'ethernet', reader)).toBeUndefined();
    expect(read(cut(16, body.length, 99), 'ethernet', reader)).toMatchObject({ kind: 'udp' });
  });

  it('beyond the size of any datagram are dropped', () => {
    expect(read(ethernet(ip(new Uint8Array(64), { fragment: [65_528, false] })))).toBeUndefined();
  });
});

it('a TCP segment tells its numbers, and its length where hardware segments for the sender', () => {
  const head = Uint8Array.from([0x1f, 0x83, 0x80, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0]);
  const bytes = ethernet(ip(concatBytes([head, fromText('GET /')]), { protocol: 6, totalLength: 0 }));
  expect(read(bytes)).toMatchObject({
    kind: 'tcp',
    source: { port: 8067 },
    seq: 256,
    ack: 512,
    syn: false,
    payloadBytes: 5,
  });
  const syn = Uint8Array.from(head, (byte, i) => (i === 13 ? 2 : byte));
  expect(read(ethernet(ip(syn, { protocol: 6 })))).toMatchObject({
    syn: true,
    ack: undefined,
    payloadBytes: 0,
  });
});
