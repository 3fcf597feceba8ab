// Child of the kill test: puts chunks, eight at a time, and says each one's seed only after its put has resolved.
import { writeSync } from 'node:fs';
import { openChunkStore } from '../../src/io/chunk-files.ts';
import { systemClock } from '../../src/io/clock.ts';
import { killTestChunk } from '../support/chunks.ts';

const [folder = '', firstSeed = '0'] = process.argv.slice(2);
const say = (line: string) => writeSync(1, `${line}\n`);

async function run(): Promise<void> {
  let seed = Number(firstSeed);
  for (;;) {
    const store = await openChunkStore({ folder, quotaBytes: 1e12, clock: systemClock });
    say('open');
    const putter = async (count: number) => {
      for (let i = 0; i < count; i++) {
        const mine = seed++;
        const { descriptor, bytes } = killTestChunk(mine);
        await store.put(descriptor, bytes);
        say(`ack ${mine}`);
      }
    };
    await Promise.all(Array.from({ length: 8 }, () => putter(4)));
    // Closing writes the index: a kill may fall into that, and into the opening after it.
    await store.close();
  }
}

say('warm');
process.stdin.once('data', () => {
  process.stdin.pause();
  void run();
});
