// The framed protocol of a line on TCP: what a frame is, how it is written, and the bounds on every length.
import { formatIpv4, ipv4Bytes } from '../base/addresses.ts';
import { concatBytes, fromHex, toHex, viewOf } from '../base/bytes.ts';
import { type Digest, digestHex, digestOfRaw } from '../base/digest.ts';
import { assert, WireError } from '../base/errors.ts';
import { MAX_STORED_BYTES } from '../chunk/ports.ts';
import type { ChunkForm, FeederMessage, FollowerMessage, Standing } from './line-messages.ts';
import type { Row } from './line-ports.ts';
import type { PeerId, PeerRef } from './site.ts';

export const WIRE_VERSION = 1;

/** type u8, length u32 of what follows; big-endian throughout. */
export const FRAME_HEAD_BYTES = 5;
/** No control frame is longer: it is the only thing that a decoder keeps. */
export const MAX_CONTROL_BYTES = 64 * 1024;
/** Bytes of a chunk in one frame at most, so that a chunk can be cancelled and control gets in between. */
export const MAX_PART_BYTES = 1024 * 1024;

/** The first frame in either direction; the connection is about one image. */
export interface Hello {
  readonly kind: 'hello';
  readonly id: PeerId;
  /** Where the sender itself listens, so that others can be pointed to it. */
  readonly port: number;
  readonly manifest: Digest;
}

/** Follower → feeder: the chunk from this byte on; `repacked`: that form is taken as well (from byte 0). */
export interface Want {
  readonly kind: 'want';
  readonly row: Row;
  readonly from: number;
  readonly repacked: boolean;
}

/** Every frame but the one with a chunk's bytes. `alive` keeps a follower that has nothing to say from being dropped. */
export type ControlFrame =
  | Hello
  | FollowerMessage
  | FeederMessage
  | Want
  | { readonly kind: 'unwant'; readonly row: Row }
  | { readonly kind: 'alive' }
  /** Follower → feeder: all of the chunk has come. Only this tells how fast the link is: the kernel takes megabytes at once. */
  | { readonly kind: 'got'; readonly row: Row };

/** Head of a part of a chunk: `length` bytes from `offset` follow, of `size` bytes in all. */
export interface PartHead {
  readonly kind: 'part';
  readonly row: Row;
  readonly offset: number;
  readonly size: number;
  readonly form: ChunkForm;
  readonly length: number;
}

/** row u32, offset u32, size u32, form u8. */
export const PART_HEAD_BYTES = 13;

const TYPES = {
  hello: 1,
  attach: 2,
  join: 3,
  want: 4,
  unwant: 5,
  alive: 6,
  got: 7,
  attached: 16,
  standing: 17,
  moved: 18,
  refused: 19,
  missing: 20,
  holds: 21,
  have: 22,
  part: 32,
} as const satisfies Record<ControlFrame['kind'] | 'part', number>;

export const PART_TYPE = TYPES.part;

const MAGIC = 0x50424c4e; // PBLN
const HELLO_BYTES = 4 + 1 + 8 + 2 + 32;
const REF_BYTES = 8 + 4 + 2;
const MOST_ABOVE = 4;
const DEEPEST = 0xffff;

const MOVED_WHY = ['full', 'slow', 'leaving', 'instead'] as const;
const REFUSED_WHY = ['unknown-image', 'unfit', 'cycle', 'banned', 'full'] as const;
const FORMS = ['stored', 'repacked'] as const satisfies readonly ChunkForm[];

/** The frame, ready to be sent. What does not fit its field is our bug. */
export function encodeControl(frame: ControlFrame): Uint8Array {
  const body = bodyOf(frame);
  assert(body.length <= MAX_CONTROL_BYTES, `control frame ${frame.kind} of ${body.length} bytes`);
  const bytes = new Uint8Array(FRAME_HEAD_BYTES + body.length);
  bytes[0] = TYPES[frame.kind];
  viewOf(bytes).setUint32(1, body.length);
  bytes.set(body, FRAME_HEAD_BYTES);
  return bytes;
}

/** The head of a part's frame; the sender puts the part's bytes behind it. */
export function encodePartHead(part: Omit<PartHead, 'kind'>): Uint8Array {
  assert(part.length > 0 && part.length <= MAX_PART_BYTES, `part of ${part.length} bytes`);
  assert(part.offset + part.length <= part.size && part.size <= MAX_STORED_BYTES, 'part within its chunk');
  const bytes = new Uint8Array(FRAME_HEAD_BYTES + PART_HEAD_BYTES);
  const view = viewOf(bytes);
  bytes[0] = TYPES.part;
  view.setUint32(1, PART_HEAD_BYTES + part.length);
  view.setUint32(5, part.row);
  view.setUint32(9, part.offset);
  view.setUint32(13, part.size);
  bytes[17] = FORMS.indexOf(part.form);
  return bytes;
}

/** `bytes`: PART_HEAD_BYTES of them; `frameLength`: what the frame's head said. */
export function decodePartHead(bytes: Uint8Array, frameLength: number): PartHead | WireError {
  const view = viewOf(bytes);
  const [row, offset, size] = [view.getUint32(0), view.getUint32(4), view.getUint32(8)];
  const form = FORMS[view.getUint8(12)];
  const length = frameLength - PART_HEAD_BYTES;
  if (form === undefined) return new WireError('unknown form of a chunk');
  if (size > MAX_STORED_BYTES || length <= 0 || offset + length > size) {
    return new WireError(`part of ${length} bytes at ${offset} of ${size}`);
  }
  return { kind: 'part', row, offset, size, form, length };
}

/** What follows the head of a control frame → the frame. Every length is exact. */
export function decodeControl(type: number, bytes: Uint8Array): ControlFrame | WireError {
  const read = READERS.get(type);
  if (read === undefined) return new WireError(`frame of unknown type ${type}`);
  return (
    read(bytes, viewOf(bytes)) ?? new WireError(`malformed frame of type ${type}, ${bytes.length} bytes`)
  );
}

function bodyOf(frame: ControlFrame): Uint8Array {
  switch (frame.kind) {
    case 'hello':
      return concatBytes([
        u32(MAGIC),
        Uint8Array.of(WIRE_VERSION),
        idBytes(frame.id),
        u16(frame.port),
        hexBytes(digestHex(frame.manifest), 32),
      ]);
    case 'attach':
      return concatBytes([
        u32(frame.held),
        f64(frame.rate),
        frame.insteadOf === undefined ? new Uint8Array(0) : idBytes(frame.insteadOf),
      ]);
    case 'join':
      return u32(frame.held);
    case 'want':
      return concatBytes([u32(frame.row), u32(frame.from), Uint8Array.of(frame.repacked ? 1 : 0)]);
    case 'alive':
      return new Uint8Array(0);
    case 'attached':
    case 'standing':
      return standingBytes(frame);
    case 'moved':
      return concatBytes([refBytes(frame.to), Uint8Array.of(MOVED_WHY.indexOf(frame.why))]);
    case 'refused':
      return Uint8Array.of(REFUSED_WHY.indexOf(frame.why));
    case 'unwant':
    case 'got':
    case 'missing':
    case 'have':
      return u32(frame.row);
    case 'holds':
      return frame.rows;
  }
}

function standingBytes({ held, depth, above, rate }: Standing): Uint8Array {
  const refs = above.slice(0, MOST_ABOVE).map(refBytes);
  return concatBytes([
    u32(held),
    u16(Math.min(depth, DEEPEST)),
    f64(rate),
    Uint8Array.of(refs.length),
    ...refs,
  ]);
}

type Reader = (bytes: Uint8Array, view: DataView) => ControlFrame | undefined;

const READERS: ReadonlyMap<number, Reader> = new Map<number, Reader>([
  [TYPES.hello, readHello],
  [TYPES.attach, readAttach],
  [TYPES.join, (bytes, view) => (bytes.length === 4 ? { kind: 'join', held: view.getUint32(0) } : undefined)],
  [TYPES.want, readWant],
  [TYPES.unwant, (bytes) => withRow('unwant', bytes)],
  [TYPES.alive, (bytes) => (bytes.length === 0 ? { kind: 'alive' } : undefined)],
  [TYPES.got, (bytes) => withRow('got', bytes)],
  [TYPES.attached, (bytes, view) => withStanding('attached', bytes, view)],
  [TYPES.standing, (bytes, view) => withStanding('standing', bytes, view)],
  [TYPES.moved, readMoved],
  [TYPES.refused, readRefused],
  [TYPES.missing, (bytes) => withRow('missing', bytes)],
  // A copy: the window belongs to the decoder.
  [TYPES.holds, (bytes) => ({ kind: 'holds', rows: bytes.slice() })],
  [TYPES.have, (bytes) => withRow('have', bytes)],
]);

function readHello(bytes: Uint8Array, view: DataView): Hello | undefined {
  if (bytes.length !== HELLO_BYTES || view.getUint32(0) !== MAGIC) return undefined;
  if (bytes[4] !== WIRE_VERSION) return undefined;
  const port = view.getUint16(13);
  if (port === 0) return undefined;
  return { kind: 'hello', id: readId(bytes, 5), port, manifest: digestOfRaw(bytes.subarray(15)) };
}

function readAttach(bytes: Uint8Array, view: DataView): FollowerMessage | undefined {
  if (bytes.length !== 12 && bytes.length !== 20) return undefined;
  const rate = readRate(view, 4);
  if (rate === undefined) return undefined;
  const attach = { kind: 'attach', held: view.getUint32(0), rate } as const;
  return bytes.length === 12 ? attach : { ...attach, insteadOf: readId(bytes, 12) };
}

function readWant(bytes: Uint8Array, view: DataView): Want | undefined {
  const flags = bytes[8];
  if (bytes.length !== 9 || (flags !== 0 && flags !== 1)) return undefined;
  return { kind: 'want', row: view.getUint32(0), from: view.getUint32(4), repacked: flags === 1 };
}

function withStanding(
  kind: 'attached' | 'standing',
  bytes: Uint8Array,
  view: DataView,
): FeederMessage | undefined {
  const refs = bytes[14] ?? MOST_ABOVE + 1;
  if (refs > MOST_ABOVE || bytes.length !== 15 + refs * REF_BYTES) return undefined;
  const rate = readRate(view, 6);
  const above = Array.from({ length: refs }, (_, i) => readRef(bytes, 15 + i * REF_BYTES));
  if (rate === undefined || !above.every((ref) => ref !== undefined)) return undefined;
  return { kind, held: view.getUint32(0), depth: view.getUint16(4), rate, above };
}

function readMoved(bytes: Uint8Array): FeederMessage | undefined {
  const why = MOVED_WHY[bytes[REF_BYTES] ?? MOVED_WHY.length];
  if (bytes.length !== REF_BYTES + 1 || why === undefined) return undefined;
  const to = readRef(bytes, 0);
  return to === undefined ? undefined : { kind: 'moved', to, why };
}

function readRefused(bytes: Uint8Array): FeederMessage | undefined {
  const why = REFUSED_WHY[bytes[0] ?? REFUSED_WHY.length];
  return bytes.length !== 1 || why === undefined ? undefined : { kind: 'refused', why };
}

function withRow(kind: 'unwant' | 'got' | 'missing' | 'have', bytes: Uint8Array): ControlFrame | undefined {
  return bytes.length === 4 ? { kind, row: viewOf(bytes).getUint32(0) } : undefined;
}

function readRate(view: DataView, at: number): number | undefined {
  const rate = view.getFloat64(at);
  return Number.isFinite(rate) && rate >= 0 ? rate : undefined;
}

function readId(bytes: Uint8Array, at: number): PeerId {
  return toHex(bytes.subarray(at, at + 8));
}

function readRef(bytes: Uint8Array, at: number): PeerRef | undefined {
  const port = viewOf(bytes).getUint16(at + 12);
  if (port === 0) return undefined;
  return { id: readId(bytes, at), address: formatIpv4(bytes.subarray(at + 8, at + 12)), port };
}

function refBytes({ id, address, port }: PeerRef): Uint8Array {
  return concatBytes([idBytes(id), ipv4Bytes(address), u16(port)]);
}

function idBytes(id: PeerId): Uint8Array {
  return hexBytes(id, 8);
}

function hexBytes(hex: string, length: number): Uint8Array {
  const bytes = fromHex(hex);
  assert(bytes?.length === length, `not ${length} bytes in hexadecimal: ${hex}`);
  return bytes;
}

function u16(value: number): Uint8Array {
  assert(Number.isInteger(value) && value >= 0 && value <= 0xffff, `not a u16: ${value}`);
  return Uint8Array.of(value >> 8, value & 0xff);
}

function u32(value: number): Uint8Array {
  assert(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff, `not a u32: ${value}`);
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value);
  return bytes;
}

function f64(value: number): Uint8Array {
  assert(Number.isFinite(value) && value >= 0, `not a rate: ${value}`);
  const bytes = new Uint8Array(8);
  viewOf(bytes).setFloat64(0, value);
  return bytes;
}
