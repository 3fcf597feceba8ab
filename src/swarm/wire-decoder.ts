// Takes the stream of a line's connection apart, in whatever pieces it comes; a chunk's bytes pass through unkept.
import { viewOf } from '../base/bytes.ts';
import { WireError } from '../base/errors.ts';
import {
  type ControlFrame,
  decodeControl,
  decodePartHead,
  FRAME_HEAD_BYTES,
  MAX_CONTROL_BYTES,
  MAX_PART_BYTES,
  PART_HEAD_BYTES,
  PART_TYPE,
  type PartHead,
} from './wire.ts';

/** Returning a WireError ends the decoding: what came is nonsense here. */
export interface WireSink {
  frame(frame: ControlFrame): WireError | undefined;
  /** The head of a part; its bytes follow. */
  part(head: PartHead): WireError | undefined;
  /** Some bytes of the part announced last, in order; only a window, to be copied at once. */
  bytes(bytes: Uint8Array): WireError | undefined;
}

export class WireDecoder {
  readonly #sink: WireSink;
  /** The beginning of a frame whose rest has not come: its head, and the body of a control or part head. */
  #kept = new Uint8Array(64);
  #keptBytes = 0;
  /** Bytes of the current part that are still to come. */
  #partLeft = 0;
  #failed: WireError | undefined;

  constructor(sink: WireSink) {
    this.#sink = sink;
  }

  /** Bytes of the part under way that are still to come; 0 between frames. */
  get partLeft(): number {
    return this.#partLeft;
  }

  /** Memory that it holds on to. */
  get keptBytes(): number {
    return this.#kept.length;
  }

  /** The next bytes of the stream; once it has failed, nothing more is taken. */
  push(piece: Uint8Array): WireError | undefined {
    let at = 0;
    while (at < piece.length && this.#failed === undefined) {
      at += this.#partLeft > 0 ? this.#pass(piece, at) : this.#gather(piece, at);
    }
    return this.#failed;
  }

  #pass(piece: Uint8Array, at: number): number {
    const count = Math.min(this.#partLeft, piece.length - at);
    this.#partLeft -= count;
    this.#failed = this.#sink.bytes(piece.subarray(at, at + count));
    return count;
  }

  /** Adds to what is kept until it is a whole head, or a whole control frame; returns how many bytes it took. */
  #gather(piece: Uint8Array, at: number): number {
    const needed = this.#needed();
    const count = Math.min(needed - this.#keptBytes, piece.length - at);
    if (this.#kept.length < needed) {
      const larger = new Uint8Array(needed);
      larger.set(this.#kept.subarray(0, this.#keptBytes));
      this.#kept = larger;
    }
    this.#kept.set(piece.subarray(at, at + count), this.#keptBytes);
    this.#keptBytes += count;
    if (this.#keptBytes === needed) this.#advance();
    return count;
  }

  #needed(): number {
    if (this.#keptBytes < FRAME_HEAD_BYTES) return FRAME_HEAD_BYTES;
    return FRAME_HEAD_BYTES + (this.#kept[0] === PART_TYPE ? PART_HEAD_BYTES : this.#length());
  }

  #length(): number {
    return viewOf(this.#kept).getUint32(1);
  }

  #advance(): void {
    const type = this.#kept[0] as number;
    const length = this.#length();
    if (this.#keptBytes === FRAME_HEAD_BYTES) {
      const bounds =
        type === PART_TYPE
          ? length > PART_HEAD_BYTES && length <= PART_HEAD_BYTES + MAX_PART_BYTES
          : length <= MAX_CONTROL_BYTES;
      if (!bounds) {
        this.#failed = new WireError(`frame of type ${type} with ${length} bytes`);
        return;
      }
      if (type === PART_TYPE || length > 0) return;
    }
    const body = this.#kept.subarray(FRAME_HEAD_BYTES, this.#keptBytes);
    this.#keptBytes = 0;
    if (type === PART_TYPE) this.#beginPart(decodePartHead(body, length));
    else this.#tell(decodeControl(type, body));
  }

  #beginPart(head: PartHead | WireError): void {
    if (head instanceof WireError) {
      this.#failed = head;
      return;
    }
    this.#partLeft = head.length;
    this.#failed = this.#sink.part(head);
  }

  #tell(frame: ControlFrame | WireError): void {
    this.#failed = frame instanceof WireError ? frame : this.#sink.frame(frame);
  }
}
