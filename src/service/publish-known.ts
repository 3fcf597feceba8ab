// What the tree has already: which images are worth looking at, and their tables.
import { type CatalogueImage, compareVersions } from '../api/catalogue.ts';
import type { Descriptor } from '../base/digest.ts';
import { PeerbootError, WireError } from '../base/errors.ts';
import { parseManifest, parseTables, type TableDescriptor, type Tables } from '../chunk/manifest.ts';
import type { ImageName } from '../chunk/names.ts';
import type { PublishPorts } from './publish-ports.ts';

/** Versions of other images are looked at too, but only their newest: a till and a kiosk share most of Debian. */
const VERSIONS_OF_SAME_NAME = 4;

/**
 * The images whose slices may be shared, the most useful first: this very version (published again), the newest
 * versions of the same image, then the newest one of every other image, then of what is of the other kind: an
 * application may be a part of an image, but a package and an image of one name need have nothing to do with each other.
 */
export function choosePredecessors(
  wanted: ImageName,
  sameKind: readonly CatalogueImage[],
  otherKind: readonly CatalogueImage[] = [],
): readonly CatalogueImage[] {
  return [...ofOneKind(wanted, sameKind), ...ofOneKind(undefined, otherKind)];
}

function ofOneKind(wanted: ImageName | undefined, images: readonly CatalogueImage[]): CatalogueImage[] {
  const { name, version } = wanted ?? {};
  const newestFirst = images.toSorted((a, b) => compareVersions(b.version, a.version));
  const same = newestFirst.filter((image) => image.name === name);
  const self = same.filter((image) => image.version === version);
  const earlier = same.filter((image) => image.version !== version).slice(0, VERSIONS_OF_SAME_NAME);
  const others = newestFirst
    .filter((image, i) => image.name !== name && newestFirst.findIndex((n) => n.name === image.name) === i)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return [...self, ...earlier, ...others];
}

/** The tables of an image in the tree; rejects with PB-TREE-DAMAGED when they are not whole. */
export async function readTables(image: CatalogueImage, ports: PublishPorts): Promise<Tables> {
  const broken = (what: string, cause?: unknown) =>
    new PeerbootError('PB-TREE-DAMAGED', `${image.name}@${image.version}: ${what}`, { cause });
  const value = <T>(result: T | WireError): T => {
    if (result instanceof WireError) throw broken(result.message, result);
    return result;
  };
  const load = async (descriptor: Descriptor): Promise<Uint8Array> => {
    const bytes = await ports.tree.get(descriptor);
    if (bytes === undefined) throw broken(`${descriptor.digest} is missing from the tree`);
    return bytes;
  };
  const manifest = value(parseManifest(await load(image.manifest)));
  const { sliceTable, chunkTable } = manifest;
  const table = async (packed: TableDescriptor) => ports.unzstd(await load(packed), packed.plainBytes);
  return value(parseTables(manifest, await table(sliceTable), await table(chunkTable)));
}
