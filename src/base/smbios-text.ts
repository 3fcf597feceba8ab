// SMBIOS strings as makers leave them: what says nothing is taken for nothing.

/** What boards carry where nobody filled in the form, compared in lower case without punctuation. */
const PLACEHOLDERS = new Set([
  'to be filled by oem',
  'default string',
  'system manufacturer',
  'system product name',
  'system serial number',
  'system version',
  'chassis serial number',
  'asset tag',
  'no asset tag',
  'no asset information',
  'not specified',
  'not applicable',
  'not available',
  'none',
  'na',
  'oem',
  'invalid',
  'unknown',
  'empty',
  'standard',
  '0123456789',
  '123456789',
  '1234567890',
]);

/** The string as it stands on the board, or undefined when it says nothing. */
export function smbiosText(raw: string): string | undefined {
  const text = raw
    .replaceAll(/[^\x20-\x7e]/g, '')
    .trim()
    .slice(0, 128);
  const plain = text.toLowerCase().replaceAll(/[^a-z0-9 ]/g, '');
  if (plain === '' || PLACEHOLDERS.has(plain) || /^(.)\1*$/.test(plain)) return undefined;
  return text;
}
