// The option table: code → name, kind of value, RFC section. One kind is one tiny codec; the table points at it.
import { formatIpv4, type Ipv4, ipv4Bytes } from '../base/addresses.ts';
import { fromText, toHex, toText, viewOf } from '../base/bytes.ts';
import type { OptionMap } from './packet.ts';

/** How one kind of value lies in bytes. `decode` gives undefined for bytes that are no such value. */
export interface OptionKind<Value> {
  decode(bytes: Uint8Array): Value | undefined;
  encode(value: Value): Uint8Array;
  /** For people. */
  show(value: Value): string;
}

export interface Option<Value> {
  readonly code: number;
  readonly name: string;
  readonly kind: OptionKind<Value>;
  /** Where it is defined. */
  readonly section: string;
}

const hex = (bytes: Uint8Array) => (bytes.length === 0 ? '(empty)' : toHex(bytes, ' '));

const raw: OptionKind<Uint8Array> = { decode: (bytes) => bytes, encode: (value) => value, show: hex };

/** Text up to the first NUL: some clients end it with one (RFC 2132 §2 lets them). */
const text: OptionKind<string> = {
  decode: (bytes) => toText(bytes).replace(/\0.*$/s, ''),
  encode: fromText,
  show: (value) => JSON.stringify(value),
};

/** Text that is sent with a NUL behind it: EDK2 writes one over whatever follows the boot file's name. */
const textWithNul: OptionKind<string> = { ...text, encode: (value) => fromText(`${value}\0`) };

const address: OptionKind<Ipv4> = {
  decode: (bytes) => (bytes.length === 4 ? formatIpv4(bytes) : undefined),
  encode: ipv4Bytes,
  show: (value) => value,
};

const addresses: OptionKind<readonly Ipv4[]> = {
  decode: (bytes) =>
    bytes.length > 0 && bytes.length % 4 === 0
      ? Array.from({ length: bytes.length / 4 }, (_, i) => formatIpv4(bytes.subarray(i * 4, i * 4 + 4)))
      : undefined,
  encode: (value) => Uint8Array.from(value.flatMap((one) => [...ipv4Bytes(one)])),
  show: (value) => value.join(', '),
};

const uint16: OptionKind<number> = {
  decode: (bytes) => (bytes.length === 2 ? viewOf(bytes).getUint16(0) : undefined),
  encode: (value) => Uint8Array.of(value >>> 8, value & 0xff),
  show: String,
};

const uint16s: OptionKind<readonly number[]> = {
  decode: (bytes) =>
    bytes.length > 0 && bytes.length % 2 === 0
      ? Array.from({ length: bytes.length / 2 }, (_, i) => viewOf(bytes).getUint16(i * 2))
      : undefined,
  encode: (value) => Uint8Array.from(value.flatMap((one) => [one >>> 8, one & 0xff])),
  show: (value) => value.join(', '),
};

const seconds: OptionKind<number> = {
  decode: (bytes) => (bytes.length === 4 ? viewOf(bytes).getUint32(0) : undefined),
  encode: (value) => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value),
  show: (value) => `${value} s`,
};

const codes: OptionKind<readonly number[]> = {
  decode: (bytes) => [...bytes],
  encode: (value) => Uint8Array.from(value),
  show: (value) => value.join(' '),
};

/** RFC 2132 §9.6. */
export const MESSAGE_TYPES = {
  1: 'DISCOVER',
  2: 'OFFER',
  3: 'REQUEST',
  4: 'DECLINE',
  5: 'ACK',
  6: 'NAK',
  7: 'RELEASE',
  8: 'INFORM',
} as const;
export type MessageType = (typeof MESSAGE_TYPES)[keyof typeof MESSAGE_TYPES];

const messageType: OptionKind<MessageType> = {
  decode: (bytes) =>
    bytes.length === 1
      ? (MESSAGE_TYPES as Partial<Record<number, MessageType>>)[bytes[0] as number]
      : undefined,
  encode: (value) => Uint8Array.of(Object.values(MESSAGE_TYPES).indexOf(value) + 1),
  show: (value) => value,
};

function option<Value>(code: number, name: string, kind: OptionKind<Value>, section: string): Option<Value> {
  return { code, name, kind, section };
}

/** Options that Peerboot reads, writes or shows. Others survive as raw bytes. */
export const OPTIONS = {
  subnetMask: option(1, 'subnet mask', address, 'RFC 2132 §3.3'),
  router: option(3, 'router', addresses, 'RFC 2132 §3.5'),
  domainServer: option(6, 'domain name server', addresses, 'RFC 2132 §3.8'),
  hostName: option(12, 'host name', text, 'RFC 2132 §3.14'),
  bootFileSize: option(13, 'boot file size in 512-byte blocks', uint16, 'RFC 2132 §3.15'),
  domainName: option(15, 'domain name', text, 'RFC 2132 §3.17'),
  broadcastAddress: option(28, 'broadcast address', address, 'RFC 2132 §5.3'),
  vendorOptions: option(43, 'vendor-specific information', raw, 'RFC 2132 §8.4, PXE 2.1 §2.2'),
  requestedAddress: option(50, 'requested address', address, 'RFC 2132 §9.1'),
  leaseTime: option(51, 'lease time', seconds, 'RFC 2132 §9.2'),
  messageType: option(53, 'message type', messageType, 'RFC 2132 §9.6'),
  serverIdentifier: option(54, 'server identifier', address, 'RFC 2132 §9.7'),
  parameterRequestList: option(55, 'parameter request list', codes, 'RFC 2132 §9.8'),
  message: option(56, 'message', text, 'RFC 2132 §9.9'),
  maximumSize: option(57, 'maximum message size', uint16, 'RFC 2132 §9.10'),
  renewalTime: option(58, 'renewal time', seconds, 'RFC 2132 §9.11'),
  rebindingTime: option(59, 'rebinding time', seconds, 'RFC 2132 §9.12'),
  vendorClass: option(60, 'vendor class', text, 'RFC 2132 §9.13, PXE 2.1 §2.2'),
  clientIdentifier: option(61, 'client identifier', raw, 'RFC 2132 §9.14'),
  tftpServerName: option(66, 'TFTP server name', text, 'RFC 2132 §9.4'),
  bootFile: option(67, 'boot file', textWithNul, 'RFC 2132 §9.5'),
  userClass: option(77, 'user class', raw, 'RFC 3004 §4'),
  relayInformation: option(82, 'relay agent information', raw, 'RFC 3046 §2.0'),
  clientArchitecture: option(93, 'client architecture', uint16s, 'RFC 4578 §2.1'),
  clientInterface: option(94, 'client network interface', raw, 'RFC 4578 §2.2'),
  clientMachine: option(97, 'client machine identifier', raw, 'RFC 4578 §2.3'),
  ipxe: option(175, 'iPXE options', raw, 'ipxe.org/howto/dhcpd'),
} as const;

const byCode = new Map<number, Option<unknown>>(
  Object.values(OPTIONS).map((entry) => [entry.code, entry as Option<unknown>]),
);

/** The value of an option, or undefined when it is absent or not of its kind. */
export function readOption<Value>(options: OptionMap, wanted: Option<Value>): Value | undefined {
  const bytes = options.get(wanted.code);
  return bytes === undefined ? undefined : wanted.kind.decode(bytes);
}

/** An entry for an OptionMap. */
export function optionEntry<Value>(wanted: Option<Value>, value: Value): readonly [number, Uint8Array] {
  return [wanted.code, wanted.kind.encode(value)];
}

/** One option for people: `60 vendor class "PXEClient"`; bytes that are not of their kind are shown as they are. */
export function showOption(code: number, bytes: Uint8Array): string {
  const known = byCode.get(code);
  const value = known?.kind.decode(bytes);
  if (known === undefined) return `${code} ${hex(bytes)}`;
  return `${code} ${known.name} ${value === undefined ? hex(bytes) : known.kind.show(value)}`;
}
