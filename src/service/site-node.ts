// One node of a site: listens for followers, knows who is there, and has one line an image.
import { type Digest, digestHex } from '../base/digest.ts';
import { assert, WireError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { LogLimit } from '../base/log-limit.ts';
import type { Clock, Timers } from '../base/time.ts';
import type { ChunkHash } from '../chunk/ports.ts';
import type { LineState } from '../swarm/line-ports.ts';
import type { LineListener, LineSocket, LineSocketEvents, LineTransport } from '../swarm/line-transport.ts';
import type { JoinOptions, Line, SiteNode } from '../swarm/node-ports.ts';
import { linePeers } from '../swarm/peers.ts';
import {
  type ImageKey,
  imageKey,
  type PeerId,
  type PeerRole,
  type Presence,
  type SitePeer,
} from '../swarm/site.ts';
import type { StrategySetting } from '../swarm/strategy.ts';
import { type ControlFrame, encodeControl } from '../swarm/wire.ts';
import { WireDecoder } from '../swarm/wire-decoder.ts';
import { createLineDriver, type LineDriver, type Traffic } from './line-driver.ts';
import type { Follower, Pace } from './line-follower.ts';
import type { LineStats } from './line-stats.ts';
import { createLineStrategy } from './line-strategy.ts';

export interface SiteNodeOptions {
  /** Started and stopped by whoever made it. */
  readonly presence: Presence;
  readonly role: PeerRole;
  /** TCP; 0: any free one. */
  readonly port: number;
  readonly transport: LineTransport;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  /** Who crosses the WAN for this image now; asked at every change of the site. */
  readonly elect: (image: ImageKey) => PeerId | undefined;
  /** Line or mesh for each image; `auto` unless told. */
  readonly strategy?: StrategySetting;
  /** Speed of the fastest network card in use, bytes per second; 0: nobody tells it. */
  readonly linkBytesPerSecond?: () => number;
  readonly hash: ChunkHash;
  /** For a follower that dials about an image which this node has not joined; undefined: we do not serve it. */
  readonly openImage: (manifest: Digest) => Promise<JoinOptions | undefined>;
  /** Proved chunks that wait to be kept, at most, a line: beyond it nothing more is read from feeders. */
  readonly memoryBytes?: number;
  /** Limit of what leaves for followers. */
  readonly pace?: Pace;
  /** Told of every piece of a chunk that comes: for the ledger. */
  readonly onTraffic?: (traffic: Traffic) => void;
}

export interface SiteNodeStats {
  /** Open connections from followers, greeted or not. */
  readonly connections: number;
  /** Connections that were ended because of nonsense, silence or a hello for nothing we have. */
  readonly refused: number;
  readonly lines: readonly {
    readonly image: Digest;
    readonly title: string;
    readonly rows: number;
    readonly state: LineState;
    readonly stats: LineStats;
  }[];
}

export interface PeerSiteNode extends SiteNode {
  stats(): SiteNodeStats;
  /** Presence or election have changed in a way that presence does not tell of, e.g. our own tags. */
  refresh(): void;
  /** Hands all followers on, then ends every line. */
  leave(graceMs?: number): Promise<void>;
}

const MEMORY_BYTES = 64 * 1024 * 1024;
const HELLO_MS = 2_000;

export function createSiteNode(options: SiteNodeOptions): PeerSiteNode {
  const { presence, transport, clock, timers } = options;
  const log = options.log.child({ part: 'site' });
  const limit = new LogLimit(5);
  const lines = new Map<Digest, LineDriver>();
  const sockets = new Set<LineSocket>();
  const strategy = createLineStrategy({
    presence,
    setting: options.strategy ?? 'auto',
    linkBytesPerSecond: options.linkBytesPerSecond ?? (() => 0),
    clock,
    log,
  });
  let listener: LineListener | undefined;
  let stopListening: (() => void) | undefined;
  let refused = 0;

  function join(join: JoinOptions): Line {
    return lineOf(join);
  }

  function lineOf(join: JoinOptions): LineDriver {
    const { manifest } = join.image;
    const already = lines.get(manifest);
    if (already !== undefined) return already;
    const line = createLineDriver({
      join,
      self: presence.self,
      role: options.role,
      port: () => listener?.port ?? options.port,
      transport,
      clock,
      timers,
      log,
      createMachine: (setup) => strategy.machineFor(join.image, setup),
      hash: options.hash,
      memoryBytes: options.memoryBytes ?? MEMORY_BYTES,
      pace: options.pace,
      onTraffic(traffic) {
        strategy.came(traffic.bytes);
        options.onTraffic?.(traffic);
      },
      onSuspect: (peer) => presence.suspect?.(peer),
      onEnd: () => {
        if (lines.get(manifest) === line) lines.delete(manifest);
      },
    });
    lines.set(manifest, line);
    tellSite(line, presence.peers());
    return line;
  }

  function tellSite(line: LineDriver, present: readonly SitePeer[]): void {
    const { manifest, rows } = line.image;
    const key = imageKey(manifest);
    const designated = options.elect(key);
    line.site(linePeers(present, key, rows, designated), designated);
  }

  function refresh(): void {
    const present = presence.peers();
    for (const line of lines.values()) tellSite(line, present);
  }

  /** Until the hello is understood and answered nothing else may come. */
  function onConnection(socket: LineSocket): LineSocketEvents {
    let follower: Follower | undefined;
    let greeted = false;
    sockets.add(socket);
    const refuse = (why: string) => {
      refused++;
      cancelHello();
      const left = limit.admit('refused', clock.nowMs());
      if (left !== undefined) log.info({ address: socket.remote.address, why, left }, 'connection refused');
      socket.destroy();
    };
    const cancelHello = timers.after(HELLO_MS, () => refuse('no hello'));

    const decoder = new WireDecoder({
      frame(frame) {
        if (follower !== undefined) return follower.onFrame(frame);
        if (greeted) return new WireError(`${frame.kind} before hello was answered`);
        if (frame.kind !== 'hello') return new WireError(`${frame.kind} before hello`);
        greeted = true;
        cancelHello();
        void greet(socket, frame).then((accepted) => {
          follower = accepted;
        });
        return undefined;
      },
      part: () => new WireError('a follower sends no chunks'),
      bytes: () => undefined,
    });
    return {
      onBytes(bytes) {
        const problem = decoder.push(bytes);
        if (problem !== undefined) refuse(problem.message);
      },
      onClose(why) {
        cancelHello();
        sockets.delete(socket);
        follower?.onClose(why);
      },
    };
  }

  async function greet(
    socket: LineSocket,
    hello: Extract<ControlFrame, { kind: 'hello' }>,
  ): Promise<Follower | undefined> {
    const { manifest, id, port } = hello;
    assert(listener !== undefined, 'a connection comes through the listener');
    const own = encodeControl({ kind: 'hello', id: presence.self, port: listener.port, manifest });
    const line = lines.get(manifest) ?? (await joinFor(manifest));
    if (!sockets.has(socket)) return undefined;
    const ref = { id, address: socket.remote.address, port };
    const follower = id === presence.self ? undefined : line?.accept(ref, socket);
    if (follower === undefined) {
      refused++;
      const why = line === undefined ? 'unknown-image' : 'full';
      socket.send([own, encodeControl({ kind: 'refused', why })]);
      socket.end();
      return undefined;
    }
    socket.send([own]);
    return follower;
  }

  async function joinFor(manifest: Digest): Promise<LineDriver | undefined> {
    try {
      const found = await options.openImage(manifest);
      return found === undefined || listener === undefined ? undefined : lineOf(found);
    } catch (error) {
      log.warn({ image: digestHex(manifest), err: error }, 'image cannot be opened for a follower');
      return undefined;
    }
  }

  return {
    presence,
    join,
    lines: () => [...lines.values()],
    async start() {
      listener = await transport.listen(options.port, onConnection);
      stopListening = presence.onChange(refresh);
      return { port: listener.port };
    },
    async stop() {
      stopListening?.();
      const ending = [...lines.values()];
      for (const line of ending) line.stop();
      for (const socket of sockets) socket.destroy();
      const closing = listener?.close();
      listener = undefined;
      await Promise.all([closing, ...ending.map((line) => line.settled())]);
    },
    refresh,
    async leave(graceMs) {
      await Promise.all([...lines.values()].map((line) => line.leave(graceMs)));
    },
    stats: () => ({
      connections: sockets.size,
      refused,
      lines: [...lines.values()].map((line) => ({
        image: line.image.manifest,
        title: line.image.title,
        rows: line.image.rows,
        state: line.state(),
        stats: line.stats(),
      })),
    }),
  };
}

/** Of chunks, by all lines that are there. */
export function sentBytes({ lines }: SiteNodeStats): number {
  return lines
    .flatMap(({ stats }) => Object.values(stats.bytesOut))
    .reduce((total, bytes) => total + bytes, 0);
}
