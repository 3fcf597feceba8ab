// The event queue: a virtual clock that jumps from one event to the next, ties in the order they were made.
import type { MonotonicMs } from '../base/time.ts';

/**
 * The clock ticks so often in a millisecond. A power of two, so that sums and differences of times are exact: else a machine
 * that is woken at `since + wait` could find that `now - since < wait`, for ever, since no time passes here while it looks.
 */
const TICKS = 1024;

export interface Ticket {
  readonly atMs: MonotonicMs;
  readonly order: number;
  /** Undefined once it has run or was cancelled. */
  run: (() => void) | undefined;
}

export class EventQueue {
  nowMs: MonotonicMs = 0;
  /** Events run so far: a run that never ends shows here. */
  ran = 0;
  readonly #heap: Ticket[] = [];
  #order = 0;

  /** Never before now: what is asked for in the past happens next. */
  at(atMs: MonotonicMs, run: () => void): Ticket {
    const ticket = { atMs: Math.max(Math.ceil(atMs * TICKS) / TICKS, this.nowMs), order: this.#order++, run };
    this.#up(ticket);
    return ticket;
  }

  after(delayMs: number, run: () => void): Ticket {
    return this.at(this.nowMs + delayMs, run);
  }

  /** Runs the next event; false when there is none. */
  next(): boolean {
    for (;;) {
      const ticket = this.#take();
      if (ticket === undefined) return false;
      if (ticket.run === undefined) continue;
      const { run } = ticket;
      ticket.run = undefined;
      this.nowMs = ticket.atMs;
      this.ran += 1;
      run();
      return true;
    }
  }

  #up(ticket: Ticket): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(ticket);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above] as Ticket;
      if (!before(ticket, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = ticket;
  }

  #take(): Ticket | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Ticket, heap[child] as Ticket)) child += 1;
      const lesser = heap[child] as Ticket;
      if (!before(lesser, last)) break;
      heap[at] = lesser;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function before(a: Ticket, b: Ticket): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

export function cancel(ticket: Ticket | undefined): void {
  if (ticket !== undefined) ticket.run = undefined;
}
