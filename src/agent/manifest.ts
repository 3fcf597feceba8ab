// From the name in the plan to the verified tables of the image: catalogue, manifest, slices, chunks.
import type { CatalogueImage } from '../api/catalogue.ts';
import { PeerbootError, WireError } from '../base/errors.ts';
import {
  type Manifest,
  parseManifest,
  parseTables,
  type TableDescriptor,
  type Tables,
} from '../chunk/manifest.ts';
import type { ContentPort, Source } from './ports.ts';

export interface ImageTables extends Tables {
  readonly manifest: Manifest;
}

/** The image as the signed catalogue has it; PB-IMAGE-UNKNOWN when it has none of that name and version. */
export async function findImage(
  content: ContentPort,
  source: Source,
  wanted: { readonly name: string; readonly version: string },
): Promise<CatalogueImage> {
  const images = await content.images(source);
  const image = images.find(({ name, version }) => name === wanted.name && version === wanted.version);
  if (image !== undefined) return image;
  throw new PeerbootError(
    'PB-IMAGE-UNKNOWN',
    `the signed catalogue has no ${wanted.name} ${wanted.version}; it has ${listOf(images)}`,
  );
}

function listOf(images: readonly CatalogueImage[]): string {
  const names = images.slice(0, 5).map(({ name, version }) => `${name} ${version}`);
  return names.length === 0 ? 'no image' : names.join(', ') + (images.length > 5 ? ', …' : '');
}

/** Fetches what describes the image, each part proved by the digest that the part before names. */
export async function fetchTables(
  content: ContentPort,
  source: Source,
  image: CatalogueImage,
): Promise<ImageTables> {
  const manifest = sound(parseManifest(await source.fetch(image.manifest)));
  const same =
    manifest.name === image.name &&
    manifest.version === image.version &&
    manifest.imageBytes === image.imageBytes;
  if (!same) sound(new WireError('the manifest is of another image than the catalogue says'));
  const table = async ({ digest, size, plainBytes }: TableDescriptor): Promise<Uint8Array> =>
    content.unpack(await source.fetch({ digest, size }), plainBytes);
  const { sliceTable, chunkTable } = manifest;
  return { manifest, ...sound(parseTables(manifest, await table(sliceTable), await table(chunkTable))) };
}

/** Signed and yet wrong: the fault was made when it was published. */
function sound<T>(value: T | WireError): T {
  if (value instanceof WireError) throw new PeerbootError('PB-IMAGE-INCONSISTENT', value.message);
  return value;
}
