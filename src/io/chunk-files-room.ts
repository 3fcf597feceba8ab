// Room for chunks about to be written: under the quota and on the disk, made by eviction, reserved until they are held.
import { PeerbootError } from '../base/errors.ts';

export interface RoomOptions {
  readonly quotaBytes: number;
  /** So much of the disk is left to others. */
  readonly keepFreeBytes: number;
  /** Bytes of chunks that are held now. */
  heldBytes(): number;
  /** What the disk still takes. */
  freeBytes(): Promise<number>;
  /** Chooses victims at once, and resolves when they are gone; undefined when so much cannot be freed. */
  evict(neededBytes: number): Promise<void> | undefined;
}

export interface Room {
  /** Resolves with how to give the reservation back; rejects with PB-STORE-FULL. */
  reserve(size: number): Promise<() => void>;
}

export function createRoom(options: RoomOptions): Room {
  const { quotaBytes, keepFreeBytes } = options;
  let reservedBytes = 0;
  let waiting: (() => void)[] = [];

  async function underQuota(size: number): Promise<void> {
    for (;;) {
      const over = options.heldBytes() + reservedBytes + size - quotaBytes;
      const evicted = over > 0 ? options.evict(over) : Promise.resolve();
      if (evicted !== undefined) {
        // In the same tick as the choice of victims, so that no other counts on the same room.
        reservedBytes += size;
        return evicted;
      }
      if (reservedBytes === 0) throw full(`no room for ${size} bytes under the quota of ${quotaBytes}`);
      // What others are just writing cannot be evicted before it is durable.
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  }

  function release(size: number): void {
    reservedBytes -= size;
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  }

  return {
    async reserve(size) {
      await underQuota(size);
      try {
        const free = await options.freeBytes();
        const lacking = size + keepFreeBytes - free;
        if (lacking > 0) {
          const evicted = options.evict(lacking);
          if (evicted === undefined)
            throw full(`no room for ${size} bytes on the disk, which has ${free} left`);
          await evicted;
        }
      } catch (error) {
        release(size);
        throw error;
      }
      return () => release(size);
    },
  };
}

export function full(what: string, cause?: unknown): PeerbootError {
  return new PeerbootError('PB-STORE-FULL', `chunk store: ${what}`, { cause });
}
