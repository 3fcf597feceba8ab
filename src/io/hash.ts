// SHA-256 by the system's library, which uses the processor's own instructions.
import { hash } from 'node:crypto';
import type { Digest, Sha256 } from '../base/digest.ts';

export const sha256: Sha256 = (bytes) => Uint8Array.from(hash('sha256', bytes, 'buffer'));

export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${hash('sha256', bytes, 'hex')}`;
}
