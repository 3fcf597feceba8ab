// The limit of what this peer sends on the LAN: one bucket for the lines' sockets and for content by HTTP.
import type { Clock, Timers } from '../base/time.ts';
import type { OpenChunk } from '../chunk/ports.ts';
import { Bucket, type Limit } from '../swarm/budget.ts';
import type { Control } from '../swarm/control.ts';

export interface LanPace {
  /** How many of these bytes may leave now; 0: ask again after `waitMs`. */
  take(upToBytes: number): number;
  waitMs(): number;
  apply(control: Control): void;
  limit(): Limit;
  /** Reads of the chunk wait for their turn, for whoever sends it. */
  read(chunk: OpenChunk, offset: number, length: number): Uint8Array | Promise<Uint8Array>;
}

/** A raised limit is in force within this time. */
const LONGEST_WAIT_MS = 500;
const STEP_BYTES = 16 * 1024;
/** So that those who send at once take turns often. */
const MOST_READ_BYTES = 64 * 1024;

export function createLanPace(options: {
  /** As configured. */
  readonly limit: Limit;
  readonly clock: Clock;
  readonly timers: Timers;
}): LanPace {
  const { clock, timers } = options;
  const bucket = new Bucket(options.limit, clock.nowMs());
  const take = (upToBytes: number) => bucket.take(upToBytes, clock.nowMs());
  const waitMs = () => Math.min(LONGEST_WAIT_MS, bucket.waitMs(clock.nowMs(), STEP_BYTES));

  /** In the order of asking: else whoever was served last would ask again before the others wake, and be first again. */
  let last: Promise<unknown> = Promise.resolve();
  function turn(bytes: number): Promise<number> {
    const mine = last.then(() => granted(bytes));
    last = mine;
    return mine;
  }

  async function granted(bytes: number): Promise<number> {
    for (;;) {
      const now = take(bytes);
      if (now > 0) return now;
      await new Promise<void>((resolve) => timers.after(Math.max(1, waitMs()), resolve));
    }
  }

  return {
    take,
    waitMs,
    apply(control) {
      bucket.change(control.lanLimit === undefined ? options.limit : control.lanLimit, clock.nowMs());
    },
    limit: () => bucket.limit,
    read(chunk, offset, length) {
      if (bucket.limit === null) return chunk.read(offset, length);
      return turn(Math.min(length, MOST_READ_BYTES)).then((count) => chunk.read(offset, count));
    },
  };
}
