// Whoever on this node waits for a chunk: several share one want; the last that leaves takes it back.
import { PeerbootError } from '../base/errors.ts';
import type { PartialChunk } from '../chunk/ports.ts';
import type { FetchFailure, Row } from '../swarm/line-ports.ts';

interface Caller {
  readonly partial: PartialChunk | undefined;
  resolve(bytes: Uint8Array): void;
  reject(error: unknown): void;
}

export interface LineCallersOptions {
  onWant(row: Row): void;
  onUnwant(row: Row): void;
}

export class LineCallers {
  readonly #options: LineCallersOptions;
  readonly #rows = new Map<Row, Set<Caller>>();

  constructor(options: LineCallersOptions) {
    this.#options = options;
  }

  wait(row: Row, signal?: AbortSignal, partial?: PartialChunk): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const caller: Caller = {
        partial,
        resolve(bytes) {
          signal?.removeEventListener('abort', leave);
          resolve(bytes);
        },
        reject(error) {
          signal?.removeEventListener('abort', leave);
          reject(error);
        },
      };
      const leave = () => {
        this.#leave(row, caller);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', leave, { once: true });
      const others = this.#rows.get(row);
      if (others !== undefined) others.add(caller);
      else {
        this.#rows.set(row, new Set([caller]));
        this.#options.onWant(row);
      }
    });
  }

  arrived(row: Row, bytes: Uint8Array): void {
    for (const caller of this.#takeAll(row)) caller.resolve(bytes);
  }

  /** `partial`: what has come of it, handed back to the first that can go on with it elsewhere. */
  gaveUp(row: Row, error: PeerbootError, partial?: PartialChunk): void {
    let rest = partial;
    for (const caller of this.#takeAll(row)) {
      if (caller.partial !== undefined && rest !== undefined) {
        caller.partial.bytes = rest.bytes;
        caller.partial.received = rest.received;
        rest = undefined;
      }
      caller.reject(error);
    }
  }

  rejectAll(error: PeerbootError): void {
    for (const row of [...this.#rows.keys()]) this.gaveUp(row, error);
  }

  #leave(row: Row, caller: Caller): void {
    const callers = this.#rows.get(row);
    if (callers?.delete(caller) !== true || callers.size > 0) return;
    this.#rows.delete(row);
    this.#options.onUnwant(row);
  }

  #takeAll(row: Row): Iterable<Caller> {
    const callers = this.#rows.get(row) ?? [];
    this.#rows.delete(row);
    return callers;
  }
}

const CODES = { missing: 'PB-CHUNK-MISSING', corrupt: 'PB-CHUNK-CORRUPT' } as const;

/** As a ChunkSource has to reject. */
export function lineFailure(source: string, why: FetchFailure, what: string): PeerbootError {
  const code = why === 'missing' || why === 'corrupt' ? CODES[why] : 'PB-SOURCE-FAILED';
  return new PeerbootError(code, `${source}: ${what}`, { details: { source, reason: why } });
}
