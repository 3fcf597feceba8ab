// Small, pure helpers over Uint8Array that every room needs: hex, joining, comparing, text.

const HEX = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, '0'));
const utf8Decoder = new TextDecoder('utf-8');
const utf8Encoder = new TextEncoder();

/** Lower-case hexadecimal of the bytes, two digits each, with `separator` between them. */
export function toHex(bytes: Uint8Array, separator = ''): string {
  // A plain loop: MACs and digests are printed for every packet and chunk, and mapping costs far more.
  let text = '';
  for (let i = 0; i < bytes.length; i++) text += (i === 0 ? '' : separator) + HEX[bytes[i] as number];
  return text;
}

/** Bytes of an even-length hexadecimal string, or undefined when it is not one. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(i * 2, i * 2 + 2), 16);
  return bytes;
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

export function isAllZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** UTF-8 text; invalid sequences become U+FFFD, so foreign bytes can always be shown. */
export function toText(bytes: Uint8Array): string {
  return utf8Decoder.decode(bytes);
}

export function fromText(text: string): Uint8Array {
  return utf8Encoder.encode(text);
}

/** A DataView over exactly these bytes, whatever buffer they are a window on. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
