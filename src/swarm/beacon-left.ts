// Those that have said goodbye lately: a beat that the goodbye overtook does not bring a peer back.
import type { MonotonicMs } from '../base/time.ts';
import type { PeerId } from './site.ts';

const LEFT_MS = 1000;
const MOST_LEFT = 256;

export class Left {
  readonly #left = new Map<PeerId, { readonly instance: number; readonly at: MonotonicMs }>();

  add(id: PeerId, instance: number, now: MonotonicMs): void {
    if (this.#left.size >= MOST_LEFT) this.#left.clear();
    this.#left.set(id, { instance, at: now });
  }

  has(id: PeerId, instance: number, now: MonotonicMs): boolean {
    const left = this.#left.get(id);
    return left?.instance === instance && now - left.at < LEFT_MS;
  }
}
