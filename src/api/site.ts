// What peers and administrators' tools see of a site: the lines of its images, its peers, controls, wishes and WAN bytes.
import * as z from 'zod';

const count = z.number().int().nonnegative();
const text = z.string().max(256);
/** `name` or `name@version`. */
const reference = z.string().min(1).max(128);
/** Bytes per second; null: no limit. Below 10 kB/s nothing would ever finish, and it is most likely a slip. */
const limit = z.number().int().min(10_000).nullable();
const priority = z.enum(['high', 'normal', 'low']);

/** A word that is said to the whole site with every announcement, e.g. `boot-host`. */
export const Tag = z
  .string()
  .regex(/^[a-z0-9][a-z0-9:._-]{0,31}$/, 'must be a short word of a-z, 0-9 and :._-');

export const ControlChange = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('pause'), image: reference.optional() }),
  z.object({ kind: z.literal('resume'), image: reference.optional() }),
  z.object({ kind: z.literal('priority'), image: reference.optional(), priority }),
  z.object({ kind: z.enum(['tag', 'untag']), tag: Tag }),
  z.object({ kind: z.literal('limit'), wan: limit.optional(), lan: limit.optional() }),
]);
export type ControlChange = z.infer<typeof ControlChange>;

/** What was told; `wanLimit` and `lanLimit` are absent while the configuration's hold. */
export const ControlState = z.object({
  paused: z.boolean(),
  pausedImages: z.array(reference).max(1024),
  priority,
  priorities: z.record(z.string(), priority),
  wanLimit: limit.optional(),
  lanLimit: limit.optional(),
  tagged: z.array(Tag).max(16).default([]),
  untagged: z.array(Tag).max(64).default([]),
});
export type ControlState = z.infer<typeof ControlState>;

/** An image that the site shall hold ahead of time. */
export const Wish = z.object({
  image: reference,
  /** Copies in the site. */
  replicas: z.number().int().min(1).max(1000),
  askedMs: z.number(),
});
export type Wish = z.infer<typeof Wish>;

export const PreseedRequest = Wish.pick({ image: true }).extend({ replicas: Wish.shape.replicas.optional() });
export type PreseedRequest = z.infer<typeof PreseedRequest>;

export const EvictRequest = z.object({ image: reference, lastCopy: z.boolean().optional() });
export type EvictRequest = z.infer<typeof EvictRequest>;

const id = z.string().regex(/^[0-9a-f]{16}$/);

/** One peer's place in the line of one image; `key` is the first 16 digits of the manifest's digest. */
export const LineView = z.object({
  key: z.string().max(16),
  /** `name version` */
  title: text,
  /** Chunks. */
  rows: count,
  storedBytes: count,
  held: count,
  /** A peer's id, `wan`, or absent: nothing is being fetched. */
  feeder: z.string().max(16).optional(),
  /** How it is fetched: from one feeder, or from many sources; absent: by an older version, so from one. */
  strategy: z.enum(['line', 'swarm']).optional(),
  depth: count,
  /** Bytes per second that come in. */
  rate: z.number().nonnegative(),
  followers: z
    .array(
      z.object({
        id,
        address: text.optional(),
        rate: z.number().nonnegative(),
        held: count,
        /** This peer is one of its many sources. */
        joins: z.boolean().optional(),
      }),
    )
    .max(1024),
  /** Requests of followers that wait for a chunk on its way. */
  holds: count,
  paused: z.boolean(),
  priority,
});
export type LineView = z.infer<typeof LineView>;

/** What this peer keeps of an image, and whether it must. */
export const ReplicaView = z.object({
  key: z.string().max(16),
  title: text,
  rows: count,
  held: count,
  storedBytes: count,
  /** Copies that the site shall have; 0: nobody asked for any. */
  wanted: count,
  /** Whole copies that are known of, ours included. */
  copies: count,
  /** `keep`: a copy of the wished count; `last-copy`: the only one; `spare`: may go when room is needed. */
  role: z.enum(['keep', 'last-copy', 'spare', 'none']),
  /** Why it is not being filled although it should be. */
  problem: text.optional(),
});
export type ReplicaView = z.infer<typeof ReplicaView>;

/** `GET /site/v1/lines`: facts of one peer that anybody in the site may read, and nothing else. */
export const PeerFacts = z.object({
  id,
  name: z.string().max(256),
  site: z.string().max(64),
  paused: z.boolean(),
  wanLimit: limit,
  lanLimit: limit,
  lines: z.array(LineView).max(1024),
  replicas: z.array(ReplicaView).max(1024),
  /** Bytes that it fetched over the WAN since it was first started, by image (`name version`). */
  wan: z.array(z.object({ title: text, bytes: count })).max(4096),
});
export type PeerFacts = z.infer<typeof PeerFacts>;

export const SitePeerView = z.object({
  id,
  address: text,
  httpPort: count,
  role: z.enum(['peer', 'target']),
  tags: z.array(text),
  unfit: z.array(text),
  freeUplinkBytesPerSecond: z.number().nonnegative(),
  holdings: z.array(z.object({ image: z.string().max(16), held: count, of: count })),
  /** Absent: it has no HTTP (a target), or did not answer. */
  facts: PeerFacts.optional(),
});
export type SitePeerView = z.infer<typeof SitePeerView>;

/** `GET /admin/v1/site`: the site as one peer sees it, that one first. */
export const SiteView = z.object({
  site: z.string(),
  self: id,
  control: ControlState,
  wishes: z.array(Wish),
  peers: z.array(SitePeerView).min(1),
});
export type SiteView = z.infer<typeof SiteView>;

export const LedgerView = z.object({
  rows: z.array(
    z.object({ day: z.string(), source: z.string(), purpose: z.string(), title: z.string(), bytes: count }),
  ),
});
export type LedgerView = z.infer<typeof LedgerView>;
