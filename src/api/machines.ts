// What an administrator's tools see of machines and assignments at one peer.
import { z } from 'zod';
import { DiskPolicy, RUNGS } from './agent.ts';
import { MachineIdentity } from './identity.ts';

export const MachineView = z.object({
  id: z.string(),
  /** The booting NIC's MAC first; `macs` is empty only for a machine that told no MAC at all. */
  identity: MachineIdentity.extend({ macs: z.array(z.string()).max(32) }),
  address: z.string().optional(),
  firmware: z.string().optional(),
  rung: z.enum([...RUNGS, 'failed', 'idle']),
  /** Wall-clock ms at which each rung was first reached in this boot. */
  reachedMs: z.partialRecord(z.enum([...RUNGS, 'failed', 'idle']), z.number()),
  image: z.string().optional(),
  percent: z.number().min(0).max(100).optional(),
  bytesPerSecond: z.number().optional(),
  source: z.string().optional(),
  failure: z.object({ code: z.string(), what: z.string(), remedy: z.string() }).optional(),
  lastSeenMs: z.number(),
  /** The doctor's verdict on its last boot attempt, see docs/doctor.md. */
  boot: z
    .object({
      verdict: z.string(),
      firmware: z.string(),
      evidence: z.array(z.string()),
      remedy: z.string(),
      wallMs: z.number(),
    })
    .optional(),
});
export type MachineView = z.infer<typeof MachineView>;

/** `*`, a MAC, a uuid or a serial → an image (`name`, newest version, or `name@version`), or local boot. */
export const Assignment = z.object({
  machine: z.string().min(1).max(128),
  target: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('image'), image: z.string().min(1).max(256), disk: DiskPolicy }),
    z.object({ kind: z.literal('local-boot') }),
  ]),
});
export type Assignment = z.infer<typeof Assignment>;

export const AssignmentView = Assignment.extend({
  /** `admin`: made by `peerboot assign`; `config`: stands in the configuration, and goes when it is taken out there. */
  origin: z.enum(['admin', 'config']),
  /** Grows with every `assign`: a machine imaged under a lower revision is imaged again. */
  revision: z.number().int().positive(),
  assignedMs: z.number(),
});
export type AssignmentView = z.infer<typeof AssignmentView>;
