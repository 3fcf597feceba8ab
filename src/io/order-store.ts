// When administrators' orders were told, as one small file that is replaced whole.
import { dirname } from 'node:path';
import * as z from 'zod';
import { PeerbootError } from '../base/errors.ts';
import { ensureFolder, readIfThere, writeDurably } from './state-folder.ts';

const Times = z.object({
  format: z.literal('peerboot.orders/1'),
  times: z.array(z.object({ about: z.string().max(160), at: z.number(), gone: z.boolean().optional() })),
});
type OrderTime = z.infer<typeof Times>['times'][number];

/** The adapter behind `OrderStore` of service/orders. Throws PB-ORDERS-DAMAGED at once when the file is none. */
export function openOrderStore(path: string): {
  load(): readonly OrderTime[];
  save(times: readonly OrderTime[]): void;
} {
  ensureFolder(dirname(path));
  const kept = read(path);
  return {
    load: () => kept,
    save(times) {
      const text = JSON.stringify({ format: 'peerboot.orders/1', times });
      writeDurably(path, new TextEncoder().encode(`${text}\n`));
    },
  };
}

function read(path: string): readonly OrderTime[] {
  const bytes = readIfThere(path);
  if (bytes === undefined) return [];
  try {
    return Times.parse(JSON.parse(new TextDecoder().decode(bytes))).times;
  } catch (cause) {
    throw new PeerbootError('PB-ORDERS-DAMAGED', `${path}: ${(cause as Error).message}`, { cause });
  }
}
