// The chunk store on a disk: one file a chunk, durable before it is counted, proved when read, bounded by a quota.
import { join } from 'node:path';
import { type Descriptor, type Digest, digestHex } from '../base/digest.ts';
import { assert, PeerbootError } from '../base/errors.ts';
import { type Log, silentLog } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { chooseVictims } from '../chunk/eviction.ts';
import type { ChunkStore, OpenChunk, PutOptions } from '../chunk/ports.ts';
import { createDurableWriter, createGate, realStoreFs, type StoreFs } from './chunk-files-durable.ts';
import { lockFolder } from './chunk-files-lock.ts';
import { openProved, type Proof, prove, readProved } from './chunk-files-open.ts';
import { createRoom, full } from './chunk-files-room.ts';
import { prepareFolders, type StoreFolders, takeStock } from './chunk-files-stock.ts';
import { diskSpace } from './disk-space.ts';
import { digestOf } from './hash.ts';

export interface ChunkStoreOptions {
  /** Made when it is not there; this process alone writes in it. */
  readonly folder: string;
  readonly quotaBytes: number;
  /** Chunks leave before the disk has less free than this. */
  readonly keepFreeBytes?: number;
  readonly clock: Clock;
  readonly log?: Log;
  /** For tests of the order of steps and of failing ones. */
  readonly fs?: StoreFs;
  /** Files written at once. */
  readonly writers?: number;
}

export interface ChunkStoreStats {
  readonly chunks: number;
  readonly bytes: number;
  readonly quotaBytes: number;
  readonly puts: number;
  readonly evicted: number;
  readonly evictedBytes: number;
  /** Copies found corrupt, unreadable or gone, and dropped. */
  readonly lost: number;
}

export interface FileChunkStore extends ChunkStore {
  /**
   * Keeps the chunk from eviction, whether it is held already or comes later, until every reason is taken back.
   * Pins are not written down: whoever pins says so again after a start, so none outlives its owner.
   */
  pin(digest: Digest, reason: string): void;
  unpin(digest: Digest, reason: string): void;
  stats(): ChunkStoreStats;
  /** Waits for puts under way, writes the index, lets go of the folder. */
  close(): Promise<void>;
}

interface Entry extends Descriptor {
  usedMs: number;
  /** That the file's bytes were read and were right. */
  proof: Proof | undefined;
}

/** Uses are written down at most so often for one chunk: for eviction in days, minutes do. */
const NOTE_USE_AFTER_MS = 60_000;

/**
 * Rejects with PB-STORE-LOCKED when another process has the folder. Left-over temp files are removed; files that the
 * index does not know are taken in (their bytes are proved when read), rows without a file are dropped.
 */
export async function openChunkStore(options: ChunkStoreOptions): Promise<FileChunkStore> {
  const { clock, quotaBytes } = options;
  const log = options.log ?? silentLog;
  const fs = options.fs ?? realStoreFs;
  const folders: StoreFolders = await prepareFolders(options.folder, fs);
  const lock = lockFolder(folders.root);
  const writer = createDurableWriter(fs, folders.chunks);
  // The thread pool has four threads, and reads need one while syncs wait for the disk.
  const gate = createGate(options.writers ?? 3);

  /** Held and durable, least recently used first: a use moves the entry to the end. */
  const entries = new Map<Digest, Entry>();
  const pins = new Map<Digest, Set<string>>();
  const puts = new Map<Digest, Promise<void>>();
  const removals = new Map<Digest, Promise<void>>();
  const proofs = new Map<Digest, Promise<void>>();
  const counts = { puts: 0, evicted: 0, evictedBytes: 0, lost: 0 };
  let heldBytes = 0;
  let tempNumber = 0;
  let closed = false;
  const room = createRoom({
    quotaBytes,
    keepFreeBytes: options.keepFreeBytes ?? 0,
    heldBytes: () => heldBytes,
    freeBytes: async () => (await diskSpace(folders.root)).freeBytes,
    evict,
  });

  const { index, stock } = await takeStock(folders, fs, log).catch((error: unknown) => {
    lock.release();
    throw error;
  });
  for (const chunk of stock) {
    entries.set(chunk.digest, { ...chunk, proof: undefined });
    heldBytes += chunk.size;
  }

  const pathOf = (digest: Digest) => join(folders.chunks, digestHex(digest));

  function use(entry: Entry): void {
    if (entries.get(entry.digest) !== entry) return;
    entries.delete(entry.digest);
    entries.set(entry.digest, entry);
    const now = clock.wallMs();
    if (now - entry.usedMs < NOTE_USE_AFTER_MS) return;
    entry.usedMs = now;
    index.note(entry);
  }

  function remove(entry: Descriptor): Promise<void> {
    if (entries.get(entry.digest) !== entry) return removals.get(entry.digest) ?? Promise.resolve();
    entries.delete(entry.digest);
    heldBytes -= entry.size;
    index.forget(entry.digest);
    const removal = fs.remove(pathOf(entry.digest)).finally(() => removals.delete(entry.digest));
    removals.set(entry.digest, removal);
    return removal;
  }

  /** Chooses at once; undefined when so much cannot be freed. */
  function evict(neededBytes: number): Promise<void> | undefined {
    const victims = chooseVictims(entries.values(), (digest) => pins.has(digest), neededBytes);
    if (victims === undefined) return undefined;
    const leaving = victims.map((victim) => {
      counts.evicted++;
      counts.evictedBytes += victim.size;
      log.debug({ digest: victim.digest, bytes: victim.size }, 'chunk evicted');
      return remove(victim);
    });
    return Promise.all(leaving).then(() => {});
  }

  /** Writes the file in its room; resolves with how to give the reservation back. */
  async function place(path: string, bytes: Uint8Array): Promise<() => void> {
    const write = () => writer.place(join(folders.temp, `${++tempNumber}.part`), path, bytes);
    const release = await room.reserve(bytes.length);
    try {
      await write().catch(async (error: unknown) => {
        // Another program may fill the disk between our look and our write: one eviction, one more try.
        const evicted = isFull(error) ? evict(bytes.length) : undefined;
        if (evicted === undefined) throw error;
        await evicted;
        await write();
      });
      return release;
    } catch (error) {
      release();
      throw error;
    }
  }

  async function keep(digest: Digest, bytes: Uint8Array): Promise<void> {
    const path = pathOf(digest);
    try {
      const release = await gate(() => place(path, bytes));
      await writer
        .settle(path)
        .then(() => count(digest, bytes.length))
        .finally(release);
    } catch (error) {
      if (error instanceof PeerbootError) throw error;
      if (isFull(error)) throw full(`the disk under ${folders.root} is full`, error);
      throw storeFailed(`${digest} could not be made durable`, error);
    }
  }

  function count(digest: Digest, size: number): void {
    const entry = { digest, size, usedMs: clock.wallMs(), proof: undefined };
    entries.set(digest, entry);
    heldBytes += size;
    counts.puts++;
    index.note(entry);
  }

  async function put(descriptor: Descriptor, bytes: Uint8Array, { proved }: PutOptions = {}): Promise<void> {
    const { digest } = descriptor;
    assert(!closed, 'the chunk store is closed');
    if (bytes.length !== descriptor.size || (proved !== true && digestOf(bytes) !== digest)) {
      throw new PeerbootError('PB-CHUNK-CORRUPT', `bytes offered as ${digest} are others`);
    }
    // A put must not begin while an earlier copy is still being unlinked: the unlink would take the new file.
    for (let going = removals.get(digest); going !== undefined; going = removals.get(digest)) await going;
    const held = entries.get(digest);
    if (held !== undefined) return use(held);
    const underWay = puts.get(digest);
    if (underWay !== undefined) return underWay;
    const keeping = keep(digest, bytes).finally(() => puts.delete(digest));
    puts.set(digest, keeping);
    return keeping;
  }

  /** Runs a proving read; a copy that fails it is dropped, and undefined comes back. */
  async function proving<T>(entry: Entry, read: () => Promise<T | undefined>): Promise<T | undefined> {
    let why = 'its bytes have another digest';
    try {
      const proved = await read();
      if (proved !== undefined) return proved;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      // EIO: a bad sector. The chunk can be fetched again; the file cannot be read again.
      if (code !== 'ENOENT' && code !== 'EIO') throw storeFailed(`${entry.digest} cannot be read`, error);
      why = `its file cannot be read (${code})`;
    }
    await drop(entry, why);
    return undefined;
  }

  async function get(digest: Digest): Promise<Uint8Array | undefined> {
    const entry = entries.get(digest);
    if (entry === undefined) return undefined;
    const read = await proving(entry, () => readProved(pathOf(digest), entry, clock.nowMs()));
    if (read === undefined) return undefined;
    entry.proof = read.proof;
    use(entry);
    return read.bytes;
  }

  async function openChunk(digest: Digest): Promise<OpenChunk | undefined> {
    // Twice: the second time because of a proof just made, which only a change to the file meanwhile undoes.
    for (let time = 0; time < 2; time++) {
      const entry = entries.get(digest);
      if (entry === undefined) return undefined;
      const doubt = () => {
        entry.proof = undefined;
      };
      const opened = openProved(pathOf(digest), entry.size, entry.proof, clock.nowMs(), doubt);
      if (opened !== undefined) {
        use(entry);
        return opened;
      }
      await makeProof(entry);
    }
    return undefined;
  }

  /** Those who want one chunk at a time share one proof. */
  function makeProof(entry: Entry): Promise<void> {
    const underWay = proofs.get(entry.digest);
    if (underWay !== undefined) return underWay;
    const making = proving(entry, () => prove(pathOf(entry.digest), entry, clock.nowMs()))
      .then((proof) => {
        entry.proof = proof;
      })
      .finally(() => proofs.delete(entry.digest));
    proofs.set(entry.digest, making);
    return making;
  }

  async function drop(entry: Entry, why: string): Promise<void> {
    if (entries.get(entry.digest) !== entry) return;
    counts.lost++;
    log.error({ digest: entry.digest, code: 'PB-CHUNK-CORRUPT', why }, 'held chunk dropped');
    await remove(entry);
  }

  return {
    has: (digest) => entries.has(digest),
    get,
    open: openChunk,
    put,
    async delete(digest) {
      const entry = entries.get(digest);
      if (entry !== undefined) await remove(entry);
    },
    list: () => Array.from(entries.values(), ({ digest, size }) => ({ digest, size })),
    pin(digest, reason) {
      const reasons = pins.get(digest);
      if (reasons === undefined) pins.set(digest, new Set([reason]));
      else reasons.add(reason);
    },
    unpin(digest, reason) {
      const reasons = pins.get(digest);
      reasons?.delete(reason);
      if (reasons?.size === 0) pins.delete(digest);
    },
    stats: () => ({ chunks: entries.size, bytes: heldBytes, quotaBytes, ...counts }),
    async close() {
      if (closed) return;
      closed = true;
      await Promise.allSettled([...puts.values(), ...removals.values()]);
      index.close();
      lock.release();
    },
  };
}

function isFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

function storeFailed(what: string, cause: unknown): PeerbootError {
  return new PeerbootError('PB-STORE-FAILED', `chunk store: ${what}`, { cause });
}
