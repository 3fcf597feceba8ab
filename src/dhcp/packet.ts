// The DHCP packet (RFC 2131 §2) as bytes and as a value: any bytes decode to a packet or to a WireError.
import { ANY_ADDRESS, formatIpv4, type Ipv4, ipv4Bytes } from '../base/addresses.ts';
import { concatBytes, viewOf } from '../base/bytes.ts';
import { assert, WireError } from '../base/errors.ts';

export const BOOT_REQUEST = 1;
export const BOOT_REPLY = 2;
/** The `broadcast` bit of `flags` (RFC 2131 §2, figure 2). */
export const BROADCAST_FLAG = 0x8000;

/** Option code → value. Several instances of a code are already one value (RFC 3396). */
export type OptionMap = ReadonlyMap<number, Uint8Array>;

export interface DhcpPacket {
  /** BOOT_REQUEST or BOOT_REPLY; others are kept as they came. */
  readonly op: number;
  /** Hardware type, 1 for Ethernet. */
  readonly htype: number;
  readonly hops: number;
  readonly xid: number;
  readonly secs: number;
  readonly flags: number;
  readonly ciaddr: Ipv4;
  readonly yiaddr: Ipv4;
  /** Next-server: where the file in `file` lies. */
  readonly siaddr: Ipv4;
  readonly giaddr: Ipv4;
  /** Exactly hlen bytes, at most 16: six for Ethernet, but EDK2 can put the 16 bytes of the system's GUID here. */
  readonly chaddr: Uint8Array;
  /** Bytes before the first NUL, at most 64. */
  readonly sname: Uint8Array;
  /** Bytes before the first NUL, at most 128. */
  readonly file: Uint8Array;
  readonly options: OptionMap;
}

const SNAME = { at: 44, length: 64 } as const;
const FILE = { at: 108, length: 128 } as const;
const CHADDR = { at: 28, length: 16 } as const;
const COOKIE_AT = 236;
const OPTIONS_AT = 240;
const MAGIC_COOKIE = 0x63825363;
/** BOOTP's smallest packet (RFC 1542 §2.1): some firmware drops shorter ones. */
const SMALLEST_BYTES = 300;

const PAD = 0;
const END = 255;
const OVERLOAD = 52;
const MESSAGE_TYPE = 53;
const SERVER_IDENTIFIER = 54;
const BOOT_FILE = 67;
const RELAY_INFORMATION = 82;

/** Reads a packet; a packet without the End option is accepted, as clients send such. */
export function decodePacket(bytes: Uint8Array): DhcpPacket | WireError {
  if (bytes.length < OPTIONS_AT) return new WireError(`packet of ${bytes.length} bytes has no options`);
  const view = viewOf(bytes);
  if (view.getUint32(COOKIE_AT) !== MAGIC_COOKIE) return new WireError('no DHCP magic cookie', COOKIE_AT);
  const hlen = view.getUint8(2);
  if (hlen > CHADDR.length) return new WireError(`hardware address of ${hlen} bytes`, 2);

  const values = new Map<number, Uint8Array[]>();
  const failure = readOptions(bytes, OPTIONS_AT, bytes.length, values);
  if (failure !== undefined) return failure;
  // RFC 2132 §9.3: bit 0 puts options into `file`, bit 1 into `sname`. RFC 3396 §5 reads them in this order.
  const overload = values.get(OVERLOAD)?.at(0)?.at(0) ?? 0;
  if (values.has(OVERLOAD) && (overload < 1 || overload > 3)) {
    return new WireError(`option overload has the value ${overload}`);
  }
  values.delete(OVERLOAD);
  for (const [bit, field] of [
    [1, FILE],
    [2, SNAME],
  ] as const) {
    if ((overload & bit) === 0) continue;
    const wrong = readOptions(bytes, field.at, field.at + field.length, values);
    if (wrong !== undefined) return wrong;
  }
  values.delete(OVERLOAD);

  const address = (at: number) =>
    view.getUint32(at) === 0 ? ANY_ADDRESS : formatIpv4(bytes.subarray(at, at + 4));
  return {
    op: view.getUint8(0),
    htype: view.getUint8(1),
    hops: view.getUint8(3),
    xid: view.getUint32(4),
    secs: view.getUint16(8),
    flags: view.getUint16(10),
    ciaddr: address(12),
    yiaddr: address(16),
    siaddr: address(20),
    giaddr: address(24),
    chaddr: bytes.slice(CHADDR.at, CHADDR.at + hlen),
    sname: (overload & 2) === 0 ? untilNul(bytes, SNAME) : new Uint8Array(0),
    file: (overload & 1) === 0 ? untilNul(bytes, FILE) : new Uint8Array(0),
    options: joined(values),
  };
}

function joined(values: ReadonlyMap<number, Uint8Array[]>): OptionMap {
  const options = new Map<number, Uint8Array>();
  for (const [code, parts] of values) {
    options.set(code, parts.length === 1 ? (parts[0] as Uint8Array) : concatBytes(parts));
  }
  return options;
}

/** Appends every option in [at, end) to `values`, in the order of appearance; says what is wrong, if anything. */
function readOptions(
  bytes: Uint8Array,
  start: number,
  end: number,
  values: Map<number, Uint8Array[]>,
): WireError | undefined {
  let at = start;
  while (at < end) {
    const code = bytes[at] as number;
    if (code === END) return undefined;
    if (code === PAD) {
      at += 1;
      continue;
    }
    const length = at + 1 < end ? (bytes[at + 1] as number) : Number.POSITIVE_INFINITY;
    if (at + 2 + length > end) return new WireError(`option ${code} runs past the end`, at);
    const value = bytes.slice(at + 2, at + 2 + length);
    const before = values.get(code);
    if (before === undefined) values.set(code, [value]);
    else before.push(value);
    at += 2 + length;
  }
  return undefined;
}

function untilNul(bytes: Uint8Array, field: { at: number; length: number }): Uint8Array {
  const room = bytes.slice(field.at, field.at + field.length);
  const nul = room.indexOf(0);
  return nul === -1 ? room : room.subarray(0, nul);
}

/**
 * The bytes of a packet; the same packet gives the same bytes. Options above 255 bytes are split (RFC 3396), never
 * moved into `file` or `sname`: overload is understood by few ROMs.
 */
export function encodePacket(packet: DhcpPacket): Uint8Array {
  assert(packet.chaddr.length <= CHADDR.length, 'chaddr has at most 16 bytes');
  assert(packet.sname.length <= SNAME.length, 'sname has at most 64 bytes');
  assert(packet.file.length <= FILE.length, 'file has at most 128 bytes');
  const options = [...packet.options].sort(([a], [b]) => rank(a) - rank(b) || a - b);
  const optionBytes = options.reduce((total, [, value]) => total + value.length + 2 * pieces(value), 0);
  const bytes = new Uint8Array(Math.max(SMALLEST_BYTES, OPTIONS_AT + optionBytes + 1));
  const view = viewOf(bytes);
  bytes.set([packet.op, packet.htype, packet.chaddr.length, packet.hops]);
  view.setUint32(4, packet.xid);
  view.setUint16(8, packet.secs);
  view.setUint16(10, packet.flags);
  writeAddress(bytes, 12, packet.ciaddr);
  writeAddress(bytes, 16, packet.yiaddr);
  writeAddress(bytes, 20, packet.siaddr);
  writeAddress(bytes, 24, packet.giaddr);
  bytes.set(packet.chaddr, CHADDR.at);
  bytes.set(packet.sname, SNAME.at);
  bytes.set(packet.file, FILE.at);
  view.setUint32(COOKIE_AT, MAGIC_COOKIE);
  const end = options.reduce((at, [code, value]) => writeOption(bytes, at, code, value), OPTIONS_AT);
  bytes[end] = END;
  return bytes;
}

/** Into bytes that are zero: nothing to do for 0.0.0.0, which most of a packet's addresses are. */
function writeAddress(bytes: Uint8Array, at: number, address: Ipv4): void {
  if (address !== ANY_ADDRESS) bytes.set(ipv4Bytes(address), at);
}

/**
 * Message type and server identifier first, as is customary and as old ROMs expect; the boot file's name behind the
 * others, because EDK2 writes a NUL over the byte after it; the relay's option last (RFC 3046 §2.1).
 */
function rank(code: number): number {
  if (code === MESSAGE_TYPE) return 0;
  if (code === SERVER_IDENTIFIER) return 1;
  if (code === BOOT_FILE) return 3;
  if (code === RELAY_INFORMATION) return 4;
  return 2;
}

/** Instances that carry a value of this length; an empty one takes one. */
function pieces(value: Uint8Array): number {
  return Math.max(1, Math.ceil(value.length / 255));
}

/** Writes all instances of an option at `start`; returns where the next one begins. */
function writeOption(bytes: Uint8Array, start: number, code: number, value: Uint8Array): number {
  assert(code > PAD && code < END && code !== OVERLOAD, `option ${code} is not for encoding`);
  let at = start;
  for (let piece = 0; piece < pieces(value); piece++) {
    const part = value.length <= 255 ? value : value.subarray(piece * 255, (piece + 1) * 255);
    bytes[at] = code;
    bytes[at + 1] = part.length;
    bytes.set(part, at + 2);
    at += 2 + part.length;
  }
  return at;
}
