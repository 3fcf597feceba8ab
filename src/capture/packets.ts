// From frames to what they carry: UDP datagrams and TCP segments over IPv4, fragments put together again.
import { formatIpv4, type Ipv4 } from '../base/addresses.ts';
import { viewOf } from '../base/bytes.ts';
import type { Frame, LinkType } from './file.ts';

export interface CapturedEnd {
  readonly address: Ipv4;
  readonly port: number;
}

export type CapturedPacket = {
  readonly source: CapturedEnd;
  readonly target: CapturedEnd;
  /** As much as was kept of it. */
  readonly payload: Uint8Array;
  /** Its length on the wire. */
  readonly payloadBytes: number;
} & (
  | { readonly kind: 'udp' }
  | { readonly kind: 'tcp'; readonly seq: number; readonly ack: number | undefined; readonly syn: boolean }
);

const IPV4 = 0x0800;
/** IEEE 802.1Q, 802.1ad, and the older double tag. */
const VLAN_TAGS = [0x8100, 0x88a8, 0x9100];
const TCP = 6;
const UDP = 17;
const MORE_FRAGMENTS = 0x2000;

/** Datagrams that are being put together; the oldest gives way. */
const MOST_PARTIAL = 64;

interface Partial {
  readonly pieces: { readonly at: number; readonly bytes: Uint8Array; readonly wireBytes: number }[];
  totalBytes: number | undefined;
}

/** Keeps the fragments between frames; one for each capture. */
export class PacketReader {
  readonly #partial = new Map<string, Partial>();

  /** Undefined for everything else, for what is malformed, and for a fragment that leaves gaps. */
  read(frame: Frame): CapturedPacket | undefined {
    const ip = ipv4Of(frame.link, frame.bytes);
    if (ip === undefined || ip.length < 20) return undefined;
    const view = viewOf(ip);
    const headBytes = (view.getUint8(0) & 0x0f) * 4;
    // Hardware that segments for the sender leaves 0 here; then the frame's own length counts.
    const told = view.getUint16(2);
    const wireBytes = told >= headBytes ? told : frame.wireBytes - (frame.bytes.length - ip.length);
    if (view.getUint8(0) >> 4 !== 4 || headBytes < 20 || ip.length < headBytes) return undefined;
    const protocol = view.getUint8(9);
    if (protocol !== TCP && protocol !== UDP) return undefined;
    const source = formatIpv4(ip.subarray(12, 16));
    const target = formatIpv4(ip.subarray(16, 20));
    const body = {
      bytes: ip.subarray(headBytes, Math.min(ip.length, wireBytes)),
      wireBytes: wireBytes - headBytes,
    };
    const fragment = view.getUint16(6);
    const whole =
      (fragment & 0x3fff) === 0
        ? body
        : this.#join(`${source} ${target} ${view.getUint16(4)} ${protocol}`, fragment, body);
    if (whole === undefined) return undefined;
    return protocol === UDP ? udpOf(source, target, whole) : tcpOf(source, target, whole);
  }

  #join(key: string, fragment: number, { bytes, wireBytes }: Body): Body | undefined {
    const partial = this.#partial.get(key) ?? { pieces: [], totalBytes: undefined };
    this.#partial.set(key, partial);
    const oldest = this.#partial.keys().next().value;
    if (this.#partial.size > MOST_PARTIAL && oldest !== undefined) this.#partial.delete(oldest);
    const at = (fragment & 0x1fff) * 8;
    if (at + wireBytes > 0xffff || partial.pieces.length > 64) {
      this.#partial.delete(key);
      return undefined;
    }
    if (partial.pieces.every((piece) => piece.at !== at)) partial.pieces.push({ at, bytes, wireBytes });
    if ((fragment & MORE_FRAGMENTS) === 0) partial.totalBytes = at + wireBytes;
    const sum = partial.pieces.reduce((total, piece) => total + piece.wireBytes, 0);
    if (partial.totalBytes === undefined || sum < partial.totalBytes) return undefined;
    this.#partial.delete(key);
    const whole = new Uint8Array(partial.totalBytes);
    for (const piece of partial.pieces) {
      if (piece.at + piece.bytes.length <= whole.length) whole.set(piece.bytes, piece.at);
    }
    return { bytes: whole, wireBytes: whole.length };
  }
}

interface Body {
  readonly bytes: Uint8Array;
  readonly wireBytes: number;
}

function ipv4Of(link: LinkType, bytes: Uint8Array): Uint8Array | undefined {
  const view = viewOf(bytes);
  switch (link) {
    case 'raw-ip':
      return bytes;
    case 'linux-cooked':
      return bytes.length >= 16 && view.getUint16(14) === IPV4 ? bytes.subarray(16) : undefined;
    case 'linux-cooked-2':
      return bytes.length >= 20 && view.getUint16(0) === IPV4 ? bytes.subarray(20) : undefined;
    case 'ethernet': {
      let at = 12;
      while (at + 2 <= bytes.length && VLAN_TAGS.includes(view.getUint16(at))) at += 4;
      return at + 2 <= bytes.length && view.getUint16(at) === IPV4 ? bytes.subarray(at + 2) : undefined;
    }
  }
}

function udpOf(source: Ipv4, target: Ipv4, { bytes, wireBytes }: Body): CapturedPacket | undefined {
  if (bytes.length < 8) return undefined;
  const view = viewOf(bytes);
  const length = view.getUint16(4);
  if (length < 8 || length > wireBytes) return undefined;
  return {
    kind: 'udp',
    source: { address: source, port: view.getUint16(0) },
    target: { address: target, port: view.getUint16(2) },
    payload: bytes.subarray(8, length),
    payloadBytes: length - 8,
  };
}

function tcpOf(source: Ipv4, target: Ipv4, { bytes, wireBytes }: Body): CapturedPacket | undefined {
  if (bytes.length < 20) return undefined;
  const view = viewOf(bytes);
  const headBytes = (view.getUint8(12) >> 4) * 4;
  const flags = view.getUint8(13);
  if (headBytes < 20 || headBytes > wireBytes) return undefined;
  return {
    kind: 'tcp',
    source: { address: source, port: view.getUint16(0) },
    target: { address: target, port: view.getUint16(2) },
    payload: bytes.subarray(Math.min(headBytes, bytes.length)),
    payloadBytes: wireBytes - headBytes,
    seq: view.getUint32(4),
    ack: (flags & 0x10) === 0 ? undefined : view.getUint32(8),
    syn: (flags & 0x02) !== 0,
  };
}
