// The one way out over the WAN: holds transfers while paused, lets the more urgent images go first, keeps to the limit, books every byte.
import type { Clock } from '../base/time.ts';
import type { ChunkSource, FetchOptions, FileSource, Meter, PartialChunk, Wanted } from '../chunk/ports.ts';
import { Bucket, type Limit, shareOf } from '../swarm/budget.ts';
import { type Control, type Job, NOTHING_TOLD, running } from '../swarm/control.ts';
import type { Purpose } from '../swarm/node-ports.ts';
import type { WanLedger } from './ledger.ts';

/** What a transfer is for: booked in the ledger, and what pause and priority go by. */
export interface WanUse {
  readonly purpose: Purpose;
  /** `name version`; empty when nobody knows. */
  readonly title: string;
  /** Nobody waits for it now. */
  readonly background?: boolean;
}

export interface WanGateOptions {
  readonly ledger: WanLedger;
  readonly clock: Clock;
  /** In force until somebody is told otherwise; of the whole site. */
  readonly limit: Limit;
}

export interface WanGate {
  /**
   * The source behind the gate. While its image is paused a fetch waits, and one under way is broken off at once;
   * what had come is kept in `partial`, and it goes on at that byte when resumed.
   */
  source(source: ChunkSource, useOf: (wanted: Wanted) => WanUse): ChunkSource;
  /** The catalogue's files: never held up, but counted and limited. */
  files(source: FileSource): FileSource;
  /** What was told just now; `limit` undefined: as configured. */
  apply(control: Control): void;
  /** So many peers of the site cross the WAN at once, we among them: each has its share of the limit. */
  share(crossers: number): void;
  /** Titles of what is being fetched or waits to be. */
  waiting(): readonly string[];
  limit(): Limit;
}

/** A raised limit and a resumed pause are in force within this time. */
const LONGEST_WAIT_MS = 500;

interface Transfer extends Job {
  /** Ends it when it must stand back; undefined while it waits. */
  abort: AbortController | undefined;
  /** Tells the waiting one that it is its turn. */
  begin: (() => void) | undefined;
}

export function createWanGate(options: WanGateOptions): WanGate {
  const { clock, ledger } = options;
  const bucket = new Bucket(options.limit, clock.nowMs());
  const transfers: Transfer[] = [];
  let control: Control = NOTHING_TOLD;
  let crossers = 1;
  let limitChanges = 0;

  const siteLimit = () => (control.wanLimit === undefined ? options.limit : control.wanLimit);

  /** Starts and stops transfers so that exactly those that may run do. */
  function settle(): void {
    const chosen = running(transfers, control);
    for (const one of transfers) {
      if (chosen.has(one)) one.begin?.();
      else one.abort?.abort(new Error('stands back for another, or is paused'));
    }
  }

  function change(): void {
    limitChanges++;
    bucket.change(shareOf(siteLimit(), crossers), clock.nowMs());
  }

  /**
   * One a transfer. Each goes on when the debt that there was after its own last read is paid: so all take turns, and
   * none reads its chunk to the end while the others stand.
   */
  function meterFor({ purpose, title }: WanUse): Meter {
    let goOnMs = 0;
    let underLimit = limitChanges;
    return {
      count(bytes, source) {
        ledger.count({ purpose, title, source }, bytes);
        const now = clock.nowMs();
        bucket.spend(bytes, now);
        goOnMs = now + bucket.waitMs(now);
        underLimit = limitChanges;
      },
      waitMs() {
        const now = clock.nowMs();
        const leftMs = underLimit === limitChanges ? goOnMs - now : bucket.waitMs(now);
        return Math.max(0, Math.min(LONGEST_WAIT_MS, leftMs));
      },
    };
  }

  function turn(transfer: Transfer, signal: AbortSignal | undefined): Promise<AbortSignal> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        transfer.begin = undefined;
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', leave, { once: true });
      transfer.begin = () => {
        transfer.begin = undefined;
        transfer.abort = new AbortController();
        signal?.removeEventListener('abort', leave);
        resolve(transfer.abort.signal);
      };
      settle();
    });
  }

  async function fetchThrough(
    source: ChunkSource,
    use: WanUse,
    wanted: Wanted,
    fetchOptions: FetchOptions,
  ): Promise<Uint8Array> {
    const { signal } = fetchOptions;
    const partial: PartialChunk = fetchOptions.partial ?? { bytes: undefined, received: 0 };
    const { title, background = false } = use;
    const transfer: Transfer = { title, background, abort: undefined, begin: undefined };
    const meter = meterFor(use);
    signal?.throwIfAborted();
    transfers.push(transfer);
    try {
      for (;;) {
        const hold = await turn(transfer, signal);
        const either = signal === undefined ? hold : AbortSignal.any([hold, signal]);
        try {
          return await source.fetch(wanted, { ...fetchOptions, partial, meter, signal: either });
        } catch (error) {
          if (!hold.aborted || signal?.aborted === true) throw error;
          transfer.abort = undefined;
        }
      }
    } finally {
      transfers.splice(transfers.indexOf(transfer), 1);
      settle();
    }
  }

  return {
    source: (source, useOf) => ({
      name: source.name,
      fetch: (wanted, fetchOptions = {}) => fetchThrough(source, useOf(wanted), wanted, fetchOptions),
    }),
    files(source) {
      const use: WanUse = { purpose: 'catalogue', title: '' };
      return {
        name: source.name,
        fetchFile: (path, fileOptions) => source.fetchFile(path, { ...fileOptions, meter: meterFor(use) }),
      };
    },
    apply(next) {
      control = next;
      change();
      settle();
    },
    share(count) {
      if (count === crossers) return;
      crossers = count;
      change();
    },
    waiting: () => [...new Set(transfers.map((one) => one.title))],
    limit: () => bucket.limit,
  };
}
