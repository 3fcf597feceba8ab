// Publishing an image, a package or a boot entry: cut → digest → plan → pack → keep → sign; the catalogue names it only when all of it is durable.
import { BootDescription, type BootFirmware } from '../api/boot-entry.ts';
import type { CatalogueImage } from '../api/catalogue.ts';
import type { Descriptor } from '../base/digest.ts';
import { PeerbootError } from '../base/errors.ts';
import { PackPlan, type PlanSummary } from '../chunk/chunk.ts';
import {
  encodeManifest,
  MANIFEST_FORMAT,
  type Manifest,
  SliceTable,
  type TableDescriptor,
  type Tables,
} from '../chunk/manifest.ts';
import {
  CONTENT_KINDS,
  type ContentKind,
  type ImageName,
  isImageName,
  isImageVersion,
  targetPath,
} from '../chunk/names.ts';
import { type ImageFirmwares, imageFirmwares } from './image-firmwares.ts';
import { choosePredecessors, readTables } from './publish-known.ts';
import { packImage } from './publish-pack.ts';
import type { PublishPorts } from './publish-ports.ts';

export interface PublishRequest extends ImageName {
  readonly kind?: ContentKind;
  /** Of boot entries. */
  readonly boot?: BootDescription | undefined;
  /** Of disk images: what they boot on, with Secure Boot, too; read from the image unless told. */
  readonly firmwares?: readonly BootFirmware[] | undefined;
  /** How much of the stored bytes may be of no use to a site that has no earlier version; 0.25: a quarter. */
  readonly maxWaste: number;
}

/** `firmwares` and `unsigned` are empty when they cannot be told, and of other content than disk images. */
export interface PublishSummary extends PlanSummary, ImageFirmwares {
  /** False when the catalogue named exactly this image already. */
  readonly changed: boolean;
  /** Of `newBytes`, what an interrupted run had packed already. */
  readonly resumedBytes: number;
  /** Slices whose old chunk was given up, in plain bytes. */
  readonly repackedBytes: number;
  /** Stored bytes of both tables and the manifest. */
  readonly tableBytes: number;
  readonly manifest: Descriptor;
}

/**
 * Publishes the image, package or boot entry as `name@version`. The same image again changes nothing; another image under a version that
 * exists rejects with PB-VERSION-EXISTS. A run that is cut off leaves the catalogue as it was, and the next one
 * packs only what is missing.
 */
export async function publish(request: PublishRequest, ports: PublishPorts): Promise<PublishSummary> {
  requireImageName(request);
  const plan = new PackPlan();
  const { kind = 'image' } = request;
  const lists = {
    image: ports.catalogue.images(),
    package: ports.catalogue.packages(),
    'boot-entry': ports.catalogue.bootEntries(),
  } satisfies Record<ContentKind, readonly CatalogueImage[]>;
  const published: readonly CatalogueImage[] = lists[kind];
  const others = CONTENT_KINDS.filter((one) => one !== kind).flatMap(
    (one): readonly CatalogueImage[] => lists[one],
  );
  const existing = published.find(isVersion(request));
  let existingTables: Tables | undefined;
  for (const image of choosePredecessors(request, published, others)) {
    const tables = await readTables(image, ports);
    plan.know(tables.slices, tables.chunks, (row) => ports.tree.has(row));
    if (image === existing) existingTables = tables;
  }
  const before = lists['boot-entry'].find((entry) => entry === existing)?.boot;
  if (before !== undefined && !isSameStart(before, request.boot)) {
    const what = `${request.name}@${request.version} is published already, and starts in another way`;
    throw new PeerbootError('PB-VERSION-EXISTS', what);
  }
  if (existing !== undefined && request.firmwares !== undefined) requireSame(existing, request.firmwares);
  const isWhole = existingTables?.chunks.every((row) => ports.tree.has(row)) ?? false;
  const otherImage = () =>
    new PeerbootError(
      'PB-VERSION-EXISTS',
      `${request.name}@${request.version} is published already, with another content`,
    );

  const packed = await packImage(plan, ports, {
    // Every slice of the published image is stored, so one that is not belongs to another image.
    onNewSlice: () => {
      if (isWhole) throw otherImage();
    },
    maxWaste: isWhole ? Number.POSITIVE_INFINITY : request.maxWaste,
  });
  await ports.image.confirm?.();
  const tables = plan.tables();
  if (existingTables !== undefined && !existingTables.slices.isSameImage(new SliceTable(tables.slices))) {
    throw otherImage();
  }
  ports.onProgress?.({ phase: 'signing', doneBytes: 0, totalBytes: 1 });
  const kept = await keepTables({ ...request, kind }, plan, ports);
  const { firmwares, unsigned } = await firmwaresOf(request, existing, ports);
  addToCatalogue(kept, { boot: request.boot, firmwares, unsigned }, ports);
  await ports.catalogue.commit();
  ports.tree.forget();
  return {
    ...plan.summary(),
    ...packed,
    tableBytes: kept.tableBytes,
    manifest: kept.descriptor,
    firmwares,
    unsigned,
    changed: existing?.manifest.digest !== kept.descriptor.digest,
  };
}

function isVersion({ name, version }: ImageName): (image: ImageName) => boolean {
  return (image) => image.name === name && image.version === version;
}

function requireImageName({ name, version }: ImageName): void {
  if (!isImageName(name) || !isImageVersion(version)) {
    throw new PeerbootError(
      'PB-IMAGE-NAME',
      `${JSON.stringify(name)} at ${JSON.stringify(version)} cannot be published`,
    );
  }
}
interface Kept {
  readonly manifest: Manifest;
  readonly descriptor: Descriptor;
  readonly tableBytes: number;
}

/** Makes the tables and the manifest, and keeps them like chunks. */
async function keepTables(
  { kind, name, version }: ImageName & { readonly kind: ContentKind },
  plan: PackPlan,
  { packer, tree, digestOf }: PublishPorts,
): Promise<Kept> {
  const keep = async (plain: Uint8Array, rows: number): Promise<TableDescriptor> => {
    const plainBytes = plain.length;
    const { digest, bytes } = await packer.pack(plain);
    await tree.put({ digest, size: bytes.length }, bytes);
    return { digest, size: bytes.length, rows, plainBytes };
  };
  const tables = plan.tables();
  const { imageBytes, storedBytes } = plan.summary();
  const manifest: Manifest = {
    format: MANIFEST_FORMAT,
    kind,
    name,
    version,
    imageBytes,
    storedBytes,
    sliceTable: await keep(tables.slices, tables.sliceRows),
    chunkTable: await keep(tables.chunks, tables.chunkRows),
  };
  const bytes = encodeManifest(manifest);
  const descriptor = { digest: digestOf(bytes), size: bytes.length };
  await tree.put(descriptor, bytes);
  const tableBytes = manifest.sliceTable.size + manifest.chunkTable.size + bytes.length;
  return { manifest, descriptor, tableBytes };
}

/** As told, now or when it was first published; else as the image says. */
async function firmwaresOf(
  { kind = 'image', firmwares }: PublishRequest,
  existing: CatalogueImage | undefined,
  { image }: PublishPorts,
): Promise<ImageFirmwares> {
  if (kind !== 'image') return { firmwares: [], unsigned: [] };
  if (firmwares !== undefined) return { firmwares, unsigned: [] };
  if (existing?.firmwares !== undefined) {
    return { firmwares: existing.firmwares, unsigned: existing.unsigned ?? [] };
  }
  return imageFirmwares((offset, length) => image.read(offset, length), image.imageBytes);
}

function requireSame(
  { name, version, firmwares = [], unsigned = [] }: CatalogueImage,
  told: readonly BootFirmware[],
): void {
  const isSame = isSameSet(firmwares, told);
  if (isSame && unsigned.length === 0) return;
  const but = isSame ? 'as one that Secure Boot does not start' : 'to boot on other firmware';
  throw new PeerbootError('PB-VERSION-EXISTS', `${name}@${version} is published already, and signed ${but}`);
}

function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  return new Set(one).size === new Set(other).size && one.every((word) => other.includes(word));
}

function addToCatalogue(
  kept: Kept,
  { boot, firmwares, unsigned }: Pick<PublishRequest, 'boot'> & ImageFirmwares,
  { catalogue }: PublishPorts,
): void {
  const { kind, name, version, imageBytes, storedBytes } = kept.manifest;
  catalogue.addTarget({
    path: targetPath(kind, { name, version }),
    manifest: kept.descriptor,
    custom: {
      ...{ kind, name, version, imageBytes, storedBytes },
      ...(firmwares.length === 0 ? {} : { firmwares: [...firmwares] }),
      ...(unsigned.length === 0 ? {} : { unsigned: [...unsigned] }),
      ...(boot === undefined ? {} : { boot }),
    },
  });
}

/** The files themselves are compared by their slices. */
function isSameStart(one: BootDescription, other: BootDescription | undefined): boolean {
  const words = (boot: BootDescription | undefined) =>
    JSON.stringify(boot === undefined ? undefined : BootDescription.parse({ ...boot, files: one.files }));
  return words(one) === words(other);
}
