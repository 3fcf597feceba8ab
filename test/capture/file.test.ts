// Capture files in all their forms hold the same frames, and what is no capture is said to be none.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, fromText } from '../../src/base/bytes.ts';
import { WireError } from '../../src/base/errors.ts';
import { replay } from '../../src/boot/replay.ts';
import { type CaptureFile, type Frame, readCapture } from '../../src/capture/file.ts';

const fixture = (name: string) =>
  new Uint8Array(readFileSync(fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))));
const CLASSIC = fixture('pcaps/uefi-secureboot-uki-httpboot.pcap');

function frames(bytes: Uint8Array): readonly Frame[] {
  return read(bytes).frames;
}

function read(bytes: Uint8Array): CaptureFile {
  const capture = readCapture(bytes);
  if (capture instanceof WireError) throw capture;
  return capture;
}

/** Little- or big-endian fields of so many bytes each. */
function fields(
  little: boolean,
  ...values: readonly (readonly [size: 1 | 2 | 4, value: number])[]
): Uint8Array {
  const bytes = new Uint8Array(values.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [size, value] of values) {
    if (size === 1) view.setUint8(at, value);
    else if (size === 2) view.setUint16(at, value, little);
    else view.setUint32(at, value, little);
    at += size;
  }
  return bytes;
}

function classic(list: readonly Frame[], { little = true, nano = false, link = 1 } = {}): Uint8Array {
  const magic = nano ? 0xa1b23c4d : 0xa1b2c3d4;
  const head = fields(little, [4, magic], [2, 2], [2, 4], [4, 0], [4, 0], [4, 65_535], [4, link]);
  const records = list.flatMap(({ atMs, bytes, wireBytes }) => {
    const fraction = Math.round((atMs % 1000) * (nano ? 1e6 : 1e3));
    return [
      fields(little, [4, Math.floor(atMs / 1000)], [4, fraction], [4, bytes.length], [4, wireBytes]),
      bytes,
    ];
  });
  return concatBytes([head, ...records]);
}

function block(little: boolean, type: number, body: Uint8Array): Uint8Array {
  const padded = concatBytes([body, new Uint8Array((4 - (body.length % 4)) % 4)]);
  const length: [4, number] = [4, padded.length + 12];
  return concatBytes([fields(little, [4, type], length), padded, fields(little, length)]);
}

function next(list: readonly Frame[], { little = true, resolution = 6 } = {}): Uint8Array {
  const section = block(
    little,
    0x0a0d0d0a,
    fields(little, [4, 0x1a2b3c4d], [2, 1], [2, 0], [4, 0xffffffff], [4, 0xffffffff]),
  );
  const option = fields(little, [2, 9], [2, 1], [1, resolution], [1, 0], [2, 0], [2, 0], [2, 0]);
  const device = block(little, 1, concatBytes([fields(little, [2, 1], [2, 0], [4, 0]), option]));
  const perMs = (resolution & 0x80) === 0 ? 10 ** (resolution - 3) : 2 ** (resolution & 0x7f) / 1000;
  const packets = list.map(({ atMs, bytes, wireBytes }) => {
    const ticks = BigInt(Math.round(atMs * perMs));
    const head = fields(
      little,
      [4, 0],
      [4, Number(ticks >> 32n)],
      [4, Number(ticks & 0xffffffffn)],
      [4, bytes.length],
      [4, wireBytes],
    );
    return block(little, 6, concatBytes([head, bytes]));
  });
  const unknown = block(little, 5, new Uint8Array(20));
  return concatBytes([section, device, unknown, ...packets]);
}

const told = (list: readonly Frame[]) =>
  list.map(({ number, atMs, bytes, wireBytes }) => [number, Math.round(atMs), bytes, wireBytes]);

describe('the same frames', () => {
  const original = frames(CLASSIC);
  it('are read at all', () => expect(original).toHaveLength(12));

  it.each([
    ['big-endian', classic(original, { little: false })],
    ['nanoseconds', classic(original, { nano: true })],
    ['pcapng', next(original)],
    ['pcapng, big-endian', next(original, { little: false })],
    ['pcapng in nanoseconds', next(original, { resolution: 9 })],
    ['pcapng in powers of two', next(original, { resolution: 0x80 | 20 })],
    ["pcapng as Wireshark's editcap writes it", fixture('captures/uki-httpboot.pcapng')],
  ])('%s', (_, bytes) => expect(told(frames(bytes))).toEqual(told(original)));

  it('several pcapng files may lie in one', () => {
    const both = concatBytes([next(original), next(original, { little: false })]);
    expect(frames(both)).toHaveLength(24);
  });

  it('simple packets take the time of the frame before', () => {
    const simple = block(true, 3, concatBytes([fields(true, [4, 60]), new Uint8Array(40)]));
    const last = frames(concatBytes([next(original), simple])).at(-1);
    expect(last).toMatchObject({ number: 13, wireBytes: 60, atMs: original.at(-1)?.atMs });
    expect(last?.bytes).toHaveLength(40);
    expect(frames(concatBytes([next([]), simple]))).toMatchObject([{ number: 1, atMs: 0 }]);
  });

  it('an interface whose options end without a resolution counts microseconds', () => {
    // A name first, of three letters and one of padding; whatever stands behind the end is no option.
    const name = [
      [2, 2],
      [2, 3],
      [4, 0x306874],
    ] as const;
    const end = [
      [2, 0],
      [2, 0],
      [2, 9],
      [2, 1],
      [4, 3],
    ] as const;
    const device = block(true, 1, fields(true, [2, 1], [2, 0], [4, 0], ...name, ...end));
    const packet = block(true, 6, fields(true, [4, 1], [4, 0], [4, 7000], [4, 0], [4, 0]));
    expect(frames(concatBytes([next([]), device, packet]))).toMatchObject([{ atMs: 7 }]);
  });

  it('obsolete packet blocks name their interface in two bytes, and how many were dropped', () => {
    const [first] = original as [Frame];
    const size: [4, number] = [4, first.bytes.length];
    const head = fields(true, [2, 0], [2, 3], [4, 0], [4, 1000], size, size);
    const old = block(true, 2, concatBytes([head, first.bytes]));
    expect(frames(concatBytes([next([]), old]))).toMatchObject([{ atMs: 1, bytes: first.bytes }]);
  });
});

describe('what is wrong', () => {
  it.each([
    ['nothing', new Uint8Array(0), 'too few'],
    ['a text', fromText('{"name": "peerboot", "version": 1}'), 'neither pcap nor pcapng'],
    [
      'a frame of a gigabyte',
      concatBytes([classic([]), fields(true, [4, 0], [4, 0], [4, 1e9], [4, 1e9])]),
      '1000000000 bytes',
    ],
    [
      'a section of no byte order',
      concatBytes([fields(true, [4, 0x0a0d0d0a], [4, 28], [4, 7]), new Uint8Array(16)]),
      'byte order',
    ],
    ['a block of odd length', concatBytes([next([]), fields(true, [4, 6], [4, 13], [4, 0])]), '13 bytes'],
    [
      'a frame of no interface',
      concatBytes([next([]), block(true, 6, fields(true, [4, 9], [4, 0], [4, 0], [4, 0], [4, 0]))]),
      'no interface',
    ],
  ])('%s', (_, bytes, says) => {
    const capture = readCapture(bytes);
    expect(capture).toBeInstanceOf(WireError);
    expect((capture as WireError).message).toContain(says);
  });

  it.each([
    ['pcap', CLASSIC],
    ['pcapng', next(frames(CLASSIC))],
  ])('%s that ends within a frame says so, and keeps the others', (_, bytes) => {
    const capture = read(bytes.subarray(0, bytes.length - 5));
    expect(capture.cutShort).toBe(true);
    expect(capture.frames).toHaveLength(11);
    expect(read(bytes).cutShort).toBe(false);
  });

  it('links that carry no Ethernet are counted, not read', () => {
    const bluetooth = classic(frames(CLASSIC), { link: 201 });
    expect(read(bluetooth)).toMatchObject({ frames: [], foreign: 12 });
    // One interface of many may be such.
    const device = block(true, 1, fields(true, [2, 201], [2, 0], [4, 0]));
    const packet = block(true, 6, fields(true, [4, 1], [4, 0], [4, 0], [4, 0], [4, 0]));
    expect(read(concatBytes([next([]), device, packet]))).toMatchObject({ frames: [], foreign: 1 });
  });

  it('any bytes give frames or a WireError, and any frames give verdicts', () => {
    const head = fc.constantFrom(CLASSIC.subarray(0, 24), next([]), CLASSIC);
    fc.assert(
      fc.property(
        head,
        fc.uint8Array({ maxLength: 300 }),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 20 }),
        (start, rest, flips) => {
          const bytes = concatBytes([start, rest]);
          for (const [at, value] of flips) bytes[at % bytes.length] = value;
          const capture = readCapture(bytes);
          if (!(capture instanceof WireError)) replay(capture);
        },
      ),
      { numRuns: 500 },
    );
  });
});
