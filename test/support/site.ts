// A site in one process: nodes with real sockets on 127.0.0.x, an image of seeded chunks, and presence from memory.
import type { Ipv4 } from '../../src/base/addresses.ts';
import type { Digest } from '../../src/base/digest.ts';
import { PeerbootError } from '../../src/base/errors.ts';
import { type Log, silentLog } from '../../src/base/log.ts';
import type { ChunkSource, FetchOptions, Wanted } from '../../src/chunk/ports.ts';
import { openBytes } from '../../src/chunk/ports.ts';
import { systemClock, systemTimers } from '../../src/io/clock.ts';
import { digestOf } from '../../src/io/hash.ts';
import { createLineSockets } from '../../src/io/line-sockets.ts';
import { createSiteNode, type PeerSiteNode, type SiteNodeOptions } from '../../src/service/site-node.ts';
import { designated } from '../../src/swarm/election.ts';
import type { LineSocket, LineSocketEvents, LineTransport } from '../../src/swarm/line-transport.ts';
import type { Line, LineImage, LocalRows } from '../../src/swarm/node-ports.ts';
import {
  type Announcement,
  imageKey,
  type PeerId,
  type Presence,
  type SitePeer,
} from '../../src/swarm/site.ts';
import { testChunk } from './chunks.ts';
import { IDLE } from './idle-peer.ts';

export interface TestImage extends LineImage {
  bytes(row: number): Uint8Array;
}

/** Chunks made once from their seeds. */
export function testImage(rows: number, chunkBytes: number, seed = 1): TestImage {
  const chunks = Array.from({ length: rows }, (_, row) => testChunk(seed * 100_000 + row, chunkBytes));
  const byDigest = new Map(chunks.map((chunk, row) => [chunk.descriptor.digest, row]));
  const at = (row: number) => {
    const chunk = chunks[row];
    if (chunk === undefined) throw new Error(`row ${row} of ${rows}`);
    return chunk;
  };
  return {
    manifest: digestOf(new TextEncoder().encode(`image ${seed} of ${rows}`)),
    title: `test ${seed}`,
    rows,
    digest: (row) => at(row).descriptor.digest,
    storedBytes: (row) => at(row).descriptor.size,
    rowOf: (digest) => byDigest.get(digest),
    bytes: (row) => at(row).bytes,
  };
}

/** A chunk store in memory. */
export interface MemoryRows extends LocalRows {
  readonly rows: Map<number, Uint8Array>;
  /** So often a row was kept. */
  readonly kept: Map<number, number>;
}

export function memoryRows(rows = new Map<number, Uint8Array>(), onKept?: () => void): MemoryRows {
  const kept = new Map<number, number>();
  return {
    rows,
    kept,
    has: (row) => rows.has(row),
    async open(row) {
      const bytes = rows.get(row);
      return bytes === undefined ? undefined : { ...openBytes(bytes), form: 'stored' };
    },
    async keep(row, bytes) {
      kept.set(row, (kept.get(row) ?? 0) + 1);
      rows.set(row, bytes);
      onKept?.();
    },
  };
}

/** The WAN: knows all chunks, counts what was asked of it, can be cut. */
export interface TestWan extends ChunkSource {
  readonly asked: Map<number, number>;
  bytes: number;
  isCut: boolean;
}

export function testWan(image: TestImage): TestWan {
  const wan: TestWan = {
    name: 'wan',
    asked: new Map(),
    bytes: 0,
    isCut: false,
    async fetch(wanted: Wanted, options: FetchOptions = {}) {
      options.signal?.throwIfAborted();
      const row = image.rowOf(wanted.digest);
      if (wan.isCut) {
        throw new PeerbootError('PB-SOURCE-FAILED', 'the WAN is cut', { details: { reason: 'unreachable' } });
      }
      if (row === undefined) throw new PeerbootError('PB-CHUNK-MISSING', `no ${wanted.digest}`);
      const had = options.partial?.received ?? 0;
      wan.asked.set(row, (wan.asked.get(row) ?? 0) + 1);
      const bytes = image.bytes(row);
      wan.bytes += bytes.length - had;
      return bytes;
    },
  };
  return wan;
}

export interface SiteMember {
  readonly id: PeerId;
  readonly address: Ipv4;
  readonly node: PeerSiteNode;
  /** Open connections, dialled and accepted: for ending them. */
  readonly sockets: ReadonlySet<LineSocket>;
  readonly rows: MemoryRows;
  port: number;
  /** Dies at once: nobody hears a goodbye until `forget` of the site. */
  kill(): Promise<void>;
}

export interface TestSite {
  readonly members: readonly SiteMember[];
  add(options?: AddOptions): Promise<SiteMember>;
  /** Who crosses the WAN; by election when undefined. */
  designate(id: PeerId | undefined): void;
  /** All say what they hold, as they do by themselves five times a second. */
  announce(): void;
  /** The others no longer see it. */
  forget(member: SiteMember): void;
  /** Joins the line of the image and fetches all of it, eight rows at a time, in order. */
  fetchAll(member: SiteMember, image: TestImage, wan: ChunkSource, window?: number): Promise<void>;
  join(member: SiteMember, image: TestImage, wan: ChunkSource): Line;
  stop(): Promise<void>;
}

export interface AddOptions {
  readonly rows?: Map<number, Uint8Array>;
  readonly local?: LocalRows;
  /** A chunk has come, and is kept in memory. */
  readonly onKept?: () => void;
  readonly wrap?: (transport: LineTransport) => LineTransport;
  readonly node?: Partial<SiteNodeOptions>;
  readonly log?: Log;
}

interface Entry {
  peer: SitePeer;
  readonly listeners: Set<() => void>;
}

const NOTHING: Announcement = { ...IDLE, httpPort: 0 };

/** The same, with its open connections in the set. */
function tracked(transport: LineTransport, sockets: Set<LineSocket>): LineTransport {
  const track = (socket: LineSocket, events: LineSocketEvents): LineSocketEvents => ({
    ...events,
    onClose(why) {
      sockets.delete(socket);
      events.onClose(why);
    },
  });
  return {
    buffer: (bytes) => transport.buffer(bytes),
    listen: (port, onConnection) =>
      transport.listen(port, (socket) => {
        sockets.add(socket);
        return track(socket, onConnection(socket));
      }),
    dial(to, events) {
      const own: LineSocketEvents = {
        ...events,
        onClose(why) {
          sockets.delete(socket);
          events.onClose(why);
        },
      };
      const socket = transport.dial(to, own);
      sockets.add(socket);
      return socket;
    },
  };
}

let sites = 0;

export function openSite(): TestSite {
  const subnet = ++sites;
  const present = new Map<PeerId, Entry>();
  const members: SiteMember[] = [];
  let chosen: PeerId | undefined;
  let announcing: ReturnType<typeof setInterval> | undefined;

  const tellAll = () => {
    for (const { listeners } of present.values()) for (const listener of listeners) listener();
  };

  function presenceOf(id: PeerId, address: Ipv4): { presence: Presence; enter(port: number): void } {
    const listeners = new Set<() => void>();
    const entry: Entry = { peer: { id, address, port: 0, ...NOTHING }, listeners };
    const presence: Presence = {
      self: id,
      start: async () => {},
      stop: async () => {},
      peers: () => [...present.values()].map((one) => one.peer).filter((peer) => peer.id !== id),
      announce(own) {
        entry.peer = { ...entry.peer, ...own };
        if (present.has(id)) tellAll();
      },
      onChange(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      tellOf: () => {},
    };
    return {
      presence,
      enter(port) {
        entry.peer = { ...entry.peer, port };
        present.set(id, entry);
        tellAll();
      },
    };
  }

  /** What a member holds, as its announcer would say it. */
  function announceHoldings(): void {
    for (const member of members) {
      const holdings = member.node.lines().map((line) => ({
        image: imageKey(line.image.manifest),
        held: line.state().held,
        of: line.image.rows,
      }));
      const entry = present.get(member.id);
      if (entry !== undefined && JSON.stringify(entry.peer.holdings) !== JSON.stringify(holdings)) {
        member.node.presence.announce({ ...NOTHING, holdings });
      }
    }
  }

  function join(member: SiteMember, image: TestImage, wan: ChunkSource): Line {
    return member.node.join({ image, local: member.rows, purpose: 'image', wan });
  }

  return {
    members,
    join,
    async add(options = {}) {
      const index = members.length + 1;
      const id = (subnet * 256 + index).toString(16).padStart(16, '0');
      const address = `127.77.${subnet}.${index}` as Ipv4;
      const { presence, enter } = presenceOf(id, address);
      const sockets = new Set<LineSocket>();
      const plain = tracked(createLineSockets({ address }), sockets);
      const transport = options.wrap?.(plain) ?? plain;
      const rows: MemoryRows = memoryRows(options.rows, options.onKept);
      const node = createSiteNode({
        presence,
        role: 'peer',
        port: 0,
        transport,
        clock: systemClock,
        timers: systemTimers,
        log: options.log ?? silentLog,
        elect: (key) => {
          if (chosen !== undefined) return chosen;
          return designated(
            '',
            key,
            [...present.values()].map((one) => one.peer),
          );
        },
        strategy: 'line',
        hash: digestOf,
        openImage: async () => undefined,
        ...options.node,
      });
      const { port } = await node.start();
      const member: SiteMember = {
        id,
        address,
        node,
        sockets,
        rows: options.local === undefined ? rows : { ...options.local, rows: rows.rows, kept: rows.kept },
        port,
        kill: () => node.stop(),
      };
      members.push(member);
      enter(port);
      announcing ??= setInterval(announceHoldings, 200);
      return member;
    },
    announce: announceHoldings,
    designate(id) {
      chosen = id;
      tellAll();
    },
    forget(member) {
      present.delete(member.id);
      tellAll();
    },
    async fetchAll(member, image, wan, window = 8) {
      const line = join(member, image, wan);
      let next = 0;
      const worker = async () => {
        for (let row = next++; row < image.rows; row = next++) {
          await line.fetch({ digest: image.digest(row), size: image.storedBytes(row) });
        }
      };
      await Promise.all(Array.from({ length: window }, worker));
    },
    async stop() {
      clearInterval(announcing);
      await Promise.all(members.map((member) => member.node.stop()));
    },
  };
}

/** All chunks of the image, as a store that holds it. */
export function allRows(image: TestImage): Map<number, Uint8Array> {
  return new Map(Array.from({ length: image.rows }, (_, row) => [row, image.bytes(row)]));
}

export type { Digest };
