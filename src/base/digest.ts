// Digests and descriptors: how every piece of content is named (OCI's words, SHA-256 only).
import { toHex } from './bytes.ts';

/** `sha256:` and 64 lower-case hexadecimal digits. */
export type Digest = `sha256:${string}`;

/** What to fetch and how long it is: a size is always known before the first byte arrives. */
export interface Descriptor {
  readonly digest: Digest;
  /** Bytes as stored (for a chunk: the compressed frame). */
  readonly size: number;
}

/** Port: SHA-256 of the bytes as 32 raw bytes. The adapter is in `io/`. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

const DIGEST = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** The digest of these 32 raw bytes. */
export function digestOfRaw(raw: Uint8Array): Digest {
  return `sha256:${toHex(raw)}`;
}

/** The 64 hexadecimal digits, used as the file name of a chunk. */
export function digestHex(digest: Digest): string {
  return digest.slice('sha256:'.length);
}
