// What boot hosts remember of firmwares and tell each other: the dialect that each make of firmware takes, and who enforces Secure Boot.
import * as z from 'zod';
import { parseMac } from '../base/addresses.ts';

/** Rows that are kept and told; what was used longest ago is forgotten first. */
export const MOST_DIALECTS = 256;
export const MOST_SECURE_BOOT = 4096;

/** How long ago it was learnt, by the clock of the one who tells: clocks of peers differ. */
const age = { ageMs: z.number().nonnegative() };

export const DialectFact = z.object({
  /** Of a make of firmware, see boot/fingerprint. */
  fingerprint: z.string().regex(/^[a-z0-9.-]{1,48}$/),
  /** Null: an administrator had it forgotten. */
  dialect: z.enum(['binl', 'offered-file']).nullable(),
  /** Machines that have booted by it, about. */
  machines: z.number().int().nonnegative(),
  ...age,
});
export type DialectFact = z.infer<typeof DialectFact>;

export const SecureBootFact = z.object({
  mac: z.string().refine((text) => parseMac(text) === text),
  /** False: it once did, and does no more. */
  enforced: z.boolean(),
  ...age,
});
export type SecureBootFact = z.infer<typeof SecureBootFact>;

/** `GET /site/v1/firmware` for boot hosts, `GET /admin/v1/firmware` for administrators. */
export const FirmwareFacts = z.object({
  dialects: z.array(DialectFact).max(MOST_DIALECTS),
  secureBoot: z.array(SecureBootFact).max(MOST_SECURE_BOOT),
});
export type FirmwareFacts = z.infer<typeof FirmwareFacts>;
