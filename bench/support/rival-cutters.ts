// The cutters that ours was chosen from: fixed lengths, and a gear hash rolling over every byte.
import { seededRandom } from '../../src/base/random.ts';

/** Where the slice that begins at `start` ends; `end` is where the stretch of data ends. */
export type RivalCut = (bytes: Uint8Array, start: number, end: number) => number;

export function fixedCut(length: number): RivalCut {
  return (_bytes, start, end) => Math.min(end, start - (start % length) + length);
}

const random = seededRandom(1);
const GEAR = Uint32Array.from({ length: 256 }, () => random.next() * 2 ** 32);

export interface GearParameters {
  readonly minBytes: number;
  /** Before it the stricter mask holds, behind it the looser one (FastCDC's normalised chunking). */
  readonly normalBytes: number;
  readonly maxBytes: number;
  readonly strictBits: number;
  readonly looseBits: number;
}

/** Content-defined at any byte: after FastCDC (Xia et al., USENIX ATC 2016), written anew. */
export function gearCut({
  minBytes,
  normalBytes,
  maxBytes,
  strictBits,
  looseBits,
}: GearParameters): RivalCut {
  const strict = -1 << (32 - strictBits);
  const loose = -1 << (32 - looseBits);
  return (bytes, start, end) => {
    const last = Math.min(end, start + maxBytes);
    const normal = Math.min(last, start + normalBytes);
    let at = start + minBytes;
    if (at >= last) return last;
    let hash = 0;
    // The hash sees 32 bytes: it starts that far before the first place where it may cut.
    for (let i = at - 32; i < at; i++) hash = ((hash << 1) + (GEAR[bytes[i] as number] as number)) | 0;
    for (; at < normal; at++) {
      hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0;
      if ((hash & strict) === 0) return at + 1;
    }
    for (; at < last; at++) {
      hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0;
      if ((hash & loose) === 0) return at + 1;
    }
    return last;
  };
}
