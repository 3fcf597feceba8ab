// Where a peer gets what it does not hold: line, then the peers designated before it, then the WAN, never in circles.
import { describe, expect, it } from 'vitest';
import { PeerbootError } from '../../src/base/errors.ts';
import type { ChunkSource, Wanted } from '../../src/chunk/ports.ts';
import { createSiteSource } from '../../src/service/site-source.ts';
import { testChunk } from '../support/chunks.ts';
import { idlePeer } from '../support/idle-peer.ts';
import { logbook } from '../support/logbook.ts';

const { descriptor, bytes } = testChunk(1);
const image = testChunk(2).descriptor.digest;

/** Notes who was asked for what; those named in `failing` do not deliver. */
function world(before: readonly string[], failing: readonly string[] = [], hasLine = false) {
  const asked: { name: string; wanted: Wanted }[] = [];
  const source = (name: string): ChunkSource => ({
    name,
    async fetch(wanted) {
      asked.push({ name, wanted });
      if (failing.includes(name)) throw new PeerbootError('PB-SOURCE-FAILED', `${name} is dead`);
      return bytes;
    },
  });
  const log = logbook();
  const site = createSiteSource({
    lineOf: async () => (hasLine ? source('line') : undefined),
    before: () => before.map((id) => idlePeer(id)),
    peer: ({ id }) => source(id),
    wan: source('wan'),
    log,
  });
  return { site, asked, log, names: () => asked.map(({ name }) => name) };
}

describe('the site as a source', () => {
  it('crosses the WAN where no peer comes before us', async () => {
    const { site, names } = world([]);
    expect(await site.fetch(descriptor)).toEqual(bytes);
    expect(names()).toEqual(['wan']);
  });

  it('asks the designated peer, and tells it to ask nobody again', async () => {
    const { site, asked } = world(['a', 'b']);
    await site.fetch(descriptor);
    expect(asked).toEqual([{ name: 'a', wanted: { ...descriptor, relayed: true } }]);
  });

  it('goes on to the next one when the designated peer fails, at last over the WAN', async () => {
    const { site, names, log } = world(['a', 'b'], ['a', 'b']);
    await site.fetch(descriptor);
    expect(names()).toEqual(['a', 'b', 'wan']);
    expect(log.lines.map(({ message }) => message)).toEqual(['peer did not deliver', 'peer did not deliver']);
  });

  it('never passes on what a peer asks for', async () => {
    const { site, names } = world(['a'], [], true);
    await site.fetch({ ...descriptor, relayed: true, image });
    expect(names()).toEqual(['wan']);
  });

  it('takes a chunk from the line of its image, if that can be joined', async () => {
    const joined = world(['a'], [], true);
    await joined.site.fetch({ ...descriptor, image });
    expect(joined.names()).toEqual(['line']);
    const not = world(['a']);
    await not.site.fetch({ ...descriptor, image });
    expect(not.names()).toEqual(['a']);
  });

  it('hides nothing of our own: an error without a code ends the search', async () => {
    const { site } = world([]);
    const broken = createSiteSource({
      lineOf: async () => undefined,
      before: () => [idlePeer('a')],
      peer: () => ({ name: 'a', fetch: () => Promise.reject(new TypeError('ours')) }),
      wan: site,
      log: logbook(),
    });
    await expect(broken.fetch(descriptor)).rejects.toThrow(TypeError);
  });
});
