// Which slices are known: a hash table of 32-byte digests in flat memory, since millions of strings would not fit.
import { assert } from '../base/errors.ts';

const DIGEST_BYTES = 32;
const FREE = 0;

/** Each digest gets a number, 0, 1, 2 … in the order of `add`; about 40 bytes of memory a digest. */
export class SliceIndex {
  /** Number of digests. */
  size = 0;
  #digests = new Uint8Array(1024 * DIGEST_BYTES);
  /** Open addressing, never more than half full; holds number + 1. */
  #slots = new Uint32Array(2048);

  /** The digest's number, or -1 when it is not known. */
  find(rawDigest: Uint8Array): number {
    return (this.#slots[this.#slotOf(rawDigest)] as number) - 1;
  }

  /** Gives a digest that is not known yet the next number. */
  add(rawDigest: Uint8Array): number {
    assert(rawDigest.length === DIGEST_BYTES, 'a digest has 32 bytes');
    if (this.size * DIGEST_BYTES === this.#digests.length) this.#grow();
    const slot = this.#slotOf(rawDigest);
    assert(this.#slots[slot] === FREE, 'the digest is known already');
    this.#digests.set(rawDigest, this.size * DIGEST_BYTES);
    this.size++;
    this.#slots[slot] = this.size;
    return this.size - 1;
  }

  /** A window on the digest with this number, valid until the next `add`. */
  rawDigest(number: number): Uint8Array {
    return this.#digests.subarray(number * DIGEST_BYTES, (number + 1) * DIGEST_BYTES);
  }

  /** The slot that holds the digest, or the free one where it belongs. A digest's own bits are hash enough. */
  #slotOf(rawDigest: Uint8Array): number {
    const mask = this.#slots.length - 1;
    let slot = hashOf(rawDigest, 0) & mask;
    while (this.#slots[slot] !== FREE && !this.#holds((this.#slots[slot] as number) - 1, rawDigest)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #holds(number: number, rawDigest: Uint8Array): boolean {
    const at = number * DIGEST_BYTES;
    for (let i = 0; i < DIGEST_BYTES; i++) if (this.#digests[at + i] !== rawDigest[i]) return false;
    return true;
  }

  #grow(): void {
    const digests = new Uint8Array(this.#digests.length * 2);
    digests.set(this.#digests);
    this.#digests = digests;
    this.#slots = new Uint32Array(this.#slots.length * 2);
    const mask = this.#slots.length - 1;
    for (let number = 0; number < this.size; number++) {
      let slot = hashOf(digests, number * DIGEST_BYTES) & mask;
      while (this.#slots[slot] !== FREE) slot = (slot + 1) & mask;
      this.#slots[slot] = number + 1;
    }
  }
}

function hashOf(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}
