// Which names and versions of images and packages are allowed: safe in a path, a URL, a kernel command line and on a screen.
import { WireError } from '../base/errors.ts';

/** Lower case, so that no two images differ by case only on a file system that folds it. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const VERSION = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export interface ImageName {
  readonly name: string;
  readonly version: string;
}

export function isImageName(text: string): boolean {
  return NAME.test(text);
}

export function isImageVersion(text: string): boolean {
  return VERSION.test(text);
}

/** A disk image for machines, or files for endpoints. */
export const CONTENT_KINDS = ['image', 'package'] as const;
export type ContentKind = (typeof CONTENT_KINDS)[number];

/** Path of a package's manifest among the targets of the signed catalogue. */
export function packageTargetPath({ name, version }: ImageName): string {
  return `packages/${name}/${version}.json`;
}

/** Reads `packages/<name>/<version>.json`; undefined for any other path. */
export function parsePackageTargetPath(path: string): ImageName | undefined {
  return path.startsWith('packages/')
    ? parseImageTargetPath(path.replace(/^packages\//, 'images/'))
    : undefined;
}

/** Path of the image's manifest among the targets of the signed catalogue. */
export function imageTargetPath({ name, version }: ImageName): string {
  return `images/${name}/${version}.json`;
}

/** Reads `images/<name>/<version>.json`; undefined for any other path. */
export function parseImageTargetPath(path: string): ImageName | undefined {
  const match = /^images\/([^/]+)\/([^/]+)\.json$/.exec(path);
  const [name, version] = [match?.[1] ?? '', match?.[2] ?? ''];
  return isImageName(name) && isImageVersion(version) ? { name, version } : undefined;
}

/** Reads `name` (any version: undefined) or `name@version`. */
export function parseImageReference(
  text: string,
): { readonly name: string; readonly version: string | undefined } | WireError {
  const at = text.indexOf('@');
  const name = at < 0 ? text : text.slice(0, at);
  const version = at < 0 ? undefined : text.slice(at + 1);
  if (!isImageName(name)) return new WireError(`not an image name: ${JSON.stringify(name)}`);
  if (version !== undefined && !isImageVersion(version)) {
    return new WireError(`not an image version: ${JSON.stringify(version)}`);
  }
  return { name, version };
}
