// SMBIOS UUIDs: one normal form, placeholders thrown away, and one key for both byte orders.
import { fromHex, toHex } from './bytes.ts';

/**
 * What board makers leave in place of a UUID, beside bytes that are all the same: counting digits (AMI's
 * sample boards), and the sample of the SMBIOS specification that some clones never changed.
 */
const PLACEHOLDERS = new Set([
  '00010203-0405-0607-0809-0a0b0c0d0e0f',
  '03000200-0400-0500-0006-000700080009',
  '12345678-1234-5678-90ab-cddeefaabbcc',
  '12345678-1234-1234-1234-123456789abc',
  '01234567-8910-1112-1314-151617181920',
  '11111111-2222-3333-4444-555555555555',
  '78563412-3412-7856-90ab-cddeefaabbcc',
]);

/** Lower case with dashes; undefined when it is no UUID or a known placeholder, which identifies nothing. */
export function normaliseUuid(text: string): string | undefined {
  const bytes = fromHex(text.replaceAll(/[-{}]/g, ''));
  if (bytes?.length !== 16) return undefined;
  const uuid = formatUuid(bytes);
  const same = bytes.every((byte) => byte === bytes[0]);
  return same || PLACEHOLDERS.has(uuid) || PLACEHOLDERS.has(swapUuid(uuid)) ? undefined : uuid;
}

/**
 * The same key for a UUID and for its byte-swapped twin. SMBIOS before 2.6 did not say in which order the
 * first three fields lie (DSP0134 §7.2.1), so firmware, iPXE and kernel show one board in two spellings.
 */
export function uuidKey(uuid: string): string {
  const swapped = swapUuid(uuid);
  return uuid < swapped ? uuid : swapped;
}

function formatUuid(bytes: Uint8Array): string {
  const hex = toHex(bytes);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** First three fields with their bytes reversed; by slices, since every event of every machine asks. */
function swapUuid(uuid: string): string {
  const byte = (at: number) => uuid.slice(at, at + 2);
  const first = byte(6) + byte(4) + byte(2) + byte(0);
  return `${first}-${byte(11)}${byte(9)}-${byte(16)}${byte(14)}${uuid.slice(18)}`;
}
