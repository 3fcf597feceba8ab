// The receipt of a fetched package: what it is, and where every byte of it came from.
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { DescriptorSchema } from '../api/agent.ts';
import { PeerbootError } from '../base/errors.ts';
import { receiptPathOf } from '../io/folder-staging.ts';

export const RECEIPT_FORMAT = 'peerboot.receipt/1';

const count = z.number().int().nonnegative();

export const Receipt = z.object({
  format: z.literal(RECEIPT_FORMAT),
  name: z.string(),
  version: z.string(),
  manifest: DescriptorSchema,
  /** Of the plain content, by its slices: what `peerboot verify` compares. */
  content: z.string(),
  /** Of a package that is one file: what it was called when it was published. */
  file: z.string().optional(),
  /** Bytes of the archive, and of the chunks that carry it. */
  archiveBytes: count,
  storedBytes: count,
  files: count,
  folders: count,
  links: count,
  /** Stored bytes that came over the network in this run, with manifest and tables, and from where. */
  bytes: z.object({ total: count, peers: count, parent: count, origin: count }),
  /** Stored bytes of chunks that an earlier run had fetched. */
  resumedBytes: count,
  /** Of chunks that were not needed, since what they carry lay at the target. */
  reusedBytes: count,
  /** From the start of the command to the last chunk, and to the end. */
  fetchSeconds: z.number(),
  seconds: z.number(),
  finished: z.string(),
});
export type Receipt = z.infer<typeof Receipt>;

/** Undefined when there is none that can be read. */
export function receiptIfThere(path: string): Receipt | undefined {
  try {
    return Receipt.parse(JSON.parse(readFileSync(receiptPathOf(path), 'utf8')));
  } catch {
    // Missing, or not ours: either way nothing is known about what lies there.
    return undefined;
  }
}

/** Throws PB-PACKAGE-NO-RECEIPT. */
export function readReceipt(path: string): Receipt {
  const receipt = receiptIfThere(path);
  if (receipt !== undefined) return receipt;
  throw new PeerbootError('PB-PACKAGE-NO-RECEIPT', `${receiptPathOf(path)} is not there, or is no receipt`);
}
