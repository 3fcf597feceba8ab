// Chunks that came but could not be kept, as with a full disk: in memory as long as somebody is likely to ask for them.
//
// Whoever goes round its feeder, or heals, asks us for what we have just passed on to another. Without it in memory a
// designated peer would fetch it over the WAN a second time.
import type { Timers } from '../base/time.ts';
import type { Row } from '../swarm/line-ports.ts';

export interface UnkeptRowsOptions {
  readonly timers: Timers;
  /** So many bytes of them stay although nobody waits for them. */
  readonly spareBytes: number;
  /** Does anybody wait for it? Then it stays in any case. */
  isAwaited(row: Row): boolean;
  drop(row: Row): void;
}

/** When nothing was done with them for so long, the line has moved on: their memory is given back. */
const QUIET_MS = 10_000;

export class UnkeptRows {
  readonly #options: UnkeptRowsOptions;
  /** Bytes of each, the oldest first. */
  readonly #rows = new Map<Row, number>();
  #bytes = 0;
  #stopped = false;
  #cancel: () => void = () => {};

  constructor(options: UnkeptRowsOptions) {
    this.#options = options;
  }

  add(row: Row, bytes: number): void {
    this.#rows.set(row, bytes);
    this.#bytes += bytes;
    this.settle();
  }

  /** Somebody has got a chunk, or waits no more: drops the oldest that are too much. */
  settle(): void {
    if (this.#rows.size === 0 || this.#stopped) return;
    this.#dropDownTo(this.#options.spareBytes);
    this.#cancel();
    this.#cancel = this.#options.timers.after(QUIET_MS, () => {
      this.#dropDownTo(0);
      this.settle();
    });
  }

  /** The line has ended: what fails to be kept from now on is of no use to anybody. */
  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #dropDownTo(most: number): void {
    for (const [row, bytes] of this.#rows) {
      if (this.#bytes <= most) return;
      if (this.#options.isAwaited(row)) continue;
      this.#rows.delete(row);
      this.#bytes -= bytes;
      this.#options.drop(row);
    }
  }
}
