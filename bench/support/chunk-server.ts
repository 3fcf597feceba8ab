// The peer's HTTP service over a chunk store, alone in a process, so that its CPU time can be read from outside.
import { silentLog } from '../../src/base/log.ts';
import { openChunkStore } from '../../src/io/chunk-files.ts';
import { systemClock } from '../../src/io/clock.ts';
import { createOrderedSource } from '../../src/io/ordered-source.ts';
import { createContentService } from '../../src/service/content.ts';
import { testPeer } from '../../test/service/peer.ts';

const [folder = ''] = process.argv.slice(2);
const store = await openChunkStore({ folder, quotaBytes: 1e12, clock: systemClock });
const source = createOrderedSource({ sources: [], clock: systemClock });
const peer = testPeer({ content: createContentService({ store, source, log: silentLog }) });
const { port } = await peer.http.start();
console.log(port);
process.once('SIGTERM', async () => {
  await peer.http.stop();
  await store.close();
});
