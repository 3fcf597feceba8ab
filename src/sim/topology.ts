// What a person describes: kinds of sites, their lines, the image; checked, with an error that says what to mend.
import * as z from 'zod';
import { PeerbootError } from '../base/errors.ts';

const positive = z.number().positive();

const kind = z.strictObject({
  name: z.string().min(1),
  /** Sites just like this one. */
  sites: z.number().int().positive().default(1),
  /** Machines imaged at the same time in each. */
  targets: z.number().int().positive(),
  /** Endpoints with the service in each. */
  peers: z.number().int().min(0).default(1),
  /** Peers among them that already hold the image (pre-seeded). */
  preseeded: z.number().int().min(0).default(0),
  wanMbit: positive,
  wanDelayMs: z.number().min(0).default(20),
  lanMbit: positive.default(1000),
  halfDuplex: z.boolean().default(false),
  /** Megabytes per second that the disks write, of stored bytes. */
  diskMBps: positive.optional(),
  /** Machines at a tenth of the speed in each. */
  slow: z.number().int().min(0).default(0),
  /** Its parent office: another kind, through one of whose sites all its bytes come. */
  parent: z.string().optional(),
  /** All that this office can send to its children, together. */
  uplinkMbit: positive.optional(),
});

const topology = z.strictObject({
  image: z.strictObject({
    /** As stored: compressed. */
    storedGB: positive,
    chunkMB: positive.default(1.2),
  }),
  /** What the origin can send to all together. */
  originMbit: positive.optional(),
  kinds: z.array(kind).min(1),
});

export type SiteKind = z.infer<typeof kind>;
export type Topology = z.infer<typeof topology>;

/** `value` as it came out of YAML. Throws PB-TOPOLOGY-INVALID. */
export function parseTopology(value: unknown): Topology {
  const parsed = topology.safeParse(value);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0] as z.core.$ZodIssue;
    throw invalid(`${path.length === 0 ? 'the file' : path.join('.')}: ${message}`);
  }
  const { kinds } = parsed.data;
  const names = new Set<string>();
  for (const { name } of kinds) {
    if (names.has(name)) throw invalid(`two kinds are called ${name}`);
    names.add(name);
  }
  for (const one of kinds) {
    if (one.preseeded > one.peers) throw invalid(`${one.name}: more peers are preseeded than there are`);
    if (one.slow > one.targets) throw invalid(`${one.name}: more targets are slow than there are`);
    if (one.parent === undefined) continue;
    const parent = kinds.find(({ name }) => name === one.parent);
    if (parent === undefined) throw invalid(`${one.name}: its parent ${one.parent} is no kind of this file`);
    if (parent.parent !== undefined)
      throw invalid(`${one.name}: its parent ${one.parent} has itself a parent`);
  }
  return parsed.data;
}

function invalid(what: string): PeerbootError {
  return new PeerbootError('PB-TOPOLOGY-INVALID', what);
}
