// Which names and versions of images, packages and boot entries are allowed: safe in a path, a URL, a kernel command line and on a screen.
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

/** A disk image for machines, files for endpoints, or files that a machine starts from. */
export const CONTENT_KINDS = ['image', 'package', 'boot-entry'] as const;
export type ContentKind = (typeof CONTENT_KINDS)[number];

/** A path of one kind does not parse as another, so they can never be mistaken for each other. */
const FOLDERS: Readonly<Record<ContentKind, string>> = {
  image: 'images',
  package: 'packages',
  'boot-entry': 'boot-entries',
};

/** Path of the manifest among the targets of the signed catalogue: `images/till/2026-11.json`. */
export function targetPath(kind: ContentKind, { name, version }: ImageName): string {
  return `${FOLDERS[kind]}/${name}/${version}.json`;
}

/** Reads what `targetPath` writes for this kind; undefined for any other path. */
export function parseTargetPath(kind: ContentKind, path: string): ImageName | undefined {
  const [folder, name = '', file = '', ...more] = path.split('/');
  const version = file.replace(/\.json$/, '');
  const ours = folder === FOLDERS[kind] && version !== file && more.length === 0;
  return ours && isImageName(name) && isImageVersion(version) ? { name, version } : undefined;
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
