// Chunks that have come in part: each goes on at its byte at the next source, so that no byte is fetched twice.
import type { ChunkForm } from '../swarm/line-messages.ts';
import type { Row, SourceId } from '../swarm/line-ports.ts';

/** Part of a chunk, from its front. Unproved. */
export interface Partial {
  /** As long as the whole; undefined while nothing has come. */
  bytes: Uint8Array | undefined;
  received: number;
  form: ChunkForm;
  /** All that have brought some of it: a wrong chunk is one source's fault only if it brought all. */
  readonly from: Set<SourceId>;
  /** Where the present source began. */
  begunAt: number;
}

export function emptyPartial(): Partial {
  return { bytes: undefined, received: 0, form: 'stored', from: new Set(), begunAt: 0 };
}

/** For when its buffer may still be written by whoever was filling it. */
export function copyOf(partial: Partial): Partial {
  const { bytes, received, form } = partial;
  if (bytes === undefined || received === 0) return emptyPartial();
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes.subarray(0, received));
  return { bytes: copy, received, form, from: new Set(partial.from), begunAt: 0 };
}

/** Waiting for their next source: so many bytes of them are kept, the oldest go first. */
const MOST_WAITING_BYTES = 32 * 1024 * 1024;

export class Partials {
  readonly #waiting = new Map<Row, Partial>();
  #bytes = 0;

  /** What has come of the chunk; it belongs to the caller from now on. */
  take(row: Row): Partial | undefined {
    const partial = this.#waiting.get(row);
    if (partial === undefined) return undefined;
    this.#waiting.delete(row);
    this.#bytes -= partial.bytes?.length ?? 0;
    return partial;
  }

  /** For the next source. Another zstd frame cannot be gone on with by somebody else. Returns bytes given up. */
  put(row: Row, partial: Partial): number {
    const { bytes, received, form } = partial;
    if (bytes === undefined || received === 0) return 0;
    if (form === 'repacked') return received;
    const other = this.take(row);
    const [kept, lost] =
      other !== undefined && other.received > received ? [other, partial] : [partial, other];
    this.#waiting.set(row, kept);
    this.#bytes += kept.bytes?.length ?? 0;
    return (lost?.received ?? 0) + this.#trim();
  }

  #trim(): number {
    let lost = 0;
    for (const [row, partial] of this.#waiting) {
      if (this.#bytes <= MOST_WAITING_BYTES) break;
      this.take(row);
      lost += partial.received;
    }
    return lost;
  }
}
