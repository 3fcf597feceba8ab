// Writes newc cpio archives, the form the kernel unpacks as initramfs: same entries in, same bytes out.
import { concatBytes, fromText } from '../src/base/bytes.ts';

/** Paths are relative, with slashes, without a leading one; folders come before what is in them. */
export type CpioEntry =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string; readonly bytes: Uint8Array; readonly executable: boolean }
  | { readonly kind: 'link'; readonly path: string; readonly to: string }
  | {
      readonly kind: 'character-device';
      readonly path: string;
      readonly major: number;
      readonly minor: number;
    };

/**
 * One archive of these entries, sorted by path, owned by root, numbered in order, all dated `modifiedSeconds` (since
 * 1970, below 2^32). Padded to 512 bytes, so that another archive may follow (Linux: Documentation/driver-api/early-userspace).
 */
export function cpio(entries: readonly CpioEntry[], modifiedSeconds = 0): Uint8Array {
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const parts = sorted.flatMap((entry, i) => member(entry, i + 1, modifiedSeconds));
  const trailer = header({ path: 'TRAILER!!!', mode: 0, inode: 0, size: 0, links: 1, modified: 0 });
  const whole = concatBytes([...parts, trailer]);
  return concatBytes([whole, padding(whole.length, 512)]);
}

function member(entry: CpioEntry, inode: number, modified: number): Uint8Array[] {
  const common = { path: entry.path, inode, modified };
  switch (entry.kind) {
    case 'folder':
      return [header({ ...common, mode: 0o040755, size: 0, links: 2 })];
    case 'file': {
      const mode = entry.executable ? 0o100755 : 0o100644;
      const head = header({ ...common, mode, size: entry.bytes.length, links: 1 });
      return [head, entry.bytes, padding(entry.bytes.length, 4)];
    }
    case 'link': {
      const to = fromText(entry.to);
      return [header({ ...common, mode: 0o120777, size: to.length, links: 1 }), to, padding(to.length, 4)];
    }
    case 'character-device': {
      const device = { major: entry.major, minor: entry.minor };
      return [header({ ...common, mode: 0o020600, size: 0, links: 1, device })];
    }
  }
}

interface Head {
  readonly path: string;
  readonly mode: number;
  readonly inode: number;
  readonly size: number;
  readonly links: number;
  readonly modified: number;
  readonly device?: { readonly major: number; readonly minor: number };
}

/** Magic and thirteen numbers of eight hexadecimal digits, then the name, NUL, padded to four bytes. */
function header(head: Head): Uint8Array {
  const name = fromText(head.path);
  const [owner, group, deviceMajor, deviceMinor, check] = [0, 0, 0, 0, 0];
  const numbers = [
    head.inode,
    head.mode,
    owner,
    group,
    head.links,
    head.modified,
    head.size,
    deviceMajor,
    deviceMinor,
    head.device?.major ?? 0,
    head.device?.minor ?? 0,
    name.length + 1,
    check,
  ];
  const text = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`;
  const bytes = concatBytes([fromText(text), name, new Uint8Array(1)]);
  return concatBytes([bytes, padding(bytes.length, 4)]);
}

function padding(length: number, unit: number): Uint8Array {
  return new Uint8Array((unit - (length % unit)) % unit);
}
