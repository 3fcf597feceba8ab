// What administrators told this peer, as one small file that is replaced whole.
import { dirname } from 'node:path';
import * as z from 'zod';
import { ControlState, Wish } from '../api/site.ts';
import { PeerbootError } from '../base/errors.ts';
import { ensureFolder, readIfThere, writeDurably } from './state-folder.ts';

const Told = z.object({
  format: z.literal('peerboot.control/1'),
  control: ControlState,
  wishes: z.array(Wish),
});
type Told = z.infer<typeof Told>;

/** The adapter behind `ControlStore` of service/control. Throws PB-CONTROL-DAMAGED at once when the file is none. */
export function openControlStore(path: string): {
  load(): Omit<Told, 'format'> | undefined;
  save(told: { readonly control: object; readonly wishes: readonly object[] }): void;
} {
  ensureFolder(dirname(path));
  const kept = read(path);
  return {
    load: () => kept,
    save(told) {
      const text = JSON.stringify({ format: 'peerboot.control/1', ...told }, undefined, 2);
      writeDurably(path, new TextEncoder().encode(`${text}\n`));
    },
  };
}

function read(path: string): Omit<Told, 'format'> | undefined {
  const bytes = readIfThere(path);
  if (bytes === undefined) return undefined;
  try {
    const { control, wishes } = Told.parse(JSON.parse(new TextDecoder().decode(bytes)));
    return { control, wishes };
  } catch (cause) {
    throw new PeerbootError('PB-CONTROL-DAMAGED', `${path}: ${(cause as Error).message}`, { cause });
  }
}
