// Walks through the image once: what is new goes into chunks on all cores, then what was given up to bound the waste.
import { CHUNK_BYTES, type PackPlan, type PlannedChunk } from '../chunk/chunk.ts';
import type { PublishPorts } from './publish-ports.ts';
import { createWindow } from './publish-window.ts';

/** Cuts the image, packs what is new, then what was given up in order to bound the waste. */
export async function packImage(
  plan: PackPlan,
  ports: PublishPorts,
  options: { readonly maxWaste: number; onNewSlice(): void },
): Promise<{ resumedBytes: number; repackedBytes: number }> {
  const { image, packer, tree } = ports;
  const window = createWindow(packer.width * 2);
  let open = new Uint8Array(CHUNK_BYTES);
  let openBytes = 0;
  let resumedBytes = 0;
  let repackedBytes = 0;

  async function pack(chunk: PlannedChunk, plain: Uint8Array): Promise<void> {
    const key = ports.digestOf(chunk.sliceDigests);
    const recalled = await tree.recall(key);
    if (recalled !== undefined) {
      resumedBytes += recalled.size;
      plan.packed(chunk.id, { ...recalled, plainBytes: chunk.plainBytes });
      return;
    }
    const { digest, bytes } = await packer.pack(plain);
    const descriptor = { digest, size: bytes.length };
    await tree.put(descriptor, bytes);
    tree.remember(key, descriptor);
    plan.packed(chunk.id, { ...descriptor, plainBytes: chunk.plainBytes });
  }
  const close = async (chunk: PlannedChunk | undefined): Promise<void> => {
    if (chunk === undefined) return;
    const plain = open.subarray(0, openBytes);
    open = new Uint8Array(CHUNK_BYTES);
    openBytes = 0;
    await window.run(() => pack(chunk, plain));
  };
  const append = (bytes: Uint8Array): void => {
    open.set(bytes, openBytes);
    openBytes += bytes.length;
  };

  let doneBytes = 0;
  for await (const segment of image.segments()) {
    let at = 0;
    for (const { length, rawDigest } of segment.slices) {
      if (rawDigest === undefined) plan.zero(length);
      else {
        const placement = plan.add(rawDigest, length);
        if (placement.append) {
          options.onNewSlice();
          await close(placement.closed);
          append(segment.bytes.subarray(at, at + length));
        }
      }
      at += length;
    }
    doneBytes += segment.bytes.length;
    ports.onProgress?.({ phase: 'reading', doneBytes, totalBytes: image.imageBytes });
  }
  // What is wasted is measured in stored bytes: so every chunk must have been packed, but the open one.
  await window.drain();
  const repacks = plan.giveUp(options.maxWaste);
  const totalBytes = repacks.reduce((sum, repack) => sum + repack.length, 0);
  for (const repack of repacks) {
    await close(plan.place(repack));
    append(await image.read(repack.offset, repack.length));
    repackedBytes += repack.length;
    ports.onProgress?.({ phase: 'repacking', doneBytes: repackedBytes, totalBytes });
  }
  await close(plan.flush());
  await window.drain();
  return { resumedBytes, repackedBytes };
}
