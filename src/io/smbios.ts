// Who this machine says it is: SMBIOS strings as the kernel shows them, without the placeholders of lazy makers.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MachineIdentity } from '../api/identity.ts';
import { normaliseUuid } from '../base/uuid.ts';

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

/** All but the MACs. `folder` is the kernel's view of SMBIOS. */
export function readSmbios(folder = '/sys/class/dmi/id'): Omit<MachineIdentity, 'macs'> {
  const read = (name: string): string | undefined => {
    try {
      return smbiosText(readFileSync(join(folder, name), 'utf8'));
    } catch {
      // A board without SMBIOS, or a string that this board does not have.
      return undefined;
    }
  };
  const uuid = read('product_uuid');
  const known = {
    uuid: uuid === undefined ? undefined : normaliseUuid(uuid),
    serial: read('product_serial') ?? read('board_serial') ?? read('chassis_serial'),
    manufacturer: read('sys_vendor') ?? read('board_vendor'),
    product: read('product_name') ?? read('board_name'),
    asset: read('chassis_asset_tag') ?? read('board_asset_tag'),
  };
  return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined));
}
