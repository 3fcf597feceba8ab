// Capture files as tcpdump and Wireshark write them, pcap and pcapng, read into frames.
import { viewOf } from '../base/bytes.ts';
import { WireError } from '../base/errors.ts';

/** What the first bytes of a frame are (the registry of LINKTYPE values of tcpdump.org). */
export type LinkType = 'ethernet' | 'raw-ip' | 'linux-cooked' | 'linux-cooked-2';

export interface Frame {
  /** From 1, as Wireshark counts. */
  readonly number: number;
  /** Milliseconds since 1970, with fractions. */
  readonly atMs: number;
  readonly link: LinkType;
  /** As much as was kept of it. */
  readonly bytes: Uint8Array;
  /** Its length on the wire. */
  readonly wireBytes: number;
}

export interface CaptureFile {
  readonly frames: readonly Frame[];
  /** The file ends within a frame: the capture was ended while it was being written. */
  readonly cutShort: boolean;
  /** Frames of links other than those of `LinkType`. */
  readonly foreign: number;
}

const PCAP_MICROSECONDS = 0xa1b2c3d4;
const PCAP_NANOSECONDS = 0xa1b23c4d;
const PCAPNG_SECTION = 0x0a0d0d0a;
const PCAPNG_ORDER = 0x1a2b3c4d;
const INTERFACE_BLOCK = 1;
const OLD_PACKET_BLOCK = 2;
const SIMPLE_BLOCK = 3;
const ENHANCED_BLOCK = 6;
const TIME_RESOLUTION = 9;

/** More than any link carries; a length beyond it is no length. */
const MOST_FRAME_BYTES = 256 * 1024;
const MOST_BLOCK_BYTES = 16 * 1024 * 1024;

const LINKS: ReadonlyMap<number, LinkType> = new Map([
  [1, 'ethernet'],
  [101, 'raw-ip'],
  [113, 'linux-cooked'],
  [228, 'raw-ip'],
  [276, 'linux-cooked-2'],
]);

/** Never throws. A WireError says where the file stops making sense. */
export function readCapture(bytes: Uint8Array): CaptureFile | WireError {
  if (bytes.length < 24) return new WireError(`${bytes.length} bytes are too few for a capture`, 0);
  const magic = viewOf(bytes).getUint32(0, true);
  if (magic === PCAPNG_SECTION) return readPcapng(bytes);
  for (const little of [true, false]) {
    const found = viewOf(bytes).getUint32(0, little);
    if (found === PCAP_MICROSECONDS) return readPcap(bytes, little, 1e3);
    if (found === PCAP_NANOSECONDS) return readPcap(bytes, little, 1e6);
  }
  return new WireError('neither pcap nor pcapng by its first four bytes', 0);
}

function readPcap(bytes: Uint8Array, little: boolean, perMs: number): CaptureFile | WireError {
  const view = viewOf(bytes);
  // The upper bits tell of frame check sequences.
  const link = LINKS.get(view.getUint32(20, little) & 0x0fffffff);
  const frames: Frame[] = [];
  let number = 0;
  let at = 24;
  for (; at + 16 <= bytes.length; ) {
    const kept = view.getUint32(at + 8, little);
    if (kept > MOST_FRAME_BYTES) return new WireError(`frame ${number + 1} claims ${kept} bytes`, at);
    if (at + 16 + kept > bytes.length) break;
    number += 1;
    if (link !== undefined) {
      frames.push({
        number,
        atMs: view.getUint32(at, little) * 1000 + view.getUint32(at + 4, little) / perMs,
        link,
        bytes: bytes.subarray(at + 16, at + 16 + kept),
        wireBytes: view.getUint32(at + 12, little),
      });
    }
    at += 16 + kept;
  }
  return { frames, cutShort: at !== bytes.length, foreign: number - frames.length };
}

interface Interface {
  readonly link: LinkType | undefined;
  readonly ticksPerMs: number;
}

/** draft-ietf-opsawg-pcapng: blocks of type, length, body, length again. */
function readPcapng(bytes: Uint8Array): CaptureFile | WireError {
  const view = viewOf(bytes);
  const frames: Frame[] = [];
  let interfaces: Interface[] = [];
  let little = true;
  let number = 0;
  let at = 0;
  const keep = (link: LinkType | undefined, atMs: number, start: number, kept: number, wireBytes: number) => {
    number += 1;
    if (link !== undefined) {
      frames.push({ number, atMs, link, bytes: bytes.subarray(start, start + kept), wireBytes });
    }
  };
  for (; at + 12 <= bytes.length; ) {
    const type = view.getUint32(at, little);
    if (view.getUint32(at, true) === PCAPNG_SECTION) {
      // Byte order and interfaces are a section's own; several files may have been put one behind the other.
      little = view.getUint32(at + 8, true) === PCAPNG_ORDER;
      if (!little && view.getUint32(at + 8, false) !== PCAPNG_ORDER) {
        return new WireError('a section of unknown byte order', at + 8);
      }
      interfaces = [];
    }
    const length = view.getUint32(at + 4, little);
    if (length < 12 || length % 4 !== 0 || length > MOST_BLOCK_BYTES) {
      return new WireError(`a block of ${length} bytes`, at + 4);
    }
    if (at + length > bytes.length) break;
    const end = at + length - 4;
    const body = at + 8;
    if (type === INTERFACE_BLOCK && end - body >= 8) {
      interfaces.push({
        link: LINKS.get(view.getUint16(body, little)),
        ticksPerMs: ticksPerMs(view, body + 8, end, little),
      });
    } else if ((type === ENHANCED_BLOCK || type === OLD_PACKET_BLOCK) && end - body >= 20) {
      const index = type === ENHANCED_BLOCK ? view.getUint32(body, little) : view.getUint16(body, little);
      const from = interfaces[index];
      const kept = view.getUint32(body + 12, little);
      if (from === undefined || body + 20 + kept > end) {
        return new WireError(`frame ${number + 1} has no interface, or runs past its block`, at);
      }
      const ticks = view.getUint32(body + 4, little) * 2 ** 32 + view.getUint32(body + 8, little);
      keep(from.link, ticks / from.ticksPerMs, body + 20, kept, view.getUint32(body + 16, little));
    } else if (type === SIMPLE_BLOCK && end - body >= 4) {
      // It carries no time: it counts as caught with the frame before.
      const wireBytes = view.getUint32(body, little);
      const atMs = frames.at(-1)?.atMs ?? 0;
      keep(interfaces[0]?.link, atMs, body + 4, Math.min(wireBytes, end - body - 4), wireBytes);
    }
    at += length;
  }
  return { frames, cutShort: at !== bytes.length, foreign: number - frames.length };
}

/** Option if_tsresol: a power of ten, or of two with the upper bit set; microseconds when absent. */
function ticksPerMs(view: DataView, start: number, end: number, little: boolean): number {
  for (let at = start; at + 4 <= end; ) {
    const code = view.getUint16(at, little);
    const length = view.getUint16(at + 2, little);
    if (code === 0) break;
    if (code === TIME_RESOLUTION && length === 1 && at + 5 <= end) {
      const resolution = view.getUint8(at + 4);
      return ((resolution & 0x80) === 0 ? 10 ** resolution : 2 ** (resolution & 0x7f)) / 1000;
    }
    at += 4 + Math.ceil(length / 4) * 4;
  }
  return 1000;
}
