// One digest for the plain content of an image or package, from its slices alone: what lies on a disk can be cut and compared.
import { viewOf } from '../base/bytes.ts';
import type { SliceTable } from './tables.ts';

const ROW_BYTES = 40;

/** Takes slices in order; hash `bytes()`. Zeros count by their length, however they were divided. */
export class ContentPrint {
  #bytes = new Uint8Array(256 * ROW_BYTES);
  #rows = 0;
  #zeros = 0;

  add(length: number, rawDigest: Uint8Array | undefined): void {
    if (rawDigest === undefined) {
      this.#zeros += length;
      return;
    }
    this.#flush();
    this.#append(length, rawDigest);
  }
  bytes(): Uint8Array {
    this.#flush();
    return this.#bytes.slice(0, this.#rows * ROW_BYTES);
  }

  #flush(): void {
    if (this.#zeros > 0) this.#append(this.#zeros, undefined);
    this.#zeros = 0;
  }
  #append(length: number, rawDigest: Uint8Array | undefined): void {
    const at = this.#rows++ * ROW_BYTES;
    if (at === this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    viewOf(this.#bytes).setFloat64(at, length);
    if (rawDigest !== undefined) this.#bytes.set(rawDigest, at + 8);
  }
}

export function printOf(slices: SliceTable): Uint8Array {
  const print = new ContentPrint();
  for (let row = 0; row < slices.rows; row++) {
    print.add(slices.length(row), slices.isZero(row) ? undefined : slices.rawDigest(row));
  }
  return print.bytes();
}
