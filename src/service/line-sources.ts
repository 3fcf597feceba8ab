// Where a line's chunks come from: its feeders and the WAN; each goes on at the byte reached, and is proved when whole.
import { isPeerbootError } from '../base/errors.ts';
import type { Clock, MonotonicMs, Timers } from '../base/time.ts';
import type { ChunkHash, PartialChunk } from '../chunk/ports.ts';
import type { ChunkForm, FollowerMessage } from '../swarm/line-messages.ts';
import type { FetchFailure, LineEvent, Row, SourceId } from '../swarm/line-ports.ts';
import type { LineTransport } from '../swarm/line-transport.ts';
import type { JoinOptions } from '../swarm/node-ports.ts';
import type { PeerId, PeerRef } from '../swarm/site.ts';
import type { Hello } from '../swarm/wire.ts';
import { dialFeeder, type Feeder } from './line-feeder.ts';
import { copyOf, emptyPartial, type Partial, Partials } from './line-partials.ts';
import type { LineCounts } from './line-stats.ts';

/** A chunk that is what its row says. */
export interface Proved {
  readonly row: Row;
  readonly bytes: Uint8Array;
  readonly form: ChunkForm;
  readonly from: SourceId;
  /** Of its bytes those that the last source brought. */
  readonly broughtBytes: number;
}

export interface LineSourcesOptions {
  readonly join: JoinOptions;
  readonly hello: () => Hello;
  readonly transport: LineTransport;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly hash: ChunkHash;
  readonly counts: LineCounts;
  feed(event: LineEvent): void;
  onBytes(from: SourceId, bytes: number): void;
  onProved(chunk: Proved): void;
}

export interface LineSources {
  dial(to: PeerRef): void;
  hangUp(feeder: PeerId): void;
  tell(feeder: PeerId, message: FollowerMessage): void;
  fetch(row: Row, from: SourceId): void;
  cancel(row: Row, from: SourceId): void;
  /** Goes on with what the caller has of the chunk. */
  adopt(row: Row, partial: PartialChunk): void;
  /** What has come of a chunk that is being given up. */
  takePartial(row: Row): PartialChunk | undefined;
  /** Reads nothing more from feeders until there is room again. */
  hold(): void;
  release(): void;
  stop(): void;
}

/** So often the machine hears of bytes on their way, a source. */
const BYTES_EVERY_MS = 100;
const WAN = 'wan';

interface WanFetch {
  readonly partial: Partial;
  readonly abort: AbortController;
}

export function createLineSources(options: LineSourcesOptions): LineSources {
  const { join, clock, counts, feed } = options;
  const { image, local, wan } = join;
  const feeders = new Map<PeerId, Feeder>();
  const wanFetches = new Map<Row, WanFetch>();
  const partials = new Partials();
  /** Being proved; whoever is to be asked for it if it proves wrong. */
  const proving = new Map<Row, SourceId[]>();
  const untold = new Map<SourceId, { bytes: number; saidMs: MonotonicMs }>();
  let held = false;
  let stopped = false;
  let cancelExcuse: (() => void) | undefined;

  function came(from: SourceId, bytes: number): void {
    counts.came(from, bytes);
    options.onBytes(from, bytes);
    const now = clock.nowMs();
    const pending = untold.get(from) ?? { bytes: 0, saidMs: now };
    untold.set(from, pending);
    pending.bytes += bytes;
    if (now - pending.saidMs < BYTES_EVERY_MS) return;
    const said = pending.bytes;
    pending.bytes = 0;
    pending.saidMs = now;
    feed({ kind: 'bytes', from, bytes: said });
  }

  /** While we ourselves do not read, no feeder is to be taken for dead or stalled. */
  function excuse(): void {
    for (const from of feeders.keys()) feed({ kind: 'bytes', from, bytes: 0 });
    cancelExcuse = options.timers.after(BYTES_EVERY_MS, excuse);
  }

  function waste(bytes: number): void {
    counts.counts.bytesWasted += bytes;
  }

  function dial(to: PeerRef): void {
    hangUp(to.id);
    const lost = (why: string) => {
      if (feeders.get(to.id) !== feeder) return;
      giveUp(to.id, feeder);
      feed({ kind: 'feeder-lost', feeder: to.id, why });
    };
    const feeder: Feeder = dialFeeder({
      to,
      hello: options.hello(),
      image,
      takesRepacked: local.proveRepacked !== undefined,
      transport: options.transport,
      timers: options.timers,
      onOpen: () => {
        if (held) feeder.pause();
        feed({ kind: 'feeder-open', feeder: to.id });
      },
      onMessage(message) {
        if (message.kind === 'missing') putBack(message.row, feeder.unwant(message.row));
        feed({ kind: 'feeder-says', feeder: to.id, message });
      },
      onBytes: (bytes) => came(to.id, bytes),
      onStray(bytes) {
        counts.came(to.id, bytes);
        waste(bytes);
      },
      onWaste: waste,
      onWhole: (row, partial) => whole(row, partial, to.id),
      onLost: lost,
    });
    feeders.set(to.id, feeder);
  }

  function hangUp(id: PeerId): void {
    const feeder = feeders.get(id);
    if (feeder === undefined) return;
    giveUp(id, feeder);
    feeder.close();
  }

  /** What it has brought of chunks is for the next source. */
  function giveUp(id: PeerId, feeder: Feeder): void {
    feeders.delete(id);
    untold.delete(id);
    for (const row of feeder.wanted()) putBack(row, feeder.unwant(row));
  }

  function putBack(row: Row, partial: Partial | undefined): void {
    if (partial !== undefined) waste(partials.put(row, partial));
  }

  function fetch(row: Row, from: SourceId): void {
    const others = proving.get(row);
    if (others !== undefined) {
      others.push(from);
      return;
    }
    const waiting = partials.take(row);
    if (waiting !== undefined) counts.counts.resumed++;
    start(row, from, waiting ?? underWay(row) ?? emptyPartial());
  }

  /** Two sources of one chunk (the end of a mesh): the second needs only bring what the first has not. */
  function underWay(row: Row): Partial | undefined {
    let most = wanFetches.get(row)?.partial;
    for (const feeder of feeders.values()) {
      const partial = feeder.peek(row);
      if (partial !== undefined && partial.received > (most?.received ?? 0)) most = partial;
    }
    return most?.form === 'stored' ? copyOf(most) : undefined;
  }

  function start(row: Row, from: SourceId, partial: Partial): void {
    partial.begunAt = partial.received;
    if (from === WAN) startWan(row, partial);
    // One that is gone by now has been reported as lost: the machine asks elsewhere.
    else if (feeders.has(from)) feeders.get(from)?.want(row, partial);
    else putBack(row, partial);
  }

  function startWan(row: Row, partial: Partial): void {
    const one: WanFetch = { partial, abort: new AbortController() };
    wanFetches.set(row, one);
    const wanted = { digest: image.digest(row), size: image.storedBytes(row) };
    const isOver = () => stopped || wanFetches.get(row) !== one;
    const watched = watch(partial, (bytes) => came(WAN, bytes));
    wan.fetch(wanted, { signal: one.abort.signal, partial: watched }).then(
      (bytes) => {
        if (isOver()) return;
        wanFetches.delete(row);
        // A source without partial bytes delivers all at once.
        if (partial.received < bytes.length) came(WAN, bytes.length - partial.received);
        const broughtBytes = bytes.length - partial.begunAt;
        options.onProved({ row, bytes, form: 'stored', from: WAN, broughtBytes });
      },
      (error: unknown) => {
        if (isOver()) return;
        wanFetches.delete(row);
        putBack(row, partial);
        feed({ kind: 'failed', row, from: WAN, ...wanFailure(error) });
      },
    );
  }

  function cancel(row: Row, from: SourceId): void {
    const others = proving.get(row);
    if (others?.includes(from) === true) {
      others.splice(others.indexOf(from), 1);
      return;
    }
    if (from !== WAN) {
      putBack(row, feeders.get(from)?.unwant(row));
      return;
    }
    const one = wanFetches.get(row);
    if (one === undefined) return;
    wanFetches.delete(row);
    // The source may still be writing into its buffer.
    putBack(row, copyOf(one.partial));
    one.abort.abort(new Error('no longer wanted'));
  }

  function whole(row: Row, partial: Partial, from: SourceId): void {
    const { bytes, form } = partial;
    if (bytes === undefined) return;
    proving.set(row, []);
    if (form === 'repacked') {
      const proof = local.proveRepacked?.(row, bytes) ?? Promise.resolve(false);
      proof.then(
        (right) => judge(row, partial, from, right),
        () => judge(row, partial, from, false),
      );
      return;
    }
    const hashed = options.hash(bytes);
    if (typeof hashed === 'string') {
      judge(row, partial, from, hashed === image.digest(row));
      return;
    }
    // The bytes are elsewhere now.
    partial.bytes = undefined;
    hashed.then(
      (back) => {
        partial.bytes = back.bytes;
        judge(row, partial, from, back.digest === image.digest(row));
      },
      () => again(row, partial, from),
    );
  }

  /** Its bytes are lost, and nobody is to blame. */
  function again(row: Row, partial: Partial, from: SourceId): void {
    const others = proving.get(row) ?? [];
    proving.delete(row);
    waste(partial.received);
    if (!stopped) for (const source of [from, ...others]) start(row, source, emptyPartial());
  }

  function judge(row: Row, partial: Partial, from: SourceId, right: boolean): void {
    const others = proving.get(row) ?? [];
    proving.delete(row);
    if (stopped) return;
    const { bytes, form } = partial;
    if (right && bytes !== undefined) {
      const broughtBytes = partial.received - partial.begunAt;
      options.onProved({ row, bytes, form, from, broughtBytes });
      return;
    }
    waste(partial.received);
    counts.counts.corrupt++;
    // With bytes of several sources nobody can be blamed: this one shall bring all of it.
    if (partial.from.size > 1) start(row, from, emptyPartial());
    else feed({ kind: 'failed', row, from, why: 'corrupt', what: `${image.digest(row)} from ${from}` });
    for (const other of others) start(row, other, emptyPartial());
  }

  return {
    dial,
    hangUp,
    tell: (id, message) => feeders.get(id)?.tell(message),
    fetch,
    cancel,
    adopt(row, { bytes, received }) {
      if (bytes === undefined || received === 0 || bytes.length !== image.storedBytes(row)) return;
      if (underWay(row) !== undefined) return;
      const from = new Set<SourceId>(['caller']);
      // A copy: the bytes move to whoever proves them, and the caller may need its own again.
      partials.put(row, copyOf({ bytes, received, form: 'stored', from, begunAt: 0 }));
    },
    takePartial: (row) => partials.take(row),
    hold() {
      held = true;
      for (const feeder of feeders.values()) feeder.pause();
      excuse();
    },
    release() {
      held = false;
      cancelExcuse?.();
      for (const feeder of feeders.values()) feeder.resume();
    },
    stop() {
      stopped = true;
      cancelExcuse?.();
      for (const feeder of feeders.values()) feeder.close();
      feeders.clear();
      for (const { abort } of wanFetches.values()) abort.abort(new Error('the line has ended'));
      wanFetches.clear();
    },
  };
}

/** Tells of each byte that a source adds; starting over takes nothing back. */
function watch(partial: Partial, onBytes: (bytes: number) => void): PartialChunk {
  partial.from.add(WAN);
  return {
    get bytes() {
      return partial.bytes;
    },
    set bytes(bytes) {
      partial.bytes = bytes;
    },
    get received() {
      return partial.received;
    },
    set received(received) {
      const more = received - partial.received;
      partial.received = received;
      if (more > 0) onBytes(more);
    },
  };
}

function wanFailure(error: unknown): { readonly why: FetchFailure; readonly what: string } {
  const what = error instanceof Error ? error.message : String(error);
  if (isPeerbootError(error, 'PB-CHUNK-MISSING')) return { why: 'missing', what };
  if (isPeerbootError(error, 'PB-CHUNK-CORRUPT')) return { why: 'corrupt', what };
  const reason = isPeerbootError(error) ? error.details.reason : undefined;
  return { why: reason === 'stalled' || reason === 'refused' ? reason : 'broken', what };
}
