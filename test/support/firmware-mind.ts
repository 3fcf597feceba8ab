// What a boot host on the virtual LAN remembers of firmwares, from one emulated boot to the next: its clock goes on.
import type { FirmwareFacts } from '../../src/api/firmware.ts';
import type { Ipv4 } from '../../src/base/addresses.ts';
import type { Clock } from '../../src/base/time.ts';
import {
  createFirmwareMemory,
  type FirmwareMemory,
  type FirmwareMemoryOptions,
  type KeptFirmware,
} from '../../src/service/firmware-memory.ts';
import { logbook } from './logbook.ts';

export interface FirmwareMind {
  readonly memory: FirmwareMemory;
  /** The store that it is in now: time goes on from where the last boot ended. */
  enter(clock: Clock): void;
  /** What a restarted one would find on its disk. */
  kept(): KeptFirmware;
}

/** One that has heard this from another boot host. */
export async function taughtMind(facts: FirmwareFacts): Promise<FirmwareMind> {
  const host = { id: 'a', address: '10.77.0.9' as Ipv4, httpPort: 8067 };
  const mind = firmwareMind({ hosts: () => [host], ask: async () => facts });
  await mind.memory.sync();
  return mind;
}

/** Between two boots a technician carries a machine. */
const PAUSE_MS = 60_000;

export function firmwareMind(options: Partial<FirmwareMemoryOptions> = {}): FirmwareMind {
  let base = 0;
  let current: Clock | undefined;
  const nowMs = () => base + (current?.nowMs() ?? 0);
  let kept: KeptFirmware = { dialects: [], secureBoot: [] };
  let pending = () => {};
  const memory = createFirmwareMemory({
    store: {
      load: () => ({ dialects: [], secureBoot: [] }),
      save: (what) => {
        kept = what;
      },
    },
    hosts: () => [],
    ask: async () => undefined,
    clock: { nowMs, wallMs: () => 1_000_000 + nowMs() },
    timers: {
      after(_, wake) {
        pending = wake;
        return () => {};
      },
    },
    log: logbook(),
    ...options,
  });
  return {
    memory,
    enter(clock) {
      if (current !== undefined) base = nowMs() + PAUSE_MS - clock.nowMs();
      current = clock;
    },
    kept() {
      pending();
      return kept;
    },
  };
}
