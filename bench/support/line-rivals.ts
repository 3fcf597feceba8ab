// The rivals of the line: everybody from one nginx, BitTorrent (aria2), multicast (udpcast), each on the same links.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Running, start } from '../../test/lab/process.ts';
import type { Launch } from '../../test/support/line-site.ts';
import type { SiteEndpoint, SiteNetwork } from '../../test/support/site-network.ts';
import { torrentOf } from './torrent.ts';

export interface Course {
  readonly network: SiteNetwork;
  /** Machines that are to have the content. */
  readonly machines: readonly SiteEndpoint[];
  /** A further endpoint of the site, with the same link: the source for those who know no other than the own network. */
  readonly server: SiteEndpoint;
  /** The content as one file, and its bytes. */
  readonly file: string;
  readonly bytes: Uint8Array;
  /** Empty at the start of each race, and removed after it. */
  readonly folder: string;
  readonly linkMegabits: number;
}

export interface Race {
  /** Until the last machine had all of it. */
  readonly seconds: number;
  /** What came down the WAN line, headers and all. */
  readonly wanBytes: number;
}

export type Contestant = (course: Course) => Promise<Race>;

/** No race takes longer than this: a contestant that hangs is ended, and the benchmark says so. */
const LIMIT_MS = 180_000;

/** Times what `race` does, in an empty folder; processes started with `launch` are ended afterwards. */
export async function timed(
  course: Course,
  prepare: (launch: Launch) => Promise<() => Promise<unknown>>,
): Promise<Race> {
  const { network, folder } = course;
  mkdirSync(folder, { recursive: true });
  const started: Running[] = [];
  const launch: Launch = (at, command, ...words) => {
    const process = start(command, words, { namespace: at.namespace, cwd: folder });
    started.push(process);
    return process;
  };
  try {
    const race = await prepare(launch);
    const before = await network.wanBytes();
    const began = performance.now();
    await race();
    const seconds = (performance.now() - began) / 1000;
    return { seconds, wanBytes: (await network.wanBytes()) - before };
  } finally {
    await Promise.all(started.map((process) => process.stop('SIGKILL')));
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function succeeds(process: Running): Promise<void> {
  const limit = setTimeout(() => void process.stop('SIGKILL'), LIMIT_MS);
  const status = await process.exited;
  clearTimeout(limit);
  if (status !== 0) throw new Error(`ended with ${status}: ${process.log.lines.slice(-5).join('\n')}`);
}

export function says(process: Running, what: RegExp): Promise<string> {
  return process.log.waitFor((line) => (what.test(line) ? line : undefined), {
    timeoutMs: LIMIT_MS,
    what: String(what),
  });
}

/** Every machine by itself from the head office's web server, as imaging without peers does. */
export const nginxForAll: Contestant = (course) =>
  timed(course, async (launch) => {
    const url = `http://${course.network.head.address}/content`;
    const fetch = (machine: SiteEndpoint, index: number) =>
      succeeds(launch(machine, 'curl', '-sS', '--fail', '-o', join(course.folder, `got-${index}`), url));
    return () => Promise.all(course.machines.map(fetch));
  });

const TRACKER = fileURLToPath(new URL('tracker.ts', import.meta.url));
const TRACKER_PORT = 6969;
/** What makers of torrents choose for a hundred megabytes. */
const PIECE_BYTES = 256 * 1024;

/** BitTorrent: a seeder and a tracker at head office, everybody told of everybody, so that it finds everybody at once. */
export const aria2: Contestant = (course) =>
  timed(course, async (launch) => {
    const { head } = course.network;
    await says(launch(head, process.execPath, TRACKER, String(TRACKER_PORT)), /listening/);
    const torrent = join(course.folder, 'content.torrent');
    const announce = `http://${head.address}:${TRACKER_PORT}/announce`;
    writeFileSync(torrent, torrentOf('content', course.bytes, { pieceBytes: PIECE_BYTES, announce }));
    // aria2's own lines come once a second: that would be counted against it.
    const hook = join(course.folder, 'hook');
    writeFileSync(hook, '#!/bin/sh\necho all is here\n', { mode: 0o755 });
    const client = (at: SiteEndpoint, folder: string, ...more: string[]) =>
      launch(
        at,
        'aria2c',
        ...['--no-conf', '--enable-dht=false', '--bt-enable-lpd=false', '--file-allocation=none'],
        ...['--seed-ratio=0', '--summary-interval=0', '--console-log-level=notice', '--enable-color=false'],
        ...['--bt-tracker-interval=1', '--bt-max-peers=0', `--dir=${folder}`],
        ...[`--on-bt-download-complete=${hook}`, ...more, torrent],
      );
    const seeder = client(head, dirname(course.file), '--check-integrity=true');
    await says(seeder, /Verification finished successfully/);
    return () =>
      Promise.all(
        course.machines.map((machine, index) => {
          const folder = join(course.folder, `got-${index}`);
          return says(client(machine, folder), /all is here/);
        }),
      );
  });

/** Of the link's rate: what is left for the payload when headers are paid, and a little for retransmissions. */
const UDPCAST_SHARE = 0.94;

/** Multicast from one endpoint of the site to all others, told the rate of the links: it has no way to find out. */
export const udpcast: Contestant = (course) =>
  timed(course, async (launch) => {
    const receivers = course.machines.map((machine, index) =>
      launch(
        machine,
        'udp-receiver',
        ...['--nokbd', '--no-progress', '--interface', 'eth0', '--file', join(course.folder, `got-${index}`)],
      ),
    );
    const bitrate = `${Math.round(course.linkMegabits * UDPCAST_SHARE * 1000)}k`;
    return async () => {
      const sender = launch(
        course.server,
        'udp-sender',
        ...['--nokbd', '--interface', 'eth0', '--file', course.file],
        ...['--min-receivers', String(receivers.length), '--full-duplex', '--max-bitrate', bitrate],
      );
      await Promise.all([sender, ...receivers].map(succeeds));
    };
  });
