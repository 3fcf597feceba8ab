// The driver of lines over real sockets: several nodes of one process on loopback, each with its own address.
import { afterEach, describe, expect, it } from 'vitest';
import { equalBytes } from '../../src/base/bytes.ts';
import { openSite, type TestImage, type TestSite, testImage, testWan } from '../support/site.ts';

let site: TestSite;
afterEach(() => site.stop());

function holdsAll(rows: ReadonlyMap<number, Uint8Array>, image: TestImage): boolean {
  for (let row = 0; row < image.rows; row++) {
    if (!equalBytes(rows.get(row) ?? new Uint8Array(0), image.bytes(row))) return false;
  }
  return true;
}

describe('a line', () => {
  it('of five brings 200 chunks to all of them, byte for byte, with one copy over the WAN', async () => {
    site = openSite();
    const image = testImage(200, 100_000);
    const wan = testWan(image);
    for (let i = 0; i < 5; i++) await site.add();
    await Promise.all(site.members.map((member) => site.fetchAll(member, image, wan)));
    for (const { rows } of site.members) expect(holdsAll(rows.rows, image)).toBe(true);
    expect(wan.bytes).toBe(200 * 100_000);
    const wasted = site.members.map(({ node }) => node.stats().lines[0]?.stats.bytesWasted);
    expect(wasted).toEqual([0, 0, 0, 0, 0]);
  });
});
