// What was learnt of firmwares, as one small file that is replaced whole.
import { dirname } from 'node:path';
import * as z from 'zod';
import { DialectFact, SecureBootFact } from '../api/firmware.ts';
import type { Mac } from '../base/addresses.ts';
import type { Log } from '../base/log.ts';
import type { SecureBootRow } from '../boot/chain-memory.ts';
import type { DialectRow } from '../boot/dialect-rows.ts';
import { ensureFolder, readIfThere, writeDurably } from './state-folder.ts';

const atMs = z.number().nonnegative();
const Kept = z.object({
  format: z.literal('peerboot.firmware/1'),
  dialects: z.array(DialectFact.omit({ ageMs: true }).extend({ atMs })),
  secureBoot: z.array(SecureBootFact.omit({ ageMs: true }).extend({ atMs })),
});

interface KeptFirmware {
  readonly dialects: readonly DialectRow[];
  readonly secureBoot: readonly SecureBootRow[];
}

/**
 * The adapter behind `FirmwareStore` of service/firmware-memory. A file that cannot be read is no reason not to start: all
 * that it saves is a machine's second attempt. It is told, and written anew with what is learnt next.
 */
export function openFirmwareStore(
  path: string,
  log: Log,
): { load(): KeptFirmware; save(kept: KeptFirmware): void } {
  ensureFolder(dirname(path));
  return {
    load() {
      try {
        const bytes = readIfThere(path);
        if (bytes === undefined) return { dialects: [], secureBoot: [] };
        const { dialects, secureBoot } = Kept.parse(JSON.parse(new TextDecoder().decode(bytes)));
        return { dialects, secureBoot: secureBoot.map((row) => ({ ...row, mac: row.mac as Mac })) };
      } catch (error) {
        log.warn({ path, err: error }, 'what was learnt of firmwares cannot be read: it is learnt anew');
        return { dialects: [], secureBoot: [] };
      }
    },
    save(kept) {
      const text = JSON.stringify({ format: 'peerboot.firmware/1', ...kept });
      writeDurably(path, new TextEncoder().encode(`${text}\n`));
    },
  };
}
