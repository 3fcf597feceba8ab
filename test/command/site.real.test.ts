// Three real peers in a site of namespaces: replicas over one WAN copy, limit, pause across a restart, repair, the last copy.
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PeerFacts, SiteView } from '../../src/api/site.ts';
import { type Running, start } from '../lab/process.ts';
import { checkIn } from '../service/peer.ts';
import { publishInto } from '../support/publish.ts';
import { createSiteNetwork, type SiteEndpoint, type SiteNetwork } from '../support/site-network.ts';
import { until } from '../support/until.ts';

const PEERBOOT = fileURLToPath(new URL('../../bin/peerboot.js', import.meta.url));
const TOKEN = 'a-token-for-this-test-alone';
const MIB = 1 << 20;
const LIMIT = MIB;

let network: SiteNetwork;
let folder: string;
let storedBytes: number;
const running = new Map<SiteEndpoint, Running>();
const others: Running[] = [];
const at = (name: string) => join(folder, name);
const peer = (index: number) => network.endpoints[index] as SiteEndpoint;

async function up(endpoint: SiteEndpoint): Promise<void> {
  const words = ['--interface', 'eth0', '--root', at('root.json'), '--assets', at('assets')];
  const origin = ['--origin', `http://${network.head.address}`];
  const state = ['--state', at(endpoint.address), '--site', 'shop', '--json'];
  const program = start(process.execPath, [PEERBOOT, 'up', ...words, ...origin, ...state], {
    namespace: endpoint.namespace,
    env: { PEERBOOT_ADMIN_TOKEN: TOKEN, PEERBOOT_REPLICA_GRACE_SECONDS: '3', PEERBOOT_QUOTA_BYTES: '200M' },
  });
  running.set(endpoint, program);
  await program.log.waitFor((line) => (line.includes('"peerboot ready"') ? true : undefined), {
    timeoutMs: 30_000,
    what: 'a peer is ready',
  });
}

/** Runs `peerboot <words>` beside this peer to its end. */
async function peerboot(endpoint: SiteEndpoint, ...words: string[]) {
  const run = start(process.execPath, [PEERBOOT, ...words], {
    namespace: endpoint.namespace,
    env: { PEERBOOT_ADMIN_TOKEN: TOKEN },
  });
  const status = await run.exited;
  return { status, lines: run.log.lines, json: () => JSON.parse(run.log.lines.at(-1) ?? '') as never };
}

async function facts(endpoint: SiteEndpoint): Promise<PeerFacts> {
  const run = start('curl', ['-sS', '-m', '10', `http://${endpoint.address}:8067/site/v1/lines`], {
    namespace: endpoint.namespace,
  });
  await run.exited;
  return PeerFacts.parse(JSON.parse(run.log.lines.join('')));
}

const alive = () => [...running.keys()];
/** Of the image: a peer that starts asks for the catalogue in any case. */
const wanBytes = async () => {
  const all = await Promise.all(alive().map(facts));
  return all
    .flatMap(({ wan }) => wan.filter(({ title }) => title === 'till 1'))
    .reduce((sum, { bytes }) => sum + bytes, 0);
};
const holders = async () => {
  const all = await Promise.all(
    alive().map(async (endpoint) => ({ endpoint, facts: await facts(endpoint) })),
  );
  return all
    .filter(({ facts: { replicas } }) => replicas.some(({ held, rows }) => rows > 0 && held === rows))
    .map(({ endpoint }) => endpoint);
};
const pass = (ms: number) => {
  const from = performance.now();
  return until(() => performance.now() - from >= ms, { timeoutMs: ms + 1_000, what: 'time passes' });
};

beforeAll(async () => {
  network = await createSiteNetwork({ endpoints: 3 });
  folder = mkdtempSync(join(tmpdir(), 'peerboot-site-'));
  mkdirSync(at('assets'));
  for (const name of ['undionly.kpxe', 'snponly.efi', 'vmlinuz', 'initramfs.img']) {
    writeFileSync(join(at('assets'), name), name.repeat(100));
  }
  const summary = await publishInto(folder, randomBytes(24 * MIB), { version: '1', name: 'till' });
  storedBytes = summary.storedBytes;
  copyFileSync(join(at('tree'), 'catalogue', '1.root.json'), at('root.json'));
  const httpd = ['httpd', '-f', '-p', `${network.head.address}:80`, '-h', at('tree')];
  others.push(start('busybox', httpd, { namespace: network.head.namespace }));
  await Promise.all(network.endpoints.map(up));
});

afterAll(async () => {
  await Promise.all([...running.values(), ...others].map((program) => program.stop()));
  rmSync(folder, { recursive: true, force: true });
  await network.remove();
});

describe('a site of three', () => {
  it('finds itself, and takes a limit everywhere', async () => {
    await until(
      async () =>
        SiteView.parse((await peerboot(peer(0), 'site', '--json')).json()).peers.every((one) => one.facts),
      { timeoutMs: 10_000, what: 'facts of all' },
    );
    const limited = await peerboot(peer(0), 'limit', '--wan', '1M', '--everywhere', '--json');
    expect(limited.json()).toMatchObject({ ok: true, peers: [{}, {}, { control: { wanLimit: LIMIT } }] });
    expect(limited.status).toBe(0);
    const unknown = await peerboot(peer(1), 'pause', 'tyll', '--json');
    expect([unknown.status, unknown.json()]).toMatchObject([1, { error: { code: 'PB-IMAGE-UNKNOWN' } }]);
  });

  it('holds an image ahead of time, under the limit', async () => {
    const asked = await peerboot(peer(0), 'preseed', 'till', '--replicas', '2', '--no-wait', '--json');
    expect([asked.status, asked.json()]).toMatchObject([
      0,
      { ok: true, peers: [{}, {}, { wish: { replicas: 2 } }] },
    ]);
    await until(async () => (await wanBytes()) > MIB, {
      timeoutMs: 15_000,
      what: 'a first MiB over the WAN',
    });
    const picture = (await peerboot(peer(2), 'site', '--no-watch')).lines.join('\n');
    expect(picture).toMatch(/till 1 .* copies 0 of 2 {2}line\n {2}WAN\n {2}└─ ◐ /);
    // Asking takes a while on a busy machine: its middle is taken for the time of the answer.
    const sample = async () => {
      const from = performance.now();
      const bytes = await wanBytes();
      return { bytes, atMs: (from + performance.now()) / 2 };
    };
    const before = await sample();
    await pass(4_000);
    const after = await sample();
    const rate = (after.bytes - before.bytes) / ((after.atMs - before.atMs) / 1000);
    expect(rate / LIMIT).toBeLessThan(1.1);
    // A machine that is busy with other tests may be slower.
    expect(rate / LIMIT).toBeGreaterThan(0.6);
  });

  it('pauses within 2 s, stays paused across a restart, and goes on when resumed', async () => {
    const paused = await peerboot(peer(2), 'pause', '--everywhere');
    expect([paused.status, paused.lines.at(-1)]).toEqual([0, '3 of 3 peers took it']);
    await pass(1_500);
    const stopped = await wanBytes();
    expect(stopped).toBeLessThan(storedBytes);
    await running.get(peer(1))?.stop('SIGKILL');
    await up(peer(1));
    await pass(2_000);
    expect(await wanBytes()).toBe(stopped);
    expect((await facts(peer(1))).paused).toBe(true);
    expect((await facts(peer(1))).wanLimit).toBeLessThanOrEqual(LIMIT);

    await peerboot(peer(0), 'limit', '--wan', 'none', '--everywhere');
    await peerboot(peer(0), 'resume', '--everywhere');
    await until(async () => (await holders()).length >= 2, {
      timeoutMs: 40_000,
      what: 'two whole copies',
      everyMs: 300,
    });
  });

  it('makes another copy when one that had it dies, without the WAN', async () => {
    const had = await holders();
    const [gone] = had as [SiteEndpoint];
    const left = alive().filter((endpoint) => endpoint !== gone);
    await running.get(gone)?.stop('SIGKILL');
    running.delete(gone);
    const before = await wanBytes();
    await until(async () => (await holders()).length === 2, {
      timeoutMs: 40_000,
      what: 'repaired',
      everyMs: 300,
    });
    expect(await holders()).toEqual(left);
    expect(await wanBytes()).toBe(before);
  });

  it('gives two machines that check in at both its boot hosts at once two names', async () => {
    const both = alive();
    await peerboot(both[0] as SiteEndpoint, 'assign', '*', 'till', '--name', 'till-{nn}', '--json');
    const name = async (endpoint: SiteEndpoint, number: number) => {
      const question = checkIn({
        uuid: `4c4c4544-0042-3010-8052-00000000000${number}`,
        macs: [`52:54:00:00:00:0${number}`],
        serial: `SN-${number}`,
      });
      const url = `http://${endpoint.address}:8067/agent/v1/check-in`;
      const words = [
        '-sS',
        '-m',
        '10',
        '-H',
        'content-type: application/json',
        '-d',
        JSON.stringify(question),
        url,
      ];
      const curl = start('curl', words, { namespace: endpoint.namespace });
      await curl.exited;
      return (JSON.parse(curl.log.lines.join('')) as { plan: { name?: string } }).plan.name;
    };
    const names = await Promise.all(
      both.flatMap((endpoint, i) => [name(endpoint, i), name(endpoint, i + 2)]),
    );
    expect(names.sort()).toEqual(['till-01', 'till-02', 'till-03', 'till-04']);
    // The same machine at the other one, before anything is imaged.
    expect(new Set(await Promise.all(both.map((endpoint) => name(endpoint, 0))))).toHaveLength(1);
    await peerboot(both[0] as SiteEndpoint, 'unassign', '*', '--json');
  });

  it('gives the last copy up only when told to', async () => {
    const [one, other] = alive() as [SiteEndpoint, SiteEndpoint];
    await peerboot(one, 'preseed', 'till', '--undo', '--no-wait', '--json');
    await running.get(other)?.stop();
    running.delete(other);
    await until(
      async () => SiteView.parse((await peerboot(one, 'site', '--json')).json()).peers.length === 1,
      {
        timeoutMs: 10_000,
        what: 'alone',
      },
    );
    const refused = await peerboot(one, 'evict', 'till', '--json');
    expect([refused.status, refused.json()]).toMatchObject([1, { error: { code: 'PB-LAST-COPY' } }]);
    const told = await peerboot(one, 'evict', 'till', '--last-copy', '--json');
    expect(told.json()).toEqual({ ok: true, freedBytes: storedBytes });
    expect((await peerboot(one, 'ledger', '--json')).json()).toMatchObject({ totals: expect.any(Array) });
  });
});
