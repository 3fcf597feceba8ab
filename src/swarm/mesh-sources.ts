// The many sources of a mesh: which are connected, what each holds, how fast it is, how rare each chunk is among them.
import type { MonotonicMs } from '../base/time.ts';
import { hasBit } from './held-bits.ts';
import type { LineCore } from './line-core.ts';
import type { Standing } from './line-messages.ts';
import type { LinePeer, Row } from './line-ports.ts';
import type { Wants } from './line-wants.ts';
import type { PeerId, PeerRef } from './site.ts';

/** Wanted rows that are compared for rarity. */
const COMPARED = 64;
/** Sources at a time: enough that one slow one hardly counts. */
const MOST_SOURCES = 6;
/** Whoever crosses the WAN must know what is in the site already. */
const MOST_OF_DESIGNATED = 24;
/** Chunks asked of one source at a time: many sources share the window. */
const PER_SOURCE = 3;
/** Of one that has the whole image: what only it has shall not wait behind what others have, too. */
const PER_ORIGIN = 1;
/** Held up is a source that takes so many times as long for a chunk as another would. */
const HELD_UP_TIMES = 3;
const HELD_UP_MS = 300;

export class MeshSource {
  readonly ref: PeerRef;
  readonly holds: Uint8Array;
  joined = false;
  /** It holds all, so no row needs to be told. */
  complete = false;
  /** It has said what it holds. */
  told = false;
  heardAt: MonotonicMs;
  /** Bytes came, or we began to wait for some. */
  movedOnAt: MonotonicMs;
  /** When the chunk that it sends now was begun. */
  begunAt: MonotonicMs;
  /** Bytes per millisecond, of the last chunk; 0: none yet. */
  rate = 0;

  constructor(ref: PeerRef, rows: number, now: MonotonicMs) {
    this.ref = ref;
    this.holds = new Uint8Array(rows);
    this.heardAt = now;
    this.movedOnAt = now;
    this.begunAt = now;
  }

  has(row: Row): boolean {
    return this.complete || this.holds[row] === 1;
  }

  stands({ held }: Standing, rows: number): void {
    // A node that does not tell what it holds would have done so at once.
    if (this.joined) this.told = true;
    this.joined = true;
    this.complete = held >= rows;
  }

  moved(now: MonotonicMs): void {
    this.heardAt = now;
    this.movedOnAt = now;
  }

  /** Asked for a chunk while it had nothing else to send. */
  askedAnew(now: MonotonicMs): void {
    this.movedOnAt = now;
    this.begunAt = now;
  }

  arrived(bytes: number, now: MonotonicMs): void {
    this.moved(now);
    this.rate = bytes / Math.max(1, now - this.begunAt);
    this.begunAt = now;
  }

  /** It lives, has what we asked for, and sends nothing; what it fetches for us over the WAN may take its time. */
  isStalled([first]: Iterable<Row>, afterMs: number, now: MonotonicMs): boolean {
    return first !== undefined && this.has(first) && now >= this.movedOnAt + afterMs;
  }

  /** Would `other` have brought so many bytes long ago? */
  isHeldUp(bytes: number, other: MeshSource, now: MonotonicMs): boolean {
    return other.rate > 0 && now - this.begunAt > HELD_UP_MS + (HELD_UP_TIMES * bytes) / other.rate;
  }

  /** We were held up ourselves for so long. */
  excuse(ms: number, now: MonotonicMs): void {
    this.heardAt = Math.min(this.heardAt + ms, now);
    this.movedOnAt = Math.min(this.movedOnAt + ms, now);
    this.begunAt = Math.min(this.begunAt + ms, now);
  }
}

/** Requests that one for `row` would wait behind: what it fetches for us over the WAN and what it holds do not hinder each other. */
function loadOf(source: MeshSource, row: Row, asked: ReadonlySet<Row>): number {
  const held = source.has(row);
  let load = 0;
  for (const other of asked) if (source.has(other) === held) load++;
  return load;
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

  get joined(): boolean {
    for (const source of this.#all.values()) if (source.joined) return true;
    return false;
  }

  copies(row: Row): number {
    return this.#copies[row] as number;
  }

  /** May one of them hold chunks of which we have not been told yet? */
  get untold(): boolean {
    for (const { told, complete, ref } of this.#all.values())
      if (!told && !complete && (this.#core.peers.get(ref.id)?.held ?? 0) > 0) return true;
    return false;
  }

  /** What was asked of one that does not hold it, and is not designated to fetch it any more. */
  hopeless(wants: Wants): readonly (readonly [row: Row, from: PeerId])[] {
    return [...this.#all.values()].flatMap((source) => {
      const { id } = source.ref;
      if (id === this.#core.designated) return [];
      return [...wants.fetchedFrom(id)].filter((row) => !source.has(row)).map((row) => [row, id] as const);
    });
  }

  /** The source with the fewest requests that has the row; one of the whole image is spared for what nobody else has. */
  cheapest(row: Row, wants: Pick<Wants, 'fetchedFrom'>): PeerId | undefined {
    let best: PeerId | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const source of this.#all.values()) {
      if (!source.joined || !this.#mayBring(source, row)) continue;
      const load = loadOf(source, row, wants.fetchedFrom(source.ref.id));
      const origin = source.complete || source.ref.id === this.#core.designated;
      const cost = origin && this.copies(row) > 0 ? load + PER_SOURCE : load;
      if (load >= (origin ? PER_ORIGIN : PER_SOURCE) || cost >= least) continue;
      best = source.ref.id;
      least = cost;
    }
    return best;
  }

  /** Dials more while there are fewer than enough; those that hold something, and always the designated peer. */
  dial(): void {
    const core = this.#core;
    const { designated, isDesignated } = core;
    if (designated !== undefined && !this.#all.has(designated) && core.usable(designated)) {
      const ref = core.peers.get(designated);
      if (ref !== undefined) this.#dial(ref);
    }
    const room = (isDesignated ? MOST_OF_DESIGNATED : MOST_SOURCES) - this.#all.size;
    if (room <= 0) return;
    const candidates = [...core.peers.values()].filter(
      ({ id, held }) => held > 0 && !this.#all.has(id) && core.usable(id),
    );
    for (let count = 0; count < room && candidates.length > 0; count++) {
      const [ref] = candidates.splice(Math.floor(core.random.next() * candidates.length), 1);
      this.#dial(ref as LinePeer);
    }
  }

  /** Takes wanted rows: the rarest first, and equally rare ones by lot, or the source would send the same to each of us. */
  rarestFirst(wants: Wants): readonly Row[] {
    const rows: Row[] = [];
    for (let row = wants.peek(); row !== undefined && rows.length < COMPARED; row = wants.peek()) {
      rows.push(row);
      wants.take();
    }
    const lot = new Map(rows.map((row) => [row, this.copies(row) + this.#core.random.next()]));
    return rows.sort((a, b) => (lot.get(a) as number) - (lot.get(b) as number));
  }

  /** Somebody else with the whole image, or on the way to it: for those whom we leave. */
  another(): PeerRef | undefined {
    for (const { ref, complete } of this.#all.values())
      if (complete || ref.id === this.#core.designated) return ref;
    return undefined;
  }

  holdsAll(source: MeshSource, bits: Uint8Array): void {
    source.told = true;
    for (let row = 0; row < this.#copies.length; row++) if (hasBit(bits, row)) this.holds(source, row);
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

  /** The designated peer fetches what nobody holds. */
  #mayBring(source: MeshSource, row: Row): boolean {
    if (source.has(row)) return true;
    return source.ref.id === this.#core.designated && this.copies(row) === 0 && !this.untold;
  }

  #dial(ref: PeerRef): void {
    const { now, setup } = this.#core;
    this.#all.set(ref.id, new MeshSource(ref, setup.rows, now));
    this.#core.act({ kind: 'dial', to: ref });
  }
}
