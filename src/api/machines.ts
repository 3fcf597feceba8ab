// What an administrator's tools see of machines and assignments at one peer.
import * as z from 'zod';
import { DiskPolicy, RUNGS } from './agent.ts';
import { MachineIdentity } from './identity.ts';

export const MachineView = z.object({
  id: z.string(),
  /** The booting NIC's MAC first; `macs` is empty only for a machine that told no MAC at all. */
  identity: MachineIdentity.extend({ macs: z.array(z.string()).max(32) }),
  address: z.string().optional(),
  firmware: z.string().optional(),
  /** Which way its firmware was given to the agent: `ipxe`, `uki`, `shim`, `signed-ipxe`, `grub`. */
  chain: z.string().optional(),
  /** How the last offer to its firmware was worded, and why; `machines` have booted by it, for `remembered`. See docs/booting.md. */
  dialect: z
    .object({
      dialect: z.enum(['binl', 'offered-file']),
      reason: z.enum(['rule', 'remembered', 'retry', 'failed']),
      machines: z.number(),
    })
    .optional(),
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
  /** As it was named by an administrator or from a template. */
  name: z.string().optional(),
  /** Another machine of the site, by its serial or MAC, that was given the same name while boot hosts could not hear each other. */
  namesake: z.string().optional(),
  tags: z.array(z.string()).optional(),
  /** It waits on its screen for approval, showing this code. */
  waiting: z.object({ code: z.string(), expiresMs: z.number() }).optional(),
  /** The image that was chosen on its screen, and needs to be approved: `name@version`. */
  wish: z.string().optional(),
  /** Ids of machines that it cannot be told from: only an assignment by its own id counts. */
  doubts: z.array(z.string()).optional(),
});
export type MachineView = z.infer<typeof MachineView>;

/** A word of the administrator's for several machines: `tills`. */
export const MachineTag = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,31}$/, 'a short word of a-z, 0-9 and ._-');
/** In front of a tag, in the place of a machine: `tag:tills`. */
export const TAG_PREFIX = 'tag:';

/** A host name, or a template of one: `till-{store}-{nn}`. */
export const NameTemplate = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[A-Za-z0-9{}-]+$/, 'letters, digits, dashes, {store} and one of {n}, {nn}, {nnn}, …');

/** An id, MAC, uuid, serial, `tag:<word>` or `*` → an image (`name`, newest version, or `name@version`), or local boot. */
export const Assignment = z.object({
  machine: z.string().min(1).max(128),
  /** Machines imaged under it get a name from it, once. */
  name: NameTemplate.optional(),
  /** Also machines that another boot host of the site has imaged get it again. */
  again: z.boolean().optional(),
  target: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('image'), image: z.string().min(1).max(256), disk: DiskPolicy }),
    z.object({ kind: z.literal('local-boot') }),
    /** Started once by the script of this one machine, whose own disk follows. */
    z.object({ kind: z.literal('boot-entry'), entry: z.string().min(1).max(256) }),
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

/** What an administrator has said of one machine ahead of time, by the name that an assignment would use. */
export const MachineNote = z.object({
  machine: z.string().min(1).max(128),
  name: NameTemplate.optional(),
  tags: z.array(MachineTag).max(16),
});
export type MachineNote = z.infer<typeof MachineNote>;

/** All of it, or nothing. */
export const AssignmentList = z.object({
  assignments: z.array(Assignment).max(10_000),
  notes: z.array(MachineNote).max(10_000),
});
export type AssignmentList = z.infer<typeof AssignmentList>;

export const Approval = z.object({
  /** Eight letters, with or without a dash or blanks. */
  code: z.string().max(32),
  /** `name` or `name@version`; without one: the only image there is. */
  image: z.string().min(1).max(256).optional(),
  allowNonBlank: z.boolean().optional(),
  disk: z.string().max(128).optional(),
  name: NameTemplate.optional(),
  /** It boots its own disk instead. */
  deny: z.boolean().optional(),
});
export type Approval = z.infer<typeof Approval>;

/** What a phone sends with a PIN that `peerboot pin` printed. */
export const PhoneLook = z.object({ pin: z.string().max(32), code: z.string().max(32) });
export const PhoneApproval = Approval.omit({ disk: true, name: true }).extend({ pin: z.string().max(32) });

/** What a machine would see on its screen. */
export const MenuView = z.object({
  /** `first`: what happens when nobody presses a key. */
  items: z.array(z.object({ id: z.string(), title: z.string(), kind: z.string() })),
  leftOut: z.array(z.object({ what: z.string(), why: z.string() })),
  /** Why there is no menu, or what its plan is. */
  reason: z.string(),
});
export type MenuView = z.infer<typeof MenuView>;

/** What the phone page shows, to be compared with the machine's own screen. */
export const WaitingMachine = z.object({
  code: z.string(),
  serial: z.string().optional(),
  product: z.string().optional(),
  mac: z.string().optional(),
  address: z.string().optional(),
  images: z.array(z.string()).max(64),
});
export type WaitingMachine = z.infer<typeof WaitingMachine>;

export const PinRequest = z.object({
  /** Decisions that it is good for. */
  uses: z.number().int().min(1).max(100),
  minutes: z.number().int().min(1).max(120),
});
export const PinView = z.object({ pin: z.string(), uses: z.number(), expiresMs: z.number() });
export type PinView = z.infer<typeof PinView>;

/** An administrator's word, as boot hosts of a site tell it to each other; of two about the same, the later one holds. */
export const Order = z.object({
  /** Wall clock of the boot host that was told, ms since 1970, but later than all that it knew. */
  at: z.number().nonnegative(),
  order: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('assign'), assignment: Assignment }),
    z.object({ kind: z.literal('unassign'), machine: z.string().min(1).max(128) }),
    z.object({ kind: z.literal('note'), note: MachineNote }),
  ]),
});
export type Order = z.infer<typeof Order>;

/** `GET /site/v1/orders?nonce=…`, proved by the admin token that the boot hosts share: see docs/security.md. */
export const OrdersAnswer = z.object({ orders: z.array(Order).max(20_000) });

/** What boot hosts of a site tell each other of a machine that one of them has imaged, or began to. */
export const ImagedRecord = z.object({
  identity: MachineView.shape.identity,
  ticket: z.string().max(64),
  /** `name@version` */
  image: z.string().max(128),
  name: z.string().max(63).optional(),
  /** `begun`: the disk's ends were zeroed; `done`: reported, or found on the disk. */
  state: z.enum(['begun', 'done']),
  disk: z.object({ name: z.string().max(32), serial: z.string().max(128).optional() }).optional(),
  /** How long ago, by the clock of the one who tells. */
  ageMs: z.number().nonnegative(),
});
export type ImagedRecord = z.infer<typeof ImagedRecord>;

/** A name that a machine of a boot host has, whether it is imaged yet or not. */
export const NamedMachine = z.object({
  /** Its id there. */
  machine: z.string().max(64),
  identity: MachineView.shape.identity,
  name: z.string().max(63),
});
export type NamedMachine = z.infer<typeof NamedMachine>;

/** `GET /site/v1/imaged?since=<number>&nonce=…`: what changed after that number of this run of the service. */
export const ImagedAnswer = z.object({
  /** Another one: count from 0 again. */
  run: z.string().max(64),
  upTo: z.number().int().nonnegative(),
  records: z.array(ImagedRecord).max(4096),
  /** Absent in what an older Peerboot says. */
  names: z.array(NamedMachine).max(4096).optional(),
});
export type ImagedAnswer = z.infer<typeof ImagedAnswer>;

/** `POST /site/v1/name?nonce=…`: the boot host that numbers is asked for a name for a machine of another one. */
export const NameWish = z.object({
  machine: z.string().min(1).max(64),
  identity: MachineView.shape.identity,
  template: NameTemplate,
});
export type NameWish = z.infer<typeof NameWish>;

/** Absent: no name can be made of the template that nobody has. */
export const NameAnswer = z.object({ name: z.string().max(63).optional() });

/** What is proved of a question or an answer between boot hosts about machines (io/order-proof): its subject, number and every byte. */
export function machineProofText(subject: 'ask' | 'answer', path: string, nonce: string, body = ''): string {
  return `${path} ${subject} ${nonce} ${body}`;
}
