// Who this machine says it is: SMBIOS strings as the kernel shows them, without the placeholders of lazy makers.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MachineIdentity } from '../api/identity.ts';
import { smbiosText } from '../base/smbios-text.ts';
import { normaliseUuid } from '../base/uuid.ts';

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
    boardSerial: read('board_serial'),
  };
  return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined));
}
