// Proved chunks in memory: served from here until they are kept, and never more than a bound of them.
import type { Row } from '../swarm/line-ports.ts';

export interface LineMemoryOptions {
  /** Beyond it chunks wait for room, and their senders with them. */
  readonly boundBytes: number;
  keep(row: Row, bytes: Uint8Array): Promise<void>;
  /** It is kept: from now on it is not here. */
  onKept(row: Row): void;
  /** It could not be kept: it stays here until `drop`. */
  onUnkept(row: Row, error: unknown): void;
  /** There is room, or there is none. */
  onRoom(room: boolean): void;
}

interface Waiting {
  readonly row: Row;
  readonly bytes: Uint8Array;
  readonly handOver: () => void;
}

export class LineMemory {
  readonly #options: LineMemoryOptions;
  readonly #rows = new Map<Row, Uint8Array>();
  readonly #waiting: Waiting[] = [];
  readonly #keeping = new Set<Promise<void>>();
  #bytes = 0;

  constructor(options: LineMemoryOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(row: Row): Uint8Array | undefined {
    return this.#rows.get(row);
  }

  /** Takes the chunk in, now or when there is room; `handOver` is called when it can be had from here. */
  put(row: Row, bytes: Uint8Array, handOver: () => void): void {
    const room = this.#bytes < this.#options.boundBytes;
    if (room) {
      this.#take({ row, bytes, handOver });
      return;
    }
    this.#waiting.push({ row, bytes, handOver });
    if (this.#waiting.length === 1) this.#options.onRoom(false);
  }

  /** Forgets the chunk, and takes in one that waits. */
  drop(row: Row): void {
    this.#bytes -= this.#rows.get(row)?.length ?? 0;
    this.#rows.delete(row);
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#take(next);
    if (this.#waiting.length === 0) this.#options.onRoom(true);
  }

  /** Resolves when all that is here has been kept. */
  async settled(): Promise<void> {
    while (this.#keeping.size > 0) await Promise.all(this.#keeping);
  }

  #take({ row, bytes, handOver }: Waiting): void {
    this.#rows.set(row, bytes);
    this.#bytes += bytes.length;
    const kept = this.#options.keep(row, bytes).then(
      () => {
        this.drop(row);
        this.#options.onKept(row);
      },
      (error: unknown) => this.#options.onUnkept(row, error),
    );
    this.#keeping.add(kept);
    void kept.finally(() => this.#keeping.delete(kept));
    handOver();
  }
}
