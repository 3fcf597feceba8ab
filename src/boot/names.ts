// Names of machines from a template: the next number that nobody in the site has.

import type { MachineIdentity } from '../api/identity.ts';
import { uuidKey } from '../base/uuid.ts';

/** `{n}`, `{nn}`, `{nnn}`, …: as many digits at least. */
const NUMBER = /\{(n+)\}/;
/** What a host name may have (RFC 1123 §2.1). */
const HOST_NAME = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

/** Why a template cannot be used, or undefined when it can. */
export function templateFault(template: string): string | undefined {
  const left = template.replace('{store}', 's').replace(NUMBER, '1');
  if (/[{}]/.test(left)) return 'knows {store} once, and one of {n}, {nn}, {nnn}, …';
  return HOST_NAME.test(left)
    ? undefined
    : 'is no host name: letters, digits and dashes, no dash at either end';
}

/**
 * The name for the next machine. Without a number in the template the same name is given again, so it fits only an
 * assignment of one machine; undefined when that name is taken, or when the name would be too long.
 */
export function nextName(template: string, store: string, taken: ReadonlySet<string>): string | undefined {
  const whole = template.replace('{store}', hostLabel(store));
  const number = NUMBER.exec(whole);
  if (number === null) return isFree(whole, taken) ? whole : undefined;
  const digits = (number[1] as string).length;
  for (let n = 1; n <= taken.size + 1; n++) {
    const name = whole.replace(NUMBER, String(n).padStart(digits, '0'));
    if (isFree(name, taken)) return name;
  }
  return undefined;
}

/** What a machine is known by, for `nameGoesTo`. */
type Known = Partial<Pick<MachineIdentity, 'uuid' | 'serial' | 'macs'>>;

/**
 * Of two machines that were given one name, as two boot hosts can that do not hear each other, which keeps it: wherever it is asked,
 * and in whatever order, the same one.
 */
export function nameGoesTo(one: Known, other: Known): 'first' | 'second' {
  return wordsOf(one) <= wordsOf(other) ? 'first' : 'second';
}

function wordsOf({ uuid, serial, macs }: Known): string {
  return [uuid === undefined ? '' : uuidKey(uuid), serial ?? '', ...[...(macs ?? [])].sort()].join(' ');
}

/** `taken` is in lower case: host names do not differ by case (RFC 4343). */
function isFree(name: string, taken: ReadonlySet<string>): boolean {
  return HOST_NAME.test(name) && !taken.has(name.toLowerCase());
}

/** A site's label as part of a host name: `Store 12` → `store-12`. */
function hostLabel(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
}
