// The line of real processes on equal shaped links, beside one nginx for all, BitTorrent and multicast.
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { startCdn } from '../test/lab/parts.ts';
import { type LineContent, makeLineContent } from '../test/support/line-content.ts';
import { startLineMember } from '../test/support/line-site.ts';
import { createSiteNetwork } from '../test/support/site-network.ts';
import type { Bench, BenchRow } from './bench.ts';
import {
  aria2,
  type Contestant,
  type Course,
  nginxForAll,
  type Race,
  timed,
  udpcast,
} from './support/line-rivals.ts';

const MACHINES = [4, 8];
/** Two cores must carry eight machines that each receive, prove, keep and send at this rate. */
const LINK_MEGABITS = 40;
/** Few beside the hundreds or thousands of a real image: each machine of the line is a chunk behind the one before it. */
const CHUNKS = 160;
const CHUNK_BYTES = 300_000;
const LIMIT_MS = 180_000;
const PRIORITY = -15;

/** Processes are up and see each other before the clock starts: starting Node is not what is measured. */
function ours(content: LineContent): Contestant {
  return (course) =>
    timed(course, async (launch) => {
      const sources = [`http://${course.network.head.address}`];
      const members = await Promise.all(
        course.machines.map((machine, index) =>
          startLineMember(machine, content, { folder: join(course.folder, `got-${index}`), sources }, launch),
        ),
      );
      await Promise.all(members.map((member) => member.sees(members.length - 1, LIMIT_MS)));
      return async () => {
        for (const member of members) member.go();
        await Promise.all(members.map((member) => member.done(LIMIT_MS)));
      };
    });
}

export const bench: Bench = {
  name: 'line',
  about: 'N machines on equal links: time until the last has everything ÷ time that one alone needs',
  async run({ folder, progress }) {
    // Inherited by all contestants: this machine's other work shall not be measured.
    setPriority(PRIORITY);
    const content = makeLineContent(folder, CHUNKS, CHUNK_BYTES);
    const most = Math.max(...MACHINES);
    const network = await createSiteNetwork({
      endpoints: most + 1,
      linkMegabits: LINK_MEGABITS,
      wanMegabits: LINK_MEGABITS,
    });
    try {
      const cdn = await startCdn({ cdnNamespace: network.head.namespace }, folder, content.tree, {
        address: network.head.address,
      });
      const server = network.endpoints[most];
      if (server === undefined) throw new Error('no endpoint is left for the server');
      const race = async (name: string, contestant: Contestant, machines: number): Promise<Race> => {
        const course: Course = {
          network,
          server,
          machines: network.endpoints.slice(0, machines),
          file: content.file,
          bytes: content.bytes,
          folder: join(folder, 'race'),
          linkMegabits: LINK_MEGABITS,
        };
        const result = await contestant(course);
        progress(`${name}, ${machines}: ${result.seconds.toFixed(2)} s`);
        return result;
      };
      try {
        const rows: BenchRow[] = [];
        const line = ours(content);
        // The bound: nothing but one download over the same links, by the plainest of clients.
        const bound = await race('one alone, curl', nginxForAll, 1);
        const alone = await race('one alone, peerboot', line, 1);
        rows.push(row('one machine alone', alone, 'curl', bound, bound));
        for (const machines of MACHINES) {
          const mine = await race('peerboot', line, machines);
          rows.push({
            work: `${machines} machines: WAN bytes ÷ those of one download`,
            ours: mine.wanBytes / bound.wanBytes,
            rival: machines,
            rivalName: 'nginx for all',
            unit: 'copies',
            ratio: mine.wanBytes / bound.wanBytes / machines,
            goal: { bound: 1.02, better: 'below', absolute: true },
          });
          for (const [name, rival] of RIVALS) {
            const theirs = await race(name, rival, machines);
            rows.push({
              ...row(`${machines} machines: last ÷ bound`, mine, name, theirs, bound),
              goal: { bound: 1.1, better: 'below', absolute: true },
            });
          }
        }
        return rows;
      } finally {
        await cdn.stop();
      }
    } finally {
      await network.remove();
    }
  },
};

const RIVALS: readonly (readonly [string, Contestant])[] = [
  ['nginx for all', nginxForAll],
  ['aria2 (BitTorrent)', aria2],
  ['udpcast (multicast)', udpcast],
];

function row(work: string, mine: Race, rivalName: string, theirs: Race, bound: Race): BenchRow {
  return {
    work,
    ours: mine.seconds / bound.seconds,
    rival: theirs.seconds / bound.seconds,
    rivalName,
    unit: '× bound',
    ratio: mine.seconds / theirs.seconds,
  };
}
