// What a machine tells about itself when it asks for its script: the query that every iPXE sends.
import { type Mac, parseMac } from '../base/addresses.ts';
import { normaliseUuid } from '../base/uuid.ts';

/** Nothing is certain to be there. Text is what the board's maker typed: any characters, at most 128. */
export interface ScriptQuery {
  readonly mac?: Mac | undefined;
  readonly uuid?: string | undefined;
  readonly serial?: string | undefined;
  readonly manufacturer?: string | undefined;
  readonly product?: string | undefined;
  readonly asset?: string | undefined;
  /** `x86_64`, `i386`, `arm64`, … */
  readonly buildarch?: string | undefined;
  /** `efi` or `pcbios` */
  readonly platform?: string | undefined;
  /** What was chosen on the machine's menu, and the token that the menu carried. */
  readonly item?: string | undefined;
  readonly menu?: string | undefined;
}

/**
 * Reads what follows the `?`. Never fails: the machine must get a script, so what cannot be read is left out.
 *
 * iPXE 1.0.0 sends a byte above 127 with its sign extended (`%FFFFFFFFFFFFC3` for `%C3`), leaves `+` as it is, and
 * does not escape `&`: a serial number with one may forge further fields. Hence the first of each name counts, and
 * the script puts MAC and UUID before all text.
 */
export function parseScriptQuery(query: string): ScriptQuery {
  const plain = query.replaceAll(/%F{6,14}([0-9A-F]{2})/gi, '%$1').replaceAll('+', '%2B');
  const fields = new URLSearchParams(plain);
  const text = (name: string) => fields.get(name)?.trim().slice(0, 128) || undefined;
  const [mac, uuid] = [text('mac'), text('uuid')];
  return {
    mac: mac === undefined ? undefined : parseMac(mac),
    uuid: uuid === undefined ? undefined : normaliseUuid(uuid),
    serial: text('serial'),
    manufacturer: text('manufacturer'),
    product: text('product'),
    asset: text('asset'),
    buildarch: text('buildarch'),
    platform: text('platform'),
    item: text('item'),
    menu: text('menu'),
  };
}
