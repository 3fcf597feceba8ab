// TFTP packets: any bytes decode to a packet or a WireError, and every packet encodes (RFC 1350 §5, 2347).
import { WireError } from '../base/errors.ts';

/** Option names and values as they stand in the packet, in its order (RFC 2347). */
export type TftpOption = readonly [name: string, value: string];

export interface TftpRequest {
  readonly kind: 'read' | 'write';
  /** One character a byte (Latin-1): ROMs append whatever their DHCP buffer held. */
  readonly file: string;
  readonly mode: string;
  readonly options: readonly TftpOption[];
}

export type TftpPacket =
  | TftpRequest
  | { readonly kind: 'data'; readonly block: number; readonly data: Uint8Array }
  | { readonly kind: 'ack'; readonly block: number }
  | { readonly kind: 'error'; readonly code: number; readonly message: string }
  | { readonly kind: 'oack'; readonly options: readonly TftpOption[] };

/** RFC 1350 appendix, RFC 2347. */
export const TFTP_ERROR = {
  undefined: 0,
  fileNotFound: 1,
  accessViolation: 2,
  illegalOperation: 4,
  unknownTransferId: 5,
  optionRefused: 8,
} as const;

const OPCODE = { read: 1, write: 2, data: 3, ack: 4, error: 5, oack: 6 } as const;

/** Never throws. Strings may lack their last NUL: some ROMs cut it off. */
export function decodeTftp(bytes: Uint8Array): TftpPacket | WireError {
  if (bytes.length < 4) return new WireError(`TFTP packet of ${bytes.length} bytes`, 0);
  const opcode = word(bytes, 0);
  switch (opcode) {
    case OPCODE.read:
    case OPCODE.write: {
      const [file, mode, ...rest] = decodeStrings(bytes, 2);
      if (file === undefined || mode === undefined) return new WireError('TFTP request without a mode', 2);
      return { kind: opcode === OPCODE.read ? 'read' : 'write', file, mode, options: pairs(rest) };
    }
    case OPCODE.data:
      return { kind: 'data', block: word(bytes, 2), data: bytes.subarray(4) };
    case OPCODE.ack:
      return { kind: 'ack', block: word(bytes, 2) };
    case OPCODE.error:
      return { kind: 'error', code: word(bytes, 2), message: decodeStrings(bytes, 4)[0] ?? '' };
    case OPCODE.oack:
      return { kind: 'oack', options: pairs(decodeStrings(bytes, 2)) };
    default:
      return new WireError(`TFTP opcode ${opcode}`, 0);
  }
}

export function encodeTftp(packet: TftpPacket): Uint8Array {
  switch (packet.kind) {
    case 'read':
    case 'write':
      return withStrings(OPCODE[packet.kind], [packet.file, packet.mode, ...packet.options.flat()]);
    case 'oack':
      return withStrings(OPCODE.oack, packet.options.flat());
    case 'error':
      return withStrings(OPCODE.error, [packet.message], packet.code);
    case 'ack':
      return head(OPCODE.ack, packet.block);
    case 'data':
      return writeData(new Uint8Array(DATA_HEAD_BYTES + packet.data.length), packet.block, packet.data);
  }
}

export const DATA_HEAD_BYTES = 4;

/** Writes a DATA packet into `packet`, which is just as long as it, so that a window's packets can be used again. */
export function writeData(packet: Uint8Array, block: number, data: Uint8Array): Uint8Array {
  packet[0] = 0;
  packet[1] = OPCODE.data;
  packet[2] = (block >> 8) & 0xff;
  packet[3] = block & 0xff;
  packet.set(data, DATA_HEAD_BYTES);
  return packet;
}

/** Sixteen bits in network order; a DataView would cost more than the rest of decoding an ACK. */
function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

function head(opcode: number, value: number): Uint8Array {
  return Uint8Array.of(0, opcode, (value >> 8) & 0xff, value & 0xff);
}

function withStrings(opcode: number, strings: readonly string[], code?: number): Uint8Array {
  const start = code === undefined ? 2 : 4;
  const bytes = new Uint8Array(strings.reduce((size, text) => size + text.length + 1, start));
  bytes.set(head(opcode, code ?? 0).subarray(0, start));
  let at = start;
  for (const text of strings) {
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
    at++;
  }
  return bytes;
}

function decodeStrings(bytes: Uint8Array, start: number): string[] {
  const strings: string[] = [];
  for (let at = start; at < bytes.length; ) {
    const nul = bytes.indexOf(0, at);
    const end = nul === -1 ? bytes.length : nul;
    strings.push(String.fromCharCode(...bytes.subarray(at, end)));
    at = end + 1;
  }
  return strings;
}

/** A last name without a value is dropped. */
function pairs(strings: readonly string[]): TftpOption[] {
  const options: TftpOption[] = [];
  for (let i = 0; i + 1 < strings.length; i += 2)
    options.push([strings[i] as string, strings[i + 1] as string]);
  return options;
}
