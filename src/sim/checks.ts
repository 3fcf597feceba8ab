// The checkers: safety, thrift and liveness of a whole run, seen from outside of all nodes.
import type { MonotonicMs } from '../base/time.ts';
import type { LineNote, Row, SourceId } from '../swarm/line-ports.ts';
import type { PeerId } from '../swarm/site.ts';
import type { SimImage } from './image.ts';
import type { Observer } from './observer.ts';

export type Rule =
  /** A chunk with wrong bytes was kept. */
  | 'kept-wrong'
  /** A node passed on what it had not verified, or does not have. */
  | 'served-unverified'
  /** Bytes came again that the node had received and not lost. */
  | 'resent'
  /** More crossed the WAN than the run's faults explain. */
  | 'wan'
  /** More crossed the WAN, over some stretch of time, than its limit allows. */
  | 'budget'
  /** After one machine died or stood still, somebody who had been served got nothing for too long. */
  | 'repair'
  /** Nothing moved for too long while somebody waited and a source was there. */
  | 'standstill'
  /** Somebody never finished. */
  | 'unfinished'
  /** Machines kept one another busy without end. */
  | 'endless';

export interface Violation {
  readonly rule: Rule;
  readonly atMs: MonotonicMs;
  readonly what: string;
}

/** Kept at most; more of them say nothing new. */
const MOST_VIOLATIONS = 50;

/** Could this node have had the chunk from another one, or have waited for the one that fetches it already? */
export type SiteHas = (node: PeerId, row: Row, crosser: PeerId | undefined) => boolean;

export class Checks implements Observer {
  readonly violations: Violation[] = [];
  /** Bytes that crossed the WAN, by node. */
  readonly wanBytes = new Map<PeerId, number>();
  wanTotal = 0;
  lanTotal = 0;
  resentBytes = 0;
  strayBytes = 0;
  discardedBytes = 0;
  /** Chunks that crossed the WAN although the site had them, or was already about to have them. */
  needlessCrossings = 0;
  notes = 0;
  gaveUps = 0;
  progressMs: MonotonicMs = 0;
  /** The longest that nothing moved. */
  longestGapMs = 0;
  readonly #image: SimImage;
  readonly #now: () => MonotonicMs;
  readonly #name: (id: PeerId) => string;
  readonly #siteHas: SiteHas;
  /** Who fetched a chunk over the WAN last. */
  readonly #crosser: (PeerId | undefined)[] = [];
  /** How much of each chunk a node has, from its front. */
  readonly #had = new Map<PeerId, Float64Array>();

  constructor(image: SimImage, now: () => MonotonicMs, name: (id: PeerId) => string, siteHas: SiteHas) {
    this.#image = image;
    this.#now = now;
    this.#name = name;
    this.#siteHas = siteHas;
  }

  violate(rule: Rule, what: string): void {
    if (this.violations.length < MOST_VIOLATIONS) this.violations.push({ rule, atMs: this.#now(), what });
  }

  /** It starts again: what it had in memory is gone, `holds` what it still has. */
  restarted(node: PeerId, holds: (row: Row) => boolean): void {
    const had = this.#had.get(node);
    if (had === undefined) return;
    for (let row = 0; row < had.length; row++) if (!holds(row)) had[row] = 0;
  }

  lost(node: PeerId, row: Row): void {
    const had = this.#had.get(node);
    if (had !== undefined) had[row] = 0;
  }

  befell(): void {}

  received(node: PeerId, from: SourceId, row: Row, begin: number, end: number): void {
    this.moved();
    if (from !== 'wan') this.lanTotal += end - begin;
    else if (begin === 0) {
      if (this.#siteHas(node, row, this.#crosser[row])) this.needlessCrossings += 1;
      this.#crosser[row] = node;
    }
    const had = this.#hadOf(node);
    const before = had[row] as number;
    const again = Math.min(end, before) - begin;
    if (again > 0) {
      this.resentBytes += again;
      this.violate(
        'resent',
        `${this.#name(node)} got ${again} bytes of chunk ${row} again from ${this.#source(from)}`,
      );
    }
    if (end > before) had[row] = end;
  }

  strayed(_node: PeerId, _from: SourceId, bytes: number): void {
    this.strayBytes += bytes;
  }

  discarded(node: PeerId, _from: SourceId, row: Row, bytes: number): void {
    this.discardedBytes += bytes;
    this.#hadOf(node)[row] = 0;
  }

  kept(node: PeerId, row: Row, bad: boolean): void {
    if (bad) this.violate('kept-wrong', `${this.#name(node)} keeps chunk ${row} with wrong bytes`);
  }

  serves(node: PeerId, to: PeerId, row: Row, held: boolean, bad: boolean): void {
    if (held && !bad) return;
    const what = held ? 'with wrong bytes' : 'that it does not hold';
    this.violate('served-unverified', `${this.#name(node)} serves ${this.#name(to)} chunk ${row} ${what}`);
  }

  crossed(node: PeerId, bytes: number): void {
    this.wanTotal += bytes;
    this.wanBytes.set(node, (this.wanBytes.get(node) ?? 0) + bytes);
  }

  noted(_node: PeerId, _what: LineNote, _reason: string, _peer: SourceId | undefined): void {
    this.notes += 1;
  }

  gaveUp(_node: PeerId, _row: Row, _what: string): void {
    this.gaveUps += 1;
  }

  /** At the end: so many needless crossings may be explained by what befell the site. */
  judgeThrift(mostNeedless: number): void {
    if (this.needlessCrossings <= mostNeedless) return;
    const share = (this.wanTotal / this.#image.bytes).toFixed(3);
    this.violate(
      'wan',
      `${this.needlessCrossings} chunks crossed though the site had them (WAN ${share} × the image)`,
    );
  }

  /** Something came, or may not be expected to come. */
  moved(): void {
    const now = this.#now();
    this.longestGapMs = Math.max(this.longestGapMs, now - this.progressMs);
    this.progressMs = now;
  }

  #hadOf(node: PeerId): Float64Array {
    let had = this.#had.get(node);
    if (had === undefined) {
      had = new Float64Array(this.#image.rows);
      this.#had.set(node, had);
    }
    return had;
  }

  #source(from: SourceId): string {
    return from === 'wan' ? 'the WAN' : this.#name(from);
  }
}
