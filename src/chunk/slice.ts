// The cutter: where an image is cut into slices is decided by its content, so equal content gives equal slices.
import { assert } from '../base/errors.ts';
import { MAX_SLICE_BYTES } from './tables.ts';

/** Disks and files on them begin at sectors: a cut anywhere else would only hide equal content. */
export const SECTOR_BYTES = 512;

export interface CutParameters {
  /** No slice of data is shorter, but before a stretch of zeros and at the end. */
  readonly minBytes: number;
  readonly maxBytes: number;
  /** Where no file ends, one sector in 2 ** meanBits is a cut: slices of minBytes + 512 × 2 ** meanBits on average. */
  readonly meanBits: number;
  /** Zeros of at least this length are a stretch of their own, kept nowhere; shorter ones pack to almost nothing. */
  readonly zeroBytes: number;
}

/** Chosen by `bench/cutter.ts`; docs/decisions/0003-slices-and-chunks.md tells how. */
export const CUT_PARAMETERS: CutParameters = {
  minBytes: 16 * 1024,
  maxBytes: MAX_SLICE_BYTES,
  meanBits: 7,
  zeroBytes: 16 * 1024,
};

export interface Cut {
  readonly kind: 'data' | 'zero';
  readonly length: number;
}

const SECTOR_WORDS = SECTOR_BYTES / 4;
/** A file's last block is filled up with zeros; that many bytes of them at a sector's end are taken for its end. */
const TAIL_WORDS = 4;

/**
 * Cuts a stream of sectors. It keeps no bytes: it answers with lengths, in order, as soon as a cut is certain.
 * How the stream is divided among the calls of `push` makes no difference.
 *
 * A cut falls, once `minBytes` are reached,
 * - where a file ends: behind a sector that ends with zeros, when the next one does not begin with zeros;
 * - within large files: behind a sector whose hash has its highest `meanBits` bits zero;
 * - at `maxBytes`; and always where a stretch of zeros begins or ends.
 *
 * Cutting where files end is what makes two images built from scratch alike: the file system puts the same files
 * in another order, and a cutter that knows only a rolling hash mixes neighbours into the same slice.
 */
export class Cutter {
  readonly #parameters: CutParameters;
  readonly #hashShift: number;
  /** Bytes since the last cut, and how many of them at their end are zero sectors. */
  #length = 0;
  #zeros = 0;
  #inZeros = false;
  #tailIsZero = false;

  constructor(parameters: CutParameters = CUT_PARAMETERS) {
    const { minBytes, maxBytes, meanBits, zeroBytes } = parameters;
    assert(minBytes % SECTOR_BYTES === 0 && maxBytes % SECTOR_BYTES === 0, 'slices are whole sectors');
    assert(zeroBytes % SECTOR_BYTES === 0 && zeroBytes > 0 && zeroBytes < maxBytes, 'zeroBytes');
    assert(minBytes > 0 && minBytes < maxBytes && meanBits > 0 && meanBits < 32, 'slice bounds');
    this.#parameters = parameters;
    this.#hashShift = 32 - meanBits;
  }

  /** Takes whole sectors, at a multiple of four in their buffer; returns the cuts that became certain. */
  push(sectors: Uint8Array): Cut[] {
    assert(sectors.length % SECTOR_BYTES === 0, 'the cutter takes whole sectors');
    // Words are read in the machine's order: every machine that Node runs on is little-endian.
    const words = new Int32Array(sectors.buffer, sectors.byteOffset, sectors.length / 4);
    const { minBytes, maxBytes, zeroBytes } = this.#parameters;
    const cuts: Cut[] = [];
    for (let first = 0; first < words.length; first += SECTOR_WORDS) {
      const end = first + SECTOR_WORDS;
      if (words[first] === 0 && isZero(words, first, end)) {
        this.#pushZeroSector(cuts, zeroBytes);
      } else {
        const afterFile =
          this.#tailIsZero && this.#length >= minBytes && (words[first] !== 0 || words[first + 1] !== 0);
        if (this.#inZeros || afterFile) this.#cut(cuts);
        this.#zeros = 0;
        this.#length += SECTOR_BYTES;
        this.#tailIsZero = isZero(words, end - TAIL_WORDS, end);
        const mayCut = this.#length >= minBytes && !this.#tailIsZero;
        if (mayCut && hash(words, first, end) >>> this.#hashShift === 0) this.#cut(cuts);
      }
      if (!this.#inZeros && this.#length >= maxBytes) this.#cut(cuts);
    }
    return cuts;
  }

  /** The stream ends here: the last cut, if any bytes are left. */
  end(): Cut[] {
    const cuts: Cut[] = [];
    this.#cut(cuts);
    return cuts;
  }

  #pushZeroSector(cuts: Cut[], zeroBytes: number): void {
    this.#length += SECTOR_BYTES;
    this.#zeros += SECTOR_BYTES;
    this.#tailIsZero = true;
    if (this.#inZeros || this.#zeros < zeroBytes) return;
    // The stretch is long enough: what came before it is a slice, and it began where its first zero was.
    const before = this.#length - this.#zeros;
    if (before > 0) cuts.push({ kind: 'data', length: before });
    this.#length = this.#zeros;
    this.#inZeros = true;
  }

  #cut(cuts: Cut[]): void {
    if (this.#length > 0) cuts.push({ kind: this.#inZeros ? 'zero' : 'data', length: this.#length });
    this.#length = 0;
    this.#zeros = 0;
    this.#inZeros = false;
    this.#tailIsZero = false;
  }
}

function isZero(words: Int32Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (words[at] !== 0) return false;
  return true;
}

/** A polynomial of the sector's words, then stirred so that its highest bits depend on all of them. */
function hash(words: Int32Array, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at++) sum = (Math.imul(sum, 0x2c1b3c6d) + (words[at] as number)) | 0;
  sum ^= sum >>> 15;
  sum = Math.imul(sum, 0x297a2d39);
  return sum ^ (sum >>> 15);
}
