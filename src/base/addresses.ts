// MAC and IPv4 addresses: one normal form each, so that they can be compared and used as keys.
import { fromHex, toHex } from './bytes.ts';

/** Six lower-case hexadecimal pairs with colons: `52:54:00:12:34:56`. */
export type Mac = string & { readonly brand: 'mac' };

/** Dotted decimal: `10.77.0.2`. */
export type Ipv4 = string & { readonly brand: 'ipv4' };

/** Reads `52:54:00:…`, `52-54-00-…` and `525400…`; undefined when it is none of them. */
export function parseMac(text: string): Mac | undefined {
  const bytes = fromHex(text.replaceAll(/[:-]/g, ''));
  return bytes?.length === 6 ? formatMac(bytes) : undefined;
}

export function formatMac(bytes: Uint8Array): Mac {
  return toHex(bytes, ':') as Mac;
}

export function parseIpv4(text: string): Ipv4 | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const bytes = parts.map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
  return bytes.every((byte) => byte <= 255) ? (bytes.join('.') as Ipv4) : undefined;
}

/** `bytes` must hold four bytes. */
export function formatIpv4(bytes: Uint8Array): Ipv4 {
  return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}` as Ipv4;
}

export function ipv4Bytes(address: Ipv4): Uint8Array {
  const bytes = new Uint8Array(4);
  for (const [i, part] of address.split('.').entries()) bytes[i] = Number(part);
  return bytes;
}

export const ANY_ADDRESS = '0.0.0.0' as Ipv4;
export const LIMITED_BROADCAST = '255.255.255.255' as Ipv4;
