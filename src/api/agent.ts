// What the agent on a target and its peer say to each other: check-in, the peer's plan, progress.
import * as z from 'zod';
import { DiskFacts, MachineIdentity, NicFacts } from './identity.ts';

export const AGENT_API_VERSION = 1;

export const DescriptorSchema = z.object({
  digest: z.templateLiteral(['sha256:', z.string().regex(/^[0-9a-f]{64}$/)]),
  size: z.number().int().nonnegative(),
});

export const CheckIn = z.object({
  apiVersion: z.literal(AGENT_API_VERSION),
  agentVersion: z.string().max(32),
  /** Random per boot of the agent: tells a new boot from a repeated check-in. */
  bootId: z.string().max(64),
  firmware: z.enum(['bios', 'uefi']),
  secureBoot: z.boolean(),
  architecture: z.string().max(16),
  memoryBytes: z.number().int().nonnegative(),
  identity: MachineIdentity,
  nics: z.array(NicFacts).max(32),
  disks: z.array(DiskFacts).max(64),
  /** Wall clock of the target in ms since 1970, which may be wrong: the peer answers with its own. */
  wallMs: z.number(),
  /** Of the plan that this boot already works on. */
  ticket: z.string().max(64).optional(),
});
export type CheckIn = z.infer<typeof CheckIn>;

/** Which disk the agent may overwrite. The agent's own rules (imaging/disk-choice) refuse everything else. */
export const DiskPolicy = z.object({
  /** May a disk that is not blank be overwritten? */
  allowNonBlank: z.boolean(),
  /** Kernel name, model or serial of the one disk meant, when several would do. */
  match: z.string().max(128).optional(),
});
export type DiskPolicy = z.infer<typeof DiskPolicy>;

export const Plan = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('image'),
    /** Name and version as in the signed catalogue: the agent looks the manifest up there itself. */
    image: z.object({ name: z.string(), version: z.string() }),
    disk: DiskPolicy,
    /** What to do when the disk is proved. */
    finish: z.enum(['reboot', 'power-off', 'stay']),
    /** Good for this imaging alone; reports of it carry it. */
    ticket: z.string().max(64).optional(),
    /** What the machine shall be called: left on the disk with the ticket (imaging/receipt). */
    name: z.string().max(63).optional(),
  }),
  z.object({ kind: z.literal('local-boot') }),
  z.object({
    kind: z.literal('wait'),
    retryAfterMs: z.number().int().positive(),
    reason: z.string(),
    /** Eight letters for the screen: whoever approves the machine types or scans them. */
    code: z.string().max(16).optional(),
  }),
]);
export type Plan = z.infer<typeof Plan>;

export const CheckInAnswer = z.object({
  /** The id by which logs, metrics and screens call this machine. */
  machine: z.string(),
  peer: z.string(),
  site: z.string(),
  wallMs: z.number(),
  /** Further bases of content (`http://…/content`), in order, to try when this peer fails. */
  sources: z.array(z.string()).max(32),
  /** How to join the site as a peer: its label (null: the subnet), and where peers listen, this one first. */
  swarm: z
    .object({
      site: z.string().max(64).nullable(),
      peers: z
        .array(z.object({ address: z.string().max(15), port: z.number().int().min(1).max(65_535) }))
        .max(64),
      /** How its images travel (the configuration's `strategy`), so that the site agrees; absent: `auto`. */
      strategy: z.enum(['auto', 'line', 'swarm']).optional(),
    })
    .optional(),
  plan: Plan,
});
export type CheckInAnswer = z.infer<typeof CheckInAnswer>;

/** The rungs of a machine's ladder, in order; `failed` can follow any. */
export const RUNGS = ['seen', 'nbp', 'script', 'agent', 'imaging', 'verifying', 'done'] as const;
export type Rung = (typeof RUNGS)[number];

export const ProgressReport = z.object({
  machine: z.string(),
  bootId: z.string().max(64),
  /** Of the plan; without it nothing about an imaging is believed. */
  ticket: z.string().max(64).optional(),
  /** The ends of `disk` were zeroed under this ticket: from now on what they hold tells whether it was finished. */
  wiped: z.boolean().optional(),
  rung: z.enum(['agent', 'imaging', 'verifying', 'done', 'failed']),
  /** Plain image bytes done in this rung, and of how many. */
  doneBytes: z.number().int().nonnegative(),
  totalBytes: z.number().int().nonnegative(),
  bytesPerSecond: z.number().nonnegative(),
  /** Stored bytes fetched so far by this boot, and chunks refetched although they had been verified (always 0). */
  fetchedBytes: z.number().int().nonnegative(),
  refetchedChunks: z.number().int().nonnegative(),
  /** Stored bytes of chunks sent to other machines of the site. */
  servedBytes: z.number().int().nonnegative().optional(),
  disk: z.string().max(32).optional(),
  source: z.string().max(256).optional(),
  failure: z
    .object({ code: z.string().max(64), what: z.string().max(512), remedy: z.string().max(512) })
    .optional(),
});
export type ProgressReport = z.infer<typeof ProgressReport>;

export const ProgressAnswer = z.object({
  /** `restart` asks the agent to check in again: the peer was restarted, or the assignment changed. */
  next: z.enum(['go-on', 'restart']),
});
export type ProgressAnswer = z.infer<typeof ProgressAnswer>;
