// Leases that this peer gave, as one small file that is replaced whole.
import { dirname } from 'node:path';
import * as z from 'zod';
import { type Ipv4, parseIpv4 } from '../base/addresses.ts';
import { PeerbootError } from '../base/errors.ts';
import type { Lease } from '../dhcp/lease-pool.ts';
import { ensureFolder, readIfThere, writeDurably } from './state-folder.ts';

const Leases = z.object({
  format: z.literal('peerboot.leases/1'),
  leases: z.array(
    z.object({
      address: z.string().refine((text) => parseIpv4(text) !== undefined),
      client: z.string().min(1).max(600),
      untilMs: z.number(),
    }),
  ),
});

/** The adapter behind `LeaseStore` of service/address-service. Throws PB-LEASES-DAMAGED at once when the file is none. */
export function openLeaseStore(path: string): {
  load(): readonly Lease[];
  save(leases: readonly Lease[]): void;
} {
  ensureFolder(dirname(path));
  const kept = read(path);
  return {
    load: () => kept,
    save(leases) {
      writeDurably(
        path,
        new TextEncoder().encode(`${JSON.stringify({ format: 'peerboot.leases/1', leases })}\n`),
      );
    },
  };
}

function read(path: string): readonly Lease[] {
  const bytes = readIfThere(path);
  if (bytes === undefined) return [];
  try {
    const { leases } = Leases.parse(JSON.parse(new TextDecoder().decode(bytes)));
    return leases.map((lease) => ({ ...lease, address: lease.address as Ipv4 }));
  } catch (cause) {
    throw new PeerbootError('PB-LEASES-DAMAGED', `${path}: ${(cause as Error).message}`, { cause });
  }
}
