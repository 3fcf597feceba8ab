// What a machine tells about itself when it asks for its script: the query that every iPXE sends.
import { z } from 'zod';
import { parseMac } from '../base/addresses.ts';
import { normaliseUuid } from '../base/uuid.ts';

/** Unset iPXE settings arrive as empty strings; a board's text is cut, never refused: the machine must get a script. */
const text = z
  .string()
  .transform((value) => value.trim().slice(0, 128))
  .transform((value) => (value === '' ? undefined : value))
  .optional()
  .catch(undefined);

export const ScriptQuery = z.object({
  mac: text.transform((value) => (value === undefined ? undefined : parseMac(value))).optional(),
  uuid: text.transform((value) => (value === undefined ? undefined : normaliseUuid(value))).optional(),
  serial: text,
  manufacturer: text,
  product: text,
  asset: text,
  buildarch: text,
  platform: text,
});
/** Every field may be undefined. `platform` is `efi` or `pcbios`; `buildarch` is `x86_64`, `i386`, `arm64`, … */
export type ScriptQuery = z.infer<typeof ScriptQuery>;
