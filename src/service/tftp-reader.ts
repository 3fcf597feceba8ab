// Hands out a file's blocks from a segment in memory and reads the next segment while this one is being sent.
import type { NamedFile } from '../base/named-files.ts';

/** Some 175 blocks of 1468 bytes for one read; two of these are held by each running transfer. */
const SEGMENT_BYTES = 256 * 1024;

interface Segment {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export class BlockReader {
  readonly #file: NamedFile;
  readonly #blksize: number;
  /** A whole number of blocks, so that no block lies across two segments. */
  readonly #segmentBytes: number;
  #current: Segment | undefined;
  #next: Segment | undefined;
  #readingAhead = false;

  constructor(file: NamedFile, blksize: number) {
    this.#file = file;
    this.#blksize = blksize;
    this.#segmentBytes = Math.max(1, Math.floor(SEGMENT_BYTES / blksize)) * blksize;
  }

  /** The data of block `number` (from 1; the last one may be empty), or undefined when it must be loaded first. */
  block(number: number): Uint8Array | undefined {
    const offset = (number - 1) * this.#blksize;
    let segment = this.#current;
    if (segment === undefined || !this.#holds(segment, offset)) {
      segment = this.#next;
      if (segment === undefined || !this.#holds(segment, offset)) return undefined;
      this.#current = segment;
      this.#next = undefined;
    }
    const start = offset - segment.offset;
    return segment.bytes.subarray(start, start + this.#blksize);
  }

  /** Reads what block `number` needs. */
  async load(number: number): Promise<void> {
    this.#current = await this.#read((number - 1) * this.#blksize);
  }

  /** Starts to read the segment after the current one; undefined when it is here, on its way or beyond the file. */
  readAhead(): Promise<void> | undefined {
    if (this.#current === undefined || this.#next !== undefined || this.#readingAhead) return undefined;
    const offset = this.#current.offset + this.#segmentBytes;
    return offset > this.#file.sizeBytes ? undefined : this.#loadNext(offset);
  }

  async #loadNext(offset: number): Promise<void> {
    this.#readingAhead = true;
    try {
      this.#next = await this.#read(offset);
    } finally {
      this.#readingAhead = false;
    }
  }

  async #read(offset: number): Promise<Segment> {
    const start = Math.floor(offset / this.#segmentBytes) * this.#segmentBytes;
    const length = Math.min(this.#segmentBytes, this.#file.sizeBytes - start);
    return { offset: start, bytes: length === 0 ? EMPTY : await this.#file.read(start, length) };
  }

  #holds(segment: Segment, offset: number): boolean {
    return offset >= segment.offset && offset < segment.offset + this.#segmentBytes;
  }
}

const EMPTY = new Uint8Array(0);
