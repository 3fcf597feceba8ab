// From the catalogue's entry of a package to its tables, each part proved by the digest that the part before names.
import type { CataloguePackage } from '../api/catalogue.ts';
import type { Descriptor } from '../base/digest.ts';
import { PeerbootError, WireError } from '../base/errors.ts';
import {
  type Manifest,
  parseManifest,
  parseTables,
  type TableDescriptor,
  type Tables,
} from '../chunk/manifest.ts';

export interface PackageTables extends Tables {
  readonly entry: CataloguePackage;
  readonly manifest: Manifest;
}

/** `stored` gives proved bytes. Rejects as it does, or with PB-PACKAGE-UNSAFE. */
export async function readPackageTables(
  entry: CataloguePackage,
  stored: (descriptor: Descriptor) => Promise<Uint8Array>,
  unzstd: (bytes: Uint8Array, plainBytes: number) => Promise<Uint8Array>,
): Promise<PackageTables> {
  const manifest = sound(parseManifest(await stored(entry.manifest)));
  const same =
    manifest.kind === 'package' &&
    manifest.name === entry.name &&
    manifest.version === entry.version &&
    manifest.imageBytes === entry.imageBytes &&
    manifest.storedBytes === entry.storedBytes;
  if (!same) throw unsafe('the manifest is of another package than the catalogue says');
  const table = async ({ digest, size, plainBytes }: TableDescriptor): Promise<Uint8Array> =>
    unzstd(await stored({ digest, size }), plainBytes);
  const { sliceTable, chunkTable } = manifest;
  const tables = sound(parseTables(manifest, await table(sliceTable), await table(chunkTable)));
  return { entry, manifest, ...tables };
}

/** Signed and yet wrong: the fault was made when it was published. */
export function unsafe(what: string): PeerbootError {
  return new PeerbootError('PB-PACKAGE-UNSAFE', what);
}

function sound<T>(value: T | WireError): T {
  if (value instanceof WireError) throw unsafe(value.message);
  return value;
}
