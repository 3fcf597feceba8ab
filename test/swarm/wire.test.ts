// The framed protocol: what is written is read, however the stream is cut, and nonsense is refused within bounds.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatIpv4 } from '../../src/base/addresses.ts';
import { concatBytes, toHex } from '../../src/base/bytes.ts';
import { digestOfRaw } from '../../src/base/digest.ts';
import { WireError } from '../../src/base/errors.ts';
import { randomInt, seededRandom } from '../../src/base/random.ts';
import { MAX_STORED_BYTES } from '../../src/chunk/ports.ts';
import {
  type ControlFrame,
  encodeControl,
  encodePartHead,
  MAX_CONTROL_BYTES,
  MAX_PART_BYTES,
  type PartHead,
} from '../../src/swarm/wire.ts';
import { WireDecoder } from '../../src/swarm/wire-decoder.ts';

type Heard = ControlFrame | { readonly kind: 'chunk'; readonly head: PartHead; readonly bytes: string };

/** Decodes the pieces; parts are put together again. */
function hear(pieces: Iterable<Uint8Array>): { heard: Heard[]; problem: WireError | undefined } {
  const heard: Heard[] = [];
  let head: PartHead | undefined;
  let body: Uint8Array[] = [];
  const decoder = new WireDecoder({
    frame: (frame) => void heard.push(frame),
    part(begun) {
      head = begun;
      body = [];
      return undefined;
    },
    bytes(bytes) {
      body.push(bytes.slice());
      if (decoder.partLeft === 0 && head !== undefined) {
        heard.push({ kind: 'chunk', head, bytes: toHex(concatBytes(body)) });
      }
      return undefined;
    },
  });
  let problem: WireError | undefined;
  for (const piece of pieces) problem ??= decoder.push(piece);
  return { heard, problem };
}

const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const raw = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const id = raw(8).map((bytes) => toHex(bytes));
const port = fc.integer({ min: 1, max: 0xffff });
const rate = fc.double({ min: 0, max: 1e12, noNaN: true }).map((value) => value + 0);
const ref = fc.record({ id, address: raw(4).map(formatIpv4), port });
const standing = { held: u32, depth: u16, rate, above: fc.array(ref, { maxLength: 4 }) };

const control: fc.Arbitrary<ControlFrame> = fc.oneof(
  fc.record({ kind: fc.constant('hello' as const), id, port, manifest: raw(32).map(digestOfRaw) }),
  fc.record(
    { kind: fc.constant('attach' as const), held: u32, rate, insteadOf: id },
    { requiredKeys: ['kind', 'held', 'rate'] },
  ),
  fc.record({ kind: fc.constant('join' as const), held: u32 }),
  fc.record({ kind: fc.constant('want' as const), row: u32, from: u32, repacked: fc.boolean() }),
  fc.record({ kind: fc.constantFrom('unwant' as const, 'missing' as const, 'have' as const), row: u32 }),
  fc.constant({ kind: 'alive' as const }),
  fc.record({ kind: fc.constant('attached' as const), ...standing }),
  fc.record({ kind: fc.constant('standing' as const), ...standing }),
  fc.record({
    kind: fc.constant('moved' as const),
    to: ref,
    why: fc.constantFrom('full', 'slow', 'leaving'),
  }),
  fc.record({
    kind: fc.constant('refused' as const),
    why: fc.constantFrom('unknown-image', 'unfit', 'cycle', 'banned', 'full'),
  }),
  fc.record({ kind: fc.constant('holds' as const), rows: fc.uint8Array({ maxLength: 300 }) }),
);

const chunk = fc
  .record({
    row: u32,
    offset: fc.nat(1_000_000),
    rest: fc.nat(1_000_000),
    form: fc.constantFrom('stored' as const, 'repacked' as const),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 600 }),
  })
  .map(({ row, offset, rest, form, bytes }) => {
    const head = { row, offset, size: offset + bytes.length + rest, form, length: bytes.length };
    const heard: Heard = { kind: 'chunk', head: { kind: 'part', ...head }, bytes: toHex(bytes) };
    return { heard, wire: concatBytes([encodePartHead(head), bytes]) };
  });

const frame = fc.oneof(
  control.map((one) => ({ heard: one as Heard, wire: encodeControl(one) })),
  chunk,
);

const EMPTY = new Uint8Array(0);

function* cut(bytes: Uint8Array, lengths: readonly number[]): Iterable<Uint8Array> {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const length = lengths[i % lengths.length] ?? 1;
    // A copy that is overwritten afterwards: the decoder may keep no window on it.
    const piece = bytes.slice(at, at + length);
    yield piece;
    piece.fill(0xee);
    at += length;
  }
}

describe('frames', () => {
  it('read as they were written, however the stream is cut', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), lengths, (frames, cuts) => {
        const { heard, problem } = hear(cut(concatBytes(frames.map(({ wire }) => wire)), cuts));
        expect(problem).toBeUndefined();
        expect(heard).toEqual(frames.map((one) => one.heard));
      }),
      { numRuns: 1_000 },
    );
  });

  it('carry a bit for each chunk of an 800 GB image', () => {
    const rows = new Uint8Array(MAX_CONTROL_BYTES).fill(0xa5);
    expect(hear([encodeControl({ kind: 'holds', rows })]).heard).toEqual([{ kind: 'holds', rows }]);
  });
});

describe('nonsense', () => {
  const head = (type: number, length: number, ...rest: number[]) =>
    Uint8Array.of(type, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255, ...rest);
  const part = (row: number, offset: number, size: number, form: number, length: number) => {
    const bytes = new Uint8Array(18);
    const view = new DataView(bytes.buffer);
    view.setUint8(0, 32);
    view.setUint32(1, 13 + length);
    view.setUint32(5, row);
    view.setUint32(9, offset);
    view.setUint32(13, size);
    view.setUint8(17, form);
    return bytes;
  };
  it.each([
    ['an unknown type', head(99, 0)],
    ['type 0', head(0, 0)],
    ['a control frame longer than 64 KiB', head(21, MAX_CONTROL_BYTES + 1)],
    ['a part without a byte', head(32, 13)],
    ['a part longer than a part may be', head(32, 13 + MAX_PART_BYTES + 1)],
    ['a chunk longer than any', part(0, 0, MAX_STORED_BYTES + 1, 0, 10)],
    ['a part beyond its chunk', part(0, 95, 100, 0, 6)],
    ['a form of its own', part(0, 0, 100, 2, 6)],
    ['an HTTP request', new TextEncoder().encode('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['a hello of another version', head(1, 47, 0x50, 0x42, 0x4c, 0x4e, 9, ...new Array<number>(42).fill(1))],
    [
      'a hello that says port 0',
      head(1, 47, 0x50, 0x42, 0x4c, 0x4e, 1, ...new Array<number>(8).fill(1), 0, 0, ...new Array(32).fill(1)),
    ],
    ['a want with a flag unknown', head(4, 9, 0, 0, 0, 0, 0, 0, 0, 0, 2)],
    ['an attach that is too short', head(2, 4, 0, 0, 0, 0)],
    ['a rate that is no number', head(2, 12, 0, 0, 0, 0, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0)],
    ['a negative rate', head(2, 12, 0, 0, 0, 0, 0xbf, 0xf0, 0, 0, 0, 0, 0, 0)],
    ['a refusal for no reason', head(19, 1, 77)],
    ['five feeders above', head(17, 15, ...new Array<number>(14).fill(0), 5)],
    ['to be moved to port 0', head(18, 15, ...new Array<number>(15).fill(0))],
  ])('%s is refused', (_what, bytes) => {
    expect(hear([bytes]).problem).toBeInstanceOf(WireError);
  });

  it('is not read beyond: what follows it changes nothing', () => {
    const { heard, problem } = hear([head(99, 0), encodeControl({ kind: 'alive' })]);
    expect([heard, problem?.message]).toEqual([[], 'frame of unknown type 99']);
  });

  it('in 100,000 streams never crashes, and keeps at most one control frame', () => {
    const random = seededRandom(8068);
    const sample = fc.sample(frame, { seed: 8068, numRuns: 400 }).map(({ wire }) => wire);
    let refused = 0;
    let keptMost = 0;
    for (let i = 0; i < 100_000; i++) {
      const stream = concatBytes(
        Array.from({ length: 1 + randomInt(random, 4) }, () => sample[randomInt(random, 400)] ?? EMPTY),
      );
      for (let hit = randomInt(random, 4); hit >= 0; hit--) {
        stream[randomInt(random, stream.length)] = randomInt(random, 256);
      }
      let passed = 0;
      const decoder = new WireDecoder({
        frame: () => undefined,
        part: () => undefined,
        bytes: (bytes) => {
          passed += bytes.length;
          return undefined;
        },
      });
      const first = 1 + randomInt(random, stream.length);
      const problem = decoder.push(stream.subarray(0, first)) ?? decoder.push(stream.subarray(first));
      if (problem !== undefined) refused++;
      expect(passed).toBeLessThanOrEqual(stream.length);
      keptMost = Math.max(keptMost, decoder.keptBytes);
    }
    expect(refused).toBeGreaterThan(10_000);
    expect(keptMost).toBeLessThanOrEqual(MAX_CONTROL_BYTES + 5);
  });
});
