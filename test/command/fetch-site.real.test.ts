// Endpoints of one site fetch a package at once, as real processes in namespaces: one copy crosses the WAN, all get the whole.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applicationFiles, makeFolder, readFolder } from '../support/folder.ts';
import { publishInto } from '../support/publish.ts';
import { createSiteNetwork, type SiteEndpoint, type SiteNetwork } from '../support/site-network.ts';
import { until } from '../support/until.ts';

const PEERBOOT = fileURLToPath(new URL('../../bin/peerboot.js', import.meta.url));

let home: string;
let network: SiteNetwork;
let origin: ChildProcess;
let storedBytes: number;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'peerboot-fetch-site-'));
  const source = makeFolder(join(home, 'source'), applicationFiles(230, 200_000, 3));
  ({ storedBytes } = await publishInto(home, source, { name: 'app', kind: 'package' }));
  const other = makeFolder(join(home, 'other-source'), { readme: 'something else' });
  await publishInto(home, other, { name: 'other', kind: 'package' });
  network = await createSiteNetwork({ endpoints: 3, wanMegabits: 80 });
  const words = ['netns', 'exec', network.head.namespace, 'busybox', 'httpd', '-f', '-p', '80', '-h'];
  origin = spawn('ip', [...words, join(home, 'tree')], { stdio: 'ignore' });
});
afterAll(async () => {
  origin?.kill('SIGKILL');
  await network?.remove();
  rmSync(home, { recursive: true, force: true });
});

interface Receipt {
  readonly bytes: { readonly peers: number; readonly origin: number };
  readonly seconds: number;
}

interface Fetching {
  readonly child: ChildProcess;
  readonly lines: { readonly event?: string; readonly receipt?: Receipt; readonly heldBytes?: number }[];
  readonly ended: Promise<number | null>;
}

function fetchAt(endpoint: SiteEndpoint, folder: string, ...more: string[]): Fetching {
  return fetchPackageAt('app', endpoint, folder, ...more);
}

function fetchPackageAt(
  name: string,
  { namespace }: SiteEndpoint,
  folder: string,
  ...more: string[]
): Fetching {
  const words = [
    ...['netns', 'exec', namespace, process.execPath, PEERBOOT, 'fetch', name, join(home, folder)],
    ...['--origin', `http://${network.head.address}`, '--state', join(home, `${folder}-state`), '--json'],
    ...['--root', join(home, 'tree/catalogue/1.root.json'), ...more],
  ];
  const child = spawn('ip', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: Fetching['lines'] = [];
  let rest = '';
  child.stdout?.on('data', (data: Buffer) => {
    const parts = (rest + data).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts.map((line) => JSON.parse(line)));
  });
  return { child, lines, ended: new Promise((resolve) => child.on('close', resolve)) };
}

function receiptOf({ lines }: Fetching): Receipt {
  const { receipt } = lines.find(({ event }) => event === 'done') ?? {};
  if (receipt === undefined) throw new Error(JSON.stringify(lines.slice(-5)));
  return receipt;
}

describe('a site that fetches a package', () => {
  it('takes about one copy over the WAN for all who fetch at once', async () => {
    const before = await network.wanBytes();
    const all = network.endpoints.map((endpoint, i) => fetchAt(endpoint, `at-once-${i}`));
    await Promise.all(all.map(({ ended }) => ended));
    const receipts = all.map(receiptOf);
    const source = readFolder(join(home, 'source'));
    for (let i = 0; i < all.length; i++) expect(readFolder(join(home, `at-once-${i}`))).toEqual(source);
    const fromPeers = receipts.reduce((sum, { bytes }) => sum + bytes.peers, 0);
    // Two may cross for as long as they do not know of each other, on a busy machine for a window of chunks.
    expect(fromPeers).toBeGreaterThan(1.4 * storedBytes);
    expect((await network.wanBytes()) - before).toBeLessThan(1.7 * storedBytes);
  }, 60_000);

  it('is not held up by endpoints that fetch something else, whoever is to cross the WAN', async () => {
    const [one, two, three] = network.endpoints as [SiteEndpoint, SiteEndpoint, SiteEndpoint];
    const others = [one, two].map((endpoint, i) =>
      fetchPackageAt('other', endpoint, `other-${i}`, '--keep-serving', '60'),
    );
    const isDone = ({ lines }: Fetching) => lines.some(({ event }) => event === 'done');
    await until(() => others.every(isDone), { timeoutMs: 20_000, what: 'the others have theirs' });
    const ours = fetchAt(three, 'beside');
    await ours.ended;
    expect(receiptOf(ours).seconds).toBeLessThan(15);
    for (const { child, ended } of others) {
      child.kill('SIGTERM');
      expect(await ended).toBe(128 + 15);
    }
  }, 60_000);

  it('goes on when the one that crosses the WAN is killed', async () => {
    const all = network.endpoints.map((endpoint, i) => fetchAt(endpoint, `killed-${i}`));
    const half = ({ lines }: Fetching) => lines.some(({ heldBytes = 0 }) => heldBytes > storedBytes / 3);
    const crossing = ({ lines }: Fetching) =>
      lines.some((line) => JSON.stringify(line).includes('"feeder":"http'));
    await until(() => all.some(half) && all.some(crossing), { timeoutMs: 20_000, what: 'a third is there' });
    const victim = all.findIndex(crossing);
    all[victim]?.child.kill('SIGKILL');
    const left = all.filter((_, i) => i !== victim);
    await Promise.all(left.map(({ ended }) => ended));
    for (const one of left)
      expect(receiptOf(one).bytes.origin + receiptOf(one).bytes.peers).toBeGreaterThan(0);
    const again = fetchAt(network.endpoints[victim] as SiteEndpoint, `killed-${victim}`);
    await again.ended;
    expect(receiptOf(again).bytes.origin + receiptOf(again).bytes.peers).toBeLessThan(storedBytes);
    expect(readFolder(join(home, `killed-${victim}`))).toEqual(readFolder(join(home, 'source')));
  }, 60_000);
});
