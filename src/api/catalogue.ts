// What the signed catalogue says about images, packages and boot entries, and which of several versions is the newest.
import * as z from 'zod';
import { DescriptorSchema } from './agent.ts';
import { BOOT_FIRMWARES, BootDescription } from './boot-entry.ts';

/** `custom` of an image's, package's or boot entry's TUF target; the target's own length and SHA-256 are those of the manifest. */
export const ImageTarget = z.object({
  kind: z.enum(['image', 'package', 'boot-entry']),
  name: z.string().max(63),
  version: z.string().max(63),
  /** Plain: of the disk image, or of the package's archive. */
  imageBytes: z.number().int().nonnegative(),
  storedBytes: z.number().int().nonnegative(),
  /** Of a disk image: what it boots on; absent when that could not be told. */
  firmwares: z.array(z.enum(BOOT_FIRMWARES)).max(BOOT_FIRMWARES.length).optional(),
  /** Those of them for which its program bears no signature: firmware that enforces Secure Boot does not start it. */
  unsigned: z.array(z.enum(BOOT_FIRMWARES)).max(BOOT_FIRMWARES.length).optional(),
  /** Of boot entries, and of nothing else. */
  boot: BootDescription.optional(),
});
export type ImageTarget = z.infer<typeof ImageTarget>;

export const CatalogueImage = ImageTarget.omit({ kind: true, boot: true }).extend({
  manifest: DescriptorSchema,
});
export type CatalogueImage = z.infer<typeof CatalogueImage>;
/** A package has the same words; it is kept in a list of its own, so that nobody takes it for a disk. */
export type CataloguePackage = CatalogueImage;
/** Files that travel like a package's, and how a machine starts from them. */
export const CatalogueBootEntry = CatalogueImage.extend({ boot: BootDescription });
export type CatalogueBootEntry = z.infer<typeof CatalogueBootEntry>;

/**
 * Orders versions as people read them: runs of digits by value, everything else letter by letter, so that
 * 1.9 < 1.10, 2026-09 < 2026-10, 12 < 12-2. Negative when `a` is older.
 */
export function compareVersions(a: string, b: string): number {
  const parts = (text: string) => text.match(/\d+|\D+/g) ?? [];
  const [left, right] = [parts(a), parts(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const order = compareParts(left[i], right[i]);
    if (order !== 0) return order;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareParts(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1;
  if (/^\d/.test(a) && /^\d/.test(b)) {
    const [left, right] = [BigInt(a), BigInt(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

/** `name` → its newest version, `name@version` → exactly that one; undefined when the list has none. */
export function findImage<T extends Pick<CatalogueImage, 'name' | 'version'>>(
  images: readonly T[],
  reference: string,
): T | undefined {
  const [name, version] = reference.split('@', 2);
  return images
    .filter((image) => image.name === name && (version === undefined || image.version === version))
    .sort((a, b) => compareVersions(b.version, a.version))[0];
}
