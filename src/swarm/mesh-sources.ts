// The many sources of a mesh: which are connected, what each holds, how rare each chunk is among them.
import type { MonotonicMs } from '../base/time.ts';
import type { LineCore } from './line-core.ts';
import type { Row } from './line-ports.ts';
import type { PeerId, PeerRef } from './site.ts';

/** Sources at a time: enough that one slow one hardly counts. */
const MOST_SOURCES = 6;

/** Chunks asked of one source at a time: many sources share the window. */
const PER_SOURCE = 3;

export interface MeshSource {
  readonly ref: PeerRef;
  joined: boolean;
  /** It holds all, so no row needs to be told. */
  complete: boolean;
  readonly holds: Uint8Array;
  heardAt: MonotonicMs;
}

export class MeshSources {
  readonly #core: LineCore;
  readonly #all = new Map<PeerId, MeshSource>();
  /** How many joined sources told that they hold the row. */
  readonly #copies: Uint16Array;

  constructor(core: LineCore) {
    this.#core = core;
    this.#copies = new Uint16Array(core.setup.rows);
  }

  get(id: PeerId): MeshSource | undefined {
    return this.#all.get(id);
  }

  all(): Iterable<MeshSource> {
    return this.#all.values();
  }

  copies(row: Row): number {
    return this.#copies[row] ?? 0;
  }

  /** May it be asked for the row? The designated peer fetches what nobody holds. */
  has(source: MeshSource, row: Row): boolean {
    if (source.complete || source.holds[row] === 1) return true;
    return source.ref.id === this.#core.designated && this.copies(row) === 0;
  }

  /** The source with the fewest requests that has the row; one of the whole image is spared for what nobody else has. */
  cheapest(row: Row, loadOf: (source: PeerId) => number): PeerId | undefined {
    let best: PeerId | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const source of this.#all.values()) {
      if (!source.joined || !this.has(source, row)) continue;
      const load = loadOf(source.ref.id);
      const origin = source.complete || source.ref.id === this.#core.designated;
      const cost = origin && this.copies(row) > 0 ? load + PER_SOURCE : load;
      if (load >= (origin ? 1 : PER_SOURCE) || cost >= least) continue;
      best = source.ref.id;
      least = cost;
    }
    return best;
  }

  /** Dials more while there are fewer than enough; those that hold something and the designated peer. */
  dial(): void {
    const core = this.#core;
    const room = MOST_SOURCES - this.#all.size;
    if (room <= 0) return;
    const candidates = [...core.peers.values()].filter(
      ({ id, held }) => (held > 0 || id === core.designated) && !this.#all.has(id) && core.usable(id),
    );
    for (let count = 0; count < room && candidates.length > 0; count++) {
      const designated = candidates.findIndex(({ id }) => id === core.designated);
      const at = designated >= 0 ? designated : Math.floor(core.random.next() * candidates.length);
      const [ref] = candidates.splice(at, 1);
      if (ref === undefined) return;
      const holds = new Uint8Array(core.setup.rows);
      this.#all.set(ref.id, { ref, joined: false, complete: false, holds, heardAt: core.now });
      core.act({ kind: 'dial', to: ref });
    }
  }

  /** One bit a chunk, the first in the highest bit of the first byte. */
  holdsAll(source: MeshSource, bits: Uint8Array): void {
    for (let row = 0; row < this.#copies.length; row++)
      if (((bits[row >> 3] ?? 0) & (0x80 >> (row & 7))) !== 0) this.holds(source, row);
  }

  holds(source: MeshSource, row: Row): void {
    if (row >= this.#copies.length || source.holds[row] === 1) return;
    source.holds[row] = 1;
    this.#copies[row] = this.copies(row) + 1;
  }

  /** It does not have it after all. */
  lacks(source: MeshSource, row: Row): void {
    source.complete = false;
    if (source.holds[row] !== 1) return;
    source.holds[row] = 0;
    this.#copies[row] = this.copies(row) - 1;
  }

  remove(source: MeshSource): void {
    this.#all.delete(source.ref.id);
    for (let row = 0; row < source.holds.length; row++) this.lacks(source, row);
  }
}
