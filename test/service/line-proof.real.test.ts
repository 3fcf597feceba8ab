// Proving by another thread: chunks leave their buffers meanwhile, come back, and can be lost with the thread.
import { afterEach, describe, expect, it } from 'vitest';
import { equalBytes } from '../../src/base/bytes.ts';
import type { ChunkHash } from '../../src/chunk/ports.ts';
import { createHashThread } from '../../src/io/hash-thread.ts';
import { allRows, openSite, type TestSite, testImage, testWan } from '../support/site.ts';

let site: TestSite;
afterEach(() => site.stop());

/** A target that has fetched all of the image from the one that holds it, proving it so. */
async function fetched(hash: ChunkHash) {
  site = openSite();
  const image = testImage(40, 50_000);
  const holder = await site.add({ rows: allRows(image) });
  site.join(holder, image, testWan(image));
  site.announce();
  const target = await site.add({ node: { hash } });
  site.designate(holder.id);
  await site.fetchAll(target, image, testWan(image));
  const right = [...target.rows.rows].filter(([row, bytes]) => equalBytes(bytes, image.bytes(row)));
  const stats = target.node.stats().lines[0]?.stats;
  return { right: right.length, corrupt: stats?.corrupt, wasted: stats?.bytesWasted };
}

describe('chunks that another thread proves', () => {
  it('are kept byte for byte, each fetched once', async () => {
    const thread = createHashThread({ processors: 4 });
    expect(await fetched(thread.hash)).toEqual({ right: 40, corrupt: 0, wasted: 0 });
    await thread.close();
  });

  it('are fetched again when they are lost with the thread, and nobody is blamed', async () => {
    const thread = createHashThread({ processors: 4 });
    let asked = 0;
    const dying: ChunkHash = (bytes) => {
      const hashed = thread.hash(bytes);
      return ++asked === 7 ? Promise.reject(new Error('the thread died')) : hashed;
    };
    expect(await fetched(dying)).toEqual({ right: 40, corrupt: 0, wasted: 50_000 });
    await thread.close();
  });
});
