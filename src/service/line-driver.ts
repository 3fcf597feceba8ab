// The driver of one image's line on this node: performs what its machine says, feeds it what happens, moves the bytes.
import type { Digest } from '../base/digest.ts';
import { PeerbootError, unreachable } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Clock, Timers } from '../base/time.ts';
import { type ChunkHash, type FetchOptions, openBytes, type Wanted } from '../chunk/ports.ts';
import type { ChunkForm } from '../swarm/line-messages.ts';
import type {
  LineAction,
  LineMachine,
  LineNote,
  LinePeer,
  LineSetup,
  Row,
  SourceId,
} from '../swarm/line-ports.ts';
import type { LineSocket, LineTransport } from '../swarm/line-transport.ts';
import type { JoinOptions, Line, OpenRow, Purpose } from '../swarm/node-ports.ts';
import type { PeerId, PeerRef, PeerRole } from '../swarm/site.ts';
import type { Hello } from '../swarm/wire.ts';
import { LineCallers, lineFailure } from './line-callers.ts';
import { createFollower, type Follower, type Pace } from './line-follower.ts';
import { createLineLoop } from './line-loop.ts';
import { LineMemory } from './line-memory.ts';
import { createLineSources, type Proved } from './line-sources.ts';
import { LineCounts, type LineStats } from './line-stats.ts';
import { UnkeptRows } from './line-unkept.ts';

/** Bytes of a chunk that came. */
export interface Traffic {
  readonly image: Digest;
  readonly title: string;
  readonly purpose: Purpose;
  readonly from: SourceId;
  readonly bytes: number;
}

export interface LineDriverOptions {
  readonly join: JoinOptions;
  readonly self: PeerId;
  readonly role: PeerRole;
  /** Where this node listens. */
  readonly port: () => number;
  readonly transport: LineTransport;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly createMachine: (setup: LineSetup) => LineMachine;
  readonly hash: ChunkHash;
  /** Proved chunks that are not yet kept, at most. */
  readonly memoryBytes: number;
  readonly pace?: Pace | undefined;
  readonly onTraffic?: ((traffic: Traffic) => void) | undefined;
  /** It broke off or went quiet: is it still there? */
  onSuspect(peer: PeerId): void;
  onEnd(): void;
}

export interface LineDriver extends Line {
  /** Who is there, and who crosses the WAN. */
  site(peers: readonly LinePeer[], designated: PeerId | undefined): void;
  /** Somebody has dialled us about this image; undefined when it claims the id of another follower. */
  accept(ref: PeerRef, socket: LineSocket): Follower | undefined;
  stats(): LineStats;
  /** At once, handing nobody on. */
  stop(): void;
  /** Resolves when all that came is kept, or known not to be; at the latest after five seconds. */
  settled(): Promise<void>;
}

const GRACE_MS = 5_000;
/** Those that walk to the end of the line, or ask in vain to go round, do so all the time. */
const LEVELS: Partial<Record<LineNote, 'warn' | 'debug'>> = {
  'feeder-banned': 'warn',
  'feeder-set-aside': 'warn',
  'follower-moved': 'debug',
  'follower-refused': 'debug',
};
const SETTLE_MS = 5_000;
const LEAVE_STEP_MS = 20;

export function createLineDriver(options: LineDriverOptions): LineDriver {
  const { join, self, clock, timers } = options;
  const { image, local, purpose } = join;
  const { manifest, title, rows } = image;
  const name = `line of ${title}`;
  const log = options.log.child({ image: title });
  const counts = new LineCounts();
  const followers = new Map<PeerId, Follower>();
  const forms = new Map<Row, ChunkForm>();
  let peers: readonly LinePeer[] = [];
  let stopped = false;

  const machine = options.createMachine({
    self,
    role: options.role,
    rows,
    storedBytes: (row) => image.storedBytes(row),
    has: (row) => local.has(row),
  });
  const loop = createLineLoop(machine, clock, timers, perform);

  const memory = new LineMemory({
    boundBytes: options.memoryBytes,
    keep: (row, bytes) => local.keep(row, bytes),
    onKept: (row) => void forms.delete(row),
    onUnkept(row, error) {
      counts.counts.unkept++;
      log.warn({ row, err: error }, 'chunk came but could not be kept');
      unkept.add(row, memory.get(row)?.length ?? 0);
    },
    onRoom: (room) => (room ? sources.release() : sources.hold()),
  });

  const unkept = new UnkeptRows({
    timers,
    spareBytes: options.memoryBytes / 2,
    isAwaited: (row) => [...followers.values()].some((follower) => follower.isToGet(row)),
    drop(row) {
      forms.delete(row);
      memory.drop(row);
      loop.feed({ kind: 'gone', row });
    },
  });

  const callers = new LineCallers({
    onWant: (row) => loop.feed({ kind: 'want', row }),
    onUnwant: (row) => loop.feed({ kind: 'unwant', row }),
  });

  const sources = createLineSources({
    join,
    hello: (): Hello => ({ kind: 'hello', id: self, port: options.port(), manifest }),
    transport: options.transport,
    clock,
    timers,
    hash: options.hash,
    counts,
    feed: loop.feed,
    onBytes: (from, bytes) => options.onTraffic?.({ image: manifest, title, purpose, from, bytes }),
    onProved: arrived,
  });

  function arrived({ row, bytes, form, from, broughtBytes }: Proved): void {
    counts.counts.arrived++;
    if (memory.get(row) !== undefined || local.has(row)) {
      // Two sources brought it: one of them for nothing.
      counts.counts.bytesWasted += broughtBytes;
      callers.arrived(row, bytes);
      loop.feed({ kind: 'arrived', row, from, bytes: broughtBytes });
      return;
    }
    forms.set(row, form);
    memory.put(row, bytes, () => {
      callers.arrived(row, bytes);
      loop.feed({ kind: 'arrived', row, from, bytes: broughtBytes });
    });
  }

  function perform(action: LineAction): void {
    switch (action.kind) {
      case 'dial':
        sources.dial(action.to);
        break;
      case 'hang-up':
        sources.hangUp(action.feeder);
        break;
      case 'tell-feeder':
        sources.tell(action.feeder, action.message);
        break;
      case 'fetch':
        sources.fetch(action.row, action.from);
        break;
      case 'cancel':
        sources.cancel(action.row, action.from);
        break;
      case 'tell-follower':
        followers.get(action.follower)?.tell(action.message);
        break;
      case 'serve':
        followers.get(action.follower)?.serve(action.row);
        break;
      case 'unserve':
        followers.get(action.follower)?.unserve(action.row);
        unkept.settle();
        break;
      case 'drop-follower':
        followers.get(action.follower)?.drop();
        followers.delete(action.follower);
        unkept.settle();
        break;
      case 'give-up':
        giveUp(action.row, lineFailure(name, action.why, action.what));
        break;
      case 'suspect':
        options.onSuspect(action.peer);
        break;
      case 'note':
        note(action);
        break;
      default:
        unreachable(action);
    }
  }

  function giveUp(row: Row, error: PeerbootError): void {
    counts.counts.gaveUp++;
    callers.gaveUp(row, error, sources.takePartial(row));
  }

  function note({ what, peer, reason }: Extract<LineAction, { kind: 'note' }>): void {
    if (what === 'healed') counts.counts.heals++;
    const known = peers.find(({ id }) => id === peer) ?? followers.get(peer ?? '')?.ref;
    const address = known === undefined ? {} : { address: `${known.address}:${known.port}` };
    const fields = { what, ...(peer === undefined ? {} : { peer }), ...address };
    log[LEVELS[what] ?? 'info'](fields, `line: ${reason}`);
  }

  function openMemory(bytes: Uint8Array, form: ChunkForm): OpenRow {
    return { ...openBytes(bytes), form };
  }

  function open(row: Row): OpenRow | undefined | Promise<OpenRow | undefined> {
    const bytes = memory.get(row);
    return bytes === undefined ? local.open(row) : openMemory(bytes, forms.get(row) ?? 'stored');
  }

  async function readHeld(row: Row): Promise<Uint8Array | undefined> {
    const inMemory = memory.get(row);
    if (inMemory !== undefined) return inMemory;
    if (!local.has(row)) return undefined;
    const chunk = await local.open(row);
    if (chunk === undefined) {
      loop.feed({ kind: 'gone', row });
      return undefined;
    }
    try {
      const bytes = new Uint8Array(chunk.size);
      for (let at = 0; at < bytes.length; ) {
        const piece = chunk.read(at, bytes.length - at);
        bytes.set(piece, at);
        at += piece.length;
      }
      return bytes;
    } finally {
      chunk.close();
    }
  }

  function stop(): void {
    if (stopped) return;
    stopped = true;
    loop.stop();
    unkept.stop();
    sources.stop();
    for (const follower of followers.values()) follower.close();
    followers.clear();
    callers.rejectAll(lineFailure(name, 'broken', 'this node has left the line'));
    options.onEnd();
  }

  return {
    name,
    image,
    async fetch(wanted: Wanted, { signal, partial }: FetchOptions = {}): Promise<Uint8Array> {
      signal?.throwIfAborted();
      const row = image.rowOf(wanted.digest);
      if (row === undefined) {
        throw new PeerbootError('PB-CHUNK-MISSING', `${name}: has no chunk ${wanted.digest}`);
      }
      const held = await readHeld(row);
      if (held !== undefined) return held;
      signal?.throwIfAborted();
      if (stopped) throw lineFailure(name, 'broken', 'this node has left the line');
      if (partial !== undefined) sources.adopt(row, partial);
      return callers.wait(row, signal, partial);
    },
    got: (row) => loop.feed({ kind: 'arrived', row, from: self, bytes: 0 }),
    gone: (row) => loop.feed({ kind: 'gone', row }),
    pause: () => loop.feed({ kind: 'pause' }),
    resume: () => loop.feed({ kind: 'resume' }),
    state: () => machine.state(),
    stats: () => counts.snapshot(memory.bytes),
    site(present, designated) {
      peers = present;
      loop.feed({ kind: 'site', peers, designated });
    },
    accept(ref, socket) {
      const before = followers.get(ref.id);
      if (before !== undefined) {
        // A new connection from the same place replaces the old one; from elsewhere somebody borrows the id.
        if (before.ref.address !== ref.address) return undefined;
        followers.delete(ref.id);
        before.close();
        loop.feed({ kind: 'follower-lost', follower: ref.id });
      }
      const isMine = () => followers.get(ref.id) === follower;
      const follower = createFollower({
        ref,
        socket,
        image,
        clock,
        timers,
        pace: options.pace,
        open,
        onMessage: (message) => loop.feed({ kind: 'follower-says', follower: ref, message }),
        onWant: (row) => loop.feed({ kind: 'follower-wants', follower: ref.id, row }),
        onUnwant(row) {
          loop.feed({ kind: 'follower-unwants', follower: ref.id, row });
          unkept.settle();
        },
        onServed(row, bytes) {
          counts.counts.served++;
          loop.feed({ kind: 'served', follower: ref.id, row, bytes });
          unkept.settle();
        },
        onSent: (bytes) => counts.left(ref.id, bytes),
        onGone: (row) => loop.feed({ kind: 'gone', row }),
        onLost(why) {
          if (!isMine()) return;
          followers.delete(ref.id);
          log.debug({ peer: ref.id, address: ref.address, why }, 'follower gone');
          loop.feed({ kind: 'follower-lost', follower: ref.id });
          unkept.settle();
        },
      });
      followers.set(ref.id, follower);
      return follower;
    },
    async settled() {
      let cancel = () => {};
      const late = new Promise<void>((resolve) => {
        cancel = timers.after(SETTLE_MS, resolve);
      });
      await Promise.race([memory.settled(), late]);
      cancel();
    },
    async leave(graceMs = GRACE_MS) {
      if (stopped) return;
      loop.feed({ kind: 'leave' });
      const deadline = clock.nowMs() + graceMs;
      while (followers.size > 0 && clock.nowMs() < deadline && !stopped) {
        await new Promise<void>((resolve) => void timers.after(LEAVE_STEP_MS, resolve));
      }
      stop();
    },
    stop,
  };
}
