// Which chunks are wanted, by whom, and from where each is being fetched: lower rows come first.
import type { MonotonicMs } from '../base/time.ts';
import type { Row, SourceId } from './line-ports.ts';
import type { PeerId } from './site.ts';

const LOCAL = 1;
const QUEUED = 2;

/**
 * A wanted row is queued (in the heap, waiting for a source), delayed (its last source failed), or being fetched.
 * Rows that nobody wants any more leave the heap when they come up.
 */
export class Wants {
  readonly #flags: Uint8Array;
  readonly #heap: Row[] = [];
  readonly #followers = new Map<Row, PeerId[]>();
  readonly #fetching = new Map<Row, SourceId>();
  readonly #perSource = new Map<SourceId, Set<Row>>();
  readonly #delayed = new Map<Row, MonotonicMs>();
  #local = 0;

  constructor(rows: number) {
    this.#flags = new Uint8Array(rows);
  }

  get any(): boolean {
    return this.#local > 0 || this.#followers.size > 0;
  }

  /** Requests of followers that wait for a chunk on its way. */
  get holds(): number {
    let count = 0;
    for (const who of this.#followers.values()) count += who.length;
    return count;
  }

  isWanted(row: Row): boolean {
    return this.isLocal(row) || this.#followers.has(row);
  }

  isLocal(row: Row): boolean {
    return (this.#at(row) & LOCAL) !== 0;
  }

  sourceOf(row: Row): SourceId | undefined {
    return this.#fetching.get(row);
  }

  fetchedFrom(source: SourceId): ReadonlySet<Row> {
    return this.#perSource.get(source) ?? NO_ROWS;
  }

  wantLocally(row: Row): void {
    if (this.isLocal(row)) return;
    this.#local++;
    this.#set(row, this.#at(row) | LOCAL);
    this.#enqueue(row);
  }

  wantFor(follower: PeerId, row: Row): void {
    const who = this.#followers.get(row);
    if (who === undefined) this.#followers.set(row, [follower]);
    else if (!who.includes(follower)) who.push(follower);
    this.#enqueue(row);
  }

  unwantLocally(row: Row): void {
    if (!this.isLocal(row)) return;
    this.#local--;
    this.#set(row, this.#at(row) & ~LOCAL);
    if (!this.isWanted(row)) this.#delayed.delete(row);
  }

  unwantFor(follower: PeerId, row: Row): void {
    const who = this.#followers.get(row);
    const index = who?.indexOf(follower) ?? -1;
    if (who === undefined || index < 0) return;
    who.splice(index, 1);
    if (who.length === 0) this.#followers.delete(row);
    if (!this.isWanted(row)) this.#delayed.delete(row);
  }

  /** Every wanted row, queued or not. */
  *all(): Iterable<Row> {
    for (const row of this.#followers.keys()) yield row;
    for (let row = 0, left = this.#local; left > 0 && row < this.#flags.length; row++) {
      if (!this.isLocal(row)) continue;
      left--;
      if (!this.#followers.has(row)) yield row;
    }
  }

  /** The lowest queued row. */
  peek(): Row | undefined {
    for (;;) {
      const row = this.#heap[0];
      if (row === undefined || this.isWanted(row)) return row;
      this.take();
    }
  }

  /** Takes the lowest queued row out; call `fetch` or `requeue` with it. */
  take(): Row | undefined {
    const heap = this.#heap;
    const top = heap[0];
    if (top === undefined) return undefined;
    this.#set(top, this.#at(top) & ~QUEUED);
    const last = heap.pop() as Row;
    if (heap.length > 0) sink(heap, last);
    return top;
  }

  fetch(row: Row, from: SourceId): void {
    this.#fetching.set(row, from);
    const rows = this.#perSource.get(from);
    if (rows === undefined) this.#perSource.set(from, new Set([row]));
    else rows.add(row);
  }

  /** Another source brings it now. */
  refetch(row: Row, from: SourceId): void {
    this.#unfetch(row);
    this.fetch(row, from);
  }

  /** It is no longer being fetched; queued again if anybody wants it, after `notBefore` if given. */
  requeue(row: Row, notBefore?: MonotonicMs): void {
    this.#unfetch(row);
    if (!this.isWanted(row)) return;
    if (notBefore === undefined) this.#enqueue(row);
    else this.#delayed.set(row, notBefore);
  }

  /** It has come, or is given up: nobody wants it any more. Returns the followers that waited for it. */
  settle(row: Row): readonly PeerId[] {
    this.#unfetch(row);
    const who = this.#followers.get(row) ?? NOBODY;
    this.#followers.delete(row);
    this.unwantLocally(row);
    this.#delayed.delete(row);
    return who;
  }

  /** When the next delayed row may be asked for again. */
  nextDelayed(): MonotonicMs | undefined {
    if (this.#delayed.size === 0) return undefined;
    return Math.min(...this.#delayed.values());
  }

  wakeDelayed(now: MonotonicMs): void {
    if (this.#delayed.size === 0) return;
    for (const [row, at] of this.#delayed) if (at <= now) this.#undelay(row);
  }

  /** A new source has come: what failed at the old one may be asked for at once. */
  wakeAll(): void {
    for (const row of [...this.#delayed.keys()]) this.#undelay(row);
  }

  #undelay(row: Row): void {
    this.#delayed.delete(row);
    this.#enqueue(row);
  }

  #unfetch(row: Row): void {
    const from = this.#fetching.get(row);
    if (from === undefined) return;
    this.#fetching.delete(row);
    this.#perSource.get(from)?.delete(row);
  }

  #enqueue(row: Row): void {
    const flags = this.#at(row);
    if ((flags & QUEUED) !== 0 || this.#fetching.has(row) || this.#delayed.has(row)) return;
    this.#set(row, flags | QUEUED);
    rise(this.#heap, row);
  }

  #at(row: Row): number {
    return this.#flags[row] ?? 0;
  }

  #set(row: Row, flags: number): void {
    this.#flags[row] = flags;
  }
}

const NOBODY: readonly PeerId[] = [];
const NO_ROWS: ReadonlySet<Row> = new Set();

function rise(heap: Row[], row: Row): void {
  let at = heap.push(row) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent] as Row;
    if (above <= row) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = row;
}

function sink(heap: Row[], row: Row): void {
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && (heap[child + 1] as Row) < (heap[child] as Row)) child++;
    const below = heap[child] as Row;
    if (below >= row) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = row;
}
