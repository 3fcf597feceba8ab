// PXE 2.1's boot menu in option 43: what a firmware does with it when nobody presses a key.
import { formatIpv4, type Ipv4 } from '../../base/addresses.ts';
import { viewOf } from '../../base/bytes.ts';
import { OPTIONS, optionEntry } from '../../dhcp/options.ts';
import {
  encodeSuboptions,
  PXE_DISCOVERY_CONTROL,
  type SuboptionMap,
  USE_OFFERED_FILE,
} from '../../dhcp/pxe.ts';

const BOOT_SERVERS = 8;
const MENU = 9;
const PROMPT = 10;
/** Suboption of the request that names the chosen item (PXE 2.1 table 2-1). */
const BOOT_ITEM = 71;
const WAITS_FOR_A_KEY = 255;
const LOCAL_DISK = 0;

export type MenuDecision =
  /** The file named in this very offer. */
  | { readonly kind: 'offered-file' }
  | { readonly kind: 'local-disk'; readonly afterMs: number }
  /** Ask these boot servers for the item of this type. */
  | {
      readonly kind: 'ask';
      readonly afterMs: number;
      readonly type: number;
      readonly servers: readonly Ipv4[];
    }
  | { readonly kind: 'waits-for-a-key' };

/** `hasFile`: the offer names one itself. */
export function followMenu(options: SuboptionMap, hasFile: boolean): MenuDecision {
  const control = options.get(PXE_DISCOVERY_CONTROL)?.at(0) ?? 0;
  if ((control & USE_OFFERED_FILE) !== 0 && hasFile) return { kind: 'offered-file' };
  const type = firstType(options.get(MENU));
  if (type === undefined) return { kind: 'offered-file' };
  const seconds = options.get(PROMPT)?.at(0) ?? 0;
  if (seconds === WAITS_FOR_A_KEY) return { kind: 'waits-for-a-key' };
  const afterMs = seconds * 1000;
  if (type === LOCAL_DISK) return { kind: 'local-disk', afterMs };
  return { kind: 'ask', afterMs, type, servers: serversOf(options.get(BOOT_SERVERS), type) };
}

/** Entries are type (16 bits), length of the text, text: the first one is taken when the prompt's time is over. */
function firstType(menu: Uint8Array | undefined): number | undefined {
  return menu === undefined || menu.length < 3 ? undefined : viewOf(menu).getUint16(0);
}

/** Entries are type (16 bits), count, so many addresses. */
function serversOf(list: Uint8Array | undefined, wanted: number): Ipv4[] {
  if (list === undefined) return [];
  const view = viewOf(list);
  for (let at = 0; at + 3 <= list.length; ) {
    const count = view.getUint8(at + 2);
    const end = at + 3 + count * 4;
    if (view.getUint16(at) === wanted && end <= list.length) {
      return Array.from({ length: count }, (_, i) =>
        formatIpv4(list.subarray(at + 3 + i * 4, at + 7 + i * 4)),
      );
    }
    at = end;
  }
  return [];
}

/** Option 43 of the request for a menu's item: its type, and layer 0. */
export function bootItem(type: number): readonly [number, Uint8Array] {
  const item = Uint8Array.of(type >>> 8, type, 0, 0);
  return optionEntry(OPTIONS.vendorOptions, encodeSuboptions(new Map([[BOOT_ITEM, item]]), 'end'));
}
