// What publishing needs from the world: the image, packing on all cores, the tree, the catalogue.
import type { CatalogueBootEntry, CatalogueImage, CataloguePackage } from '../api/catalogue.ts';
import type { Descriptor, Digest } from '../base/digest.ts';
import type { ChunkPacker, ContentTree, CutImage, TargetWords } from '../chunk/publish-ports.ts';

/** Port: the signed catalogue of the tree. Nothing is visible before `commit` resolves. */
export interface CatalogueWriter {
  images(): readonly CatalogueImage[];
  packages(): readonly CataloguePackage[];
  bootEntries(): readonly CatalogueBootEntry[];
  addTarget(target: {
    readonly path: string;
    readonly manifest: Descriptor;
    readonly custom: TargetWords;
  }): void;
  commit(): Promise<unknown>;
}

export interface PublishPorts {
  readonly image: CutImage;
  readonly packer: ChunkPacker;
  readonly tree: ContentTree;
  readonly catalogue: CatalogueWriter;
  digestOf(bytes: Uint8Array): Digest;
  unzstd(bytes: Uint8Array, plainBytes: number): Promise<Uint8Array>;
  onProgress?(progress: PublishProgress): void;
}

export interface PublishProgress {
  readonly phase: 'reading' | 'repacking' | 'signing';
  /** Plain bytes done in this phase, and of how many. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}
