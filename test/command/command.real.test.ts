// The real command line in a store of namespaces: publish, up with one capability, assign, machines, doctor, stop.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type LineLog, type Running, start } from '../lab/process.ts';
import { DNSMASQ } from '../support/dnsmasq.ts';
import { createTwoLans, type TwoLans } from '../support/two-lans.ts';
import { until } from '../support/until.ts';

const PEERBOOT = fileURLToPath(new URL('../../bin/peerboot.js', import.meta.url));
const ORIGIN = 'http://10.77.11.1';
/** What the systemd unit grants. */
const ONE_CAPABILITY = [
  'setpriv',
  '--bounding-set=-all,+net_bind_service',
  '--inh-caps=-all,+net_bind_service',
];

let lans: TwoLans;
let folder: string;
let tree: string;
const running: Running[] = [];
const at = (name: string) => join(folder, name);

interface Outcome {
  readonly status: number | NodeJS.Signals;
  readonly lines: readonly string[];
  /** The last line that is JSON. */
  readonly json: Record<string, never>;
}

/** Runs `peerboot <words>` beside the peer to its end. */
async function peerboot(...words: string[]): Promise<Outcome> {
  const run = start(process.execPath, [PEERBOOT, ...words], { namespace: lans.peer });
  const status = await run.exited;
  const { lines } = run.log;
  const last = lines.findLast((line) => line.startsWith('{')) ?? '{}';
  return { status, lines, json: JSON.parse(last) };
}

function launch(command: string, args: readonly string[], namespace: string): Running {
  const program = start(command, args, { namespace, env: { PEERBOOT_REFRESH_MINUTES: '0.01' } });
  running.push(program);
  return program;
}

const logged = (log: LineLog, msg: string, from = 0) =>
  log.waitFor(
    (line) => {
      const fields = line.startsWith('{') ? JSON.parse(line) : {};
      return fields.msg === msg ? (fields as Record<string, never>) : undefined;
    },
    { timeoutMs: 30_000, what: msg, from },
  );

async function up(...words: string[]): Promise<Running> {
  const flags = ['--interface', 'lan1', '--state', at('state'), '--assets', at('assets'), '--json', ...words];
  const [setpriv, ...drop] = ONE_CAPABILITY as [string, ...string[]];
  const peer = launch(setpriv, [...drop, process.execPath, PEERBOOT, 'up', ...flags], lans.peer);
  await logged(peer.log, 'peerboot ready');
  return peer;
}

const serve = () => launch('busybox', ['httpd', '-f', '-p', '10.77.11.1:80', '-h', tree], lans.dhcpServer);

beforeAll(async () => {
  lans = await createTwoLans();
  folder = mkdtempSync(join(tmpdir(), 'peerboot-command-'));
  tree = at('tree');
  mkdirSync(at('assets'));
  for (const name of ['undionly.kpxe', 'snponly.efi', 'vmlinuz', 'initramfs.img']) {
    writeFileSync(join(at('assets'), name), name.repeat(100));
  }
  const disk = Buffer.alloc(2 << 20);
  for (let i = 0; i < disk.length / 2; i += 4) disk.writeUInt32LE(Math.imul(i, 2_654_435_761) >>> 0, i);
  writeFileSync(at('disk.img'), disk);
  const words = ['--name', 'till', '--version', '1', '--to', tree, '--keys', at('keys'), '--json'];
  expect((await peerboot('publish', at('disk.img'), ...words)).status).toBe(0);
  copyFileSync(join(tree, 'catalogue', '1.root.json'), at('root.json'));
});

afterEach(async () => {
  for (const program of running.splice(0).reverse()) await program.stop();
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await lans.remove();
});

describe('a peer with one capability and no other privilege', () => {
  it('serves, is administered, remembers its root and catalogue, and stops when told', async () => {
    const origin = serve();
    const peer = await up('--origin', ORIGIN, '--root', at('root.json'), '--assign', '*', 'till');
    const ready = await logged(peer.log, 'peerboot ready');
    expect(ready).toMatchObject({
      httpPort: 8067,
      interfaces: [{ name: 'lan1', address: '10.77.11.2' }],
      images: ['till@1'],
    });

    expect((await peerboot('images', '--json')).json).toMatchObject({
      catalogues: [{ state: 'valid', images: [{ name: 'till', version: '1', imageBytes: 2 << 20 }] }],
    });
    const asked = ['--origin', ORIGIN, '--state', at('state'), '--json'];
    expect((await peerboot('images', ...asked)).json).toMatchObject({
      catalogues: [{ from: ORIGIN, images: [{ name: 'till' }] }],
    });
    expect((await peerboot('machines', '--json')).json).toEqual({ machines: [] });

    const mac = '52:54:00:12:34:56';
    const assigned = await peerboot('assign', mac, 'till@1', '--allow-non-blank', '--disk', 'vda', '--json');
    expect(assigned.json).toMatchObject({
      ok: true,
      assignment: { machine: mac, target: { image: 'till@1', disk: { allowNonBlank: true, match: 'vda' } } },
    });
    const slip = await peerboot('assign', mac, 'tilll', '--json');
    expect(slip).toMatchObject({ status: 1, json: { ok: false, error: { code: 'PB-IMAGE-UNKNOWN' } } });
    expect((await peerboot('unassign', mac)).status).toBe(0);
    writeFileSync(at('machines.csv'), 'serial,image,name,tags\nSN-1,till,till-{nn},\nSN-2,,,front\n');
    const list = await peerboot('assign', '--csv', at('machines.csv'), '--json');
    expect(list.json).toMatchObject({ ok: true, machines: 2, assignments: [{ machine: 'SN-1' }] });
    const guess = await peerboot('approve', 'BCDFGHJK', '--json');
    expect(guess).toMatchObject({ status: 1, json: { error: { code: 'PB-CODE-UNKNOWN' } } });
    expect((await peerboot('pin', '--uses', '3', '--json')).json).toMatchObject({
      pin: expect.stringMatching(/^\d{8}$/),
      uses: 3,
    });

    const second = await peerboot('up', '--state', at('other'), '--assets', at('assets'), '--json');
    expect(second).toMatchObject({ status: 1, json: { error: { code: 'PB-PORT-IN-USE' } } });

    peer.log.lines.length = 0;
    await peer.stop('SIGTERM');
    expect(await peer.exited).toBe(0);
    await logged(peer.log, 'peerboot stopped');

    // The line to the origin is dead, and no root is given: what is held and remembered carries on.
    await origin.stop();
    const again = await up('--origin', ORIGIN);
    expect((await logged(again.log, 'peerboot ready')).images).toEqual(['till@1']);
    expect((await peerboot('images', '--json')).json).toMatchObject({
      catalogues: [{ state: expect.stringMatching(/^held: PB-SOURCE-FAILED/) }],
    });
    await again.stop('SIGINT');
    expect(await again.exited).toBe(0);
  });

  it('refuses a forged catalogue while it runs, and takes the next good one', async () => {
    serve();
    const peer = await up('--origin', ORIGIN, '--root', at('root.json'), '--state', at('state-2'));
    const path = join(tree, 'catalogue', 'timestamp.json');
    const good = readFileSync(path, 'utf8');
    writeFileSync(path, good.replace('"version":1', '"version":9'));
    const refused = await logged(peer.log, 'catalogue refused', peer.log.lines.length);
    expect(refused).toMatchObject({ code: 'PB-TRUST-FORGED', source: ORIGIN });
    expect((await peerboot('images', '--json')).json).toMatchObject({
      catalogues: [{ state: expect.stringMatching(/^held: PB-TRUST-FORGED/), images: [{ name: 'till' }] }],
    });
    writeFileSync(path, good);
    const refreshed = await peerboot('catalogue', 'refresh', '--to', tree, '--keys', at('keys'), '--json');
    expect(refreshed).toMatchObject({ status: 0, json: { ok: true, versions: { timestamp: 2 } } });
    const accepted = await logged(
      peer.log,
      'catalogue accepted',
      peer.log.lines.indexOf(JSON.stringify(refused)),
    );
    expect(accepted).toMatchObject({ images: ['till@1'] });
  });
});

it('an older Node hands over to the pinned one: signals and exit status pass through', async () => {
  const pretend =
    'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.0.0"}});' +
    'delete process.execve';
  const flags = ['up', '--interface', 'lan1', '--state', at('state-3'), '--assets', at('assets'), '--json'];
  const peer = launch(process.execPath, ['--import', pretend, PEERBOOT, ...flags], lans.peer);
  await logged(peer.log, 'peerboot ready');
  await peer.stop('SIGTERM');
  expect(await peer.exited).toBe(0);
  await logged(peer.log, 'peerboot stopped');
  const wrong = start(process.execPath, ['--import', pretend, PEERBOOT, 'nonsense'], {});
  expect(await wrong.exited).toBe(2);
});

describe('doctor', () => {
  const words = () => [
    'doctor',
    '--interface',
    'lan1',
    '--assets',
    at('assets'),
    '--state',
    at('state-4'),
    '--json',
  ];
  const findings = async (...more: string[]) => {
    const { status, json } = await peerboot(...words(), ...more);
    const list = (json as unknown as { findings: { check: string; status: string; code?: string }[] })
      .findings;
    return { status, of: (check: string) => list.find((finding) => finding.check === check) };
  };
  const dnsmasq = (...more: string[]) => {
    const fixed = [...DNSMASQ, '--no-ping', '--log-dhcp'];
    const own = [
      '--interface=eth0',
      `--dhcp-leasefile=${at('leases')}`,
      '--dhcp-range=10.77.11.100,10.77.11.120',
    ];
    return launch('dnsmasq', [...fixed, ...own, ...more], lans.dhcpServer);
  };

  it('finds everything in order beside a DHCP server that only gives addresses', async () => {
    serve();
    const server = dnsmasq();
    await until(() => server.log.lines.some((line) => line.includes('DHCP, IP range')), {
      timeoutMs: 10_000,
      what: 'dnsmasq is up',
    });
    const { status, of } = await findings('--origin', ORIGIN, '--root', at('root.json'));
    expect(of('DHCP server at lan1')).toMatchObject({
      status: 'ok',
      what: expect.stringMatching(/^10\.77\.11\.1 /),
    });
    expect(of('port 67/udp')).toMatchObject({ status: 'ok', what: 'free for DHCP' });
    expect(of('boot assets')?.status).toBe('ok');
    expect(of('trust root')?.status).toBe('ok');
    expect(of(`origin ${ORIGIN}`)?.status).toBe('ok');
    expect(status).toBe(0);
    // It asked once and took nothing.
    expect(server.log.lines.filter((line) => /DHCPDISCOVER/.test(line))).toHaveLength(1);
    expect(server.log.lines.filter((line) => /DHCPREQUEST|DHCPACK/.test(line))).toEqual([]);
  });

  it('names a DHCP server that competes, a port that is taken, and what else is wrong', async () => {
    const server = dnsmasq('--dhcp-option-force=60,PXEClient');
    await until(() => server.log.lines.some((line) => line.includes('DHCP, IP range')), {
      timeoutMs: 10_000,
      what: 'dnsmasq is up',
    });
    const bind =
      "require('node:dgram').createSocket('udp4').bind(69, '10.77.11.2', () => console.log('bound'))";
    const holder = launch(process.execPath, ['-e', bind], lans.peer);
    await holder.log.waitFor((line) => (line === 'bound' ? line : undefined), {
      timeoutMs: 10_000,
      what: 'another program holds port 69',
    });
    const { status, of } = await findings('--origin', 'http://10.77.11.1:9');
    expect(of('DHCP server at lan1')).toMatchObject({ status: 'fail', code: 'PB-DHCP-COMPETES' });
    expect(of('port 69/udp')).toMatchObject({ status: 'fail', code: 'PB-PORT-IN-USE' });
    expect(of('trust root')).toMatchObject({ status: 'fail', code: 'PB-TRUST-ROOT-MISSING' });
    expect(of('origin http://10.77.11.1:9')?.status).toBe('fail');
    expect(status).toBe(1);
  });
});

describe('mistakes are told with code and remedy', () => {
  it.each([
    [
      'no assets',
      ['up', '--assets', '/nonexistent', '--state', '/tmp/peerboot-none', '--json'],
      1,
      'PB-ASSETS-MISSING',
    ],
    ['no such interface', ['up', '--interface', 'lan7', '--json'], 1, 'PB-INTERFACE-UNKNOWN'],
    ['no peer', ['assign', '*', 'till', '--json'], 1, 'PB-PEER-DOWN'],
    ['wrong value', ['up', '--http-port', 'eighty', '--json'], 2, 'PB-CONFIG-INVALID'],
    ['half an assignment', ['up', '--assign', '*', '--json'], 2, 'PB-CONFIG-INVALID'],
  ])('%s', async (_, words, status, code) => {
    const outcome = await peerboot(...words);
    expect(outcome.json).toMatchObject({ ok: false, error: { code, remedy: expect.stringMatching(/\.$/) } });
    expect(outcome.status).toBe(status);
  });

  it('assets that are missing come with the command that makes them', async () => {
    const { lines } = await peerboot('up', '--assets', '/nonexistent', '--state', '/tmp/peerboot-none');
    expect(lines.join('\n')).toContain('npm run boot-assets');
  });

  it('wrong words are usage errors', async () => {
    expect((await peerboot('frobnicate')).status).toBe(2);
    expect((await peerboot('up', '--frobnicate')).status).toBe(2);
    const unfinished = await peerboot('boot-assets', 'sign');
    expect(unfinished.status).toBe(2);
    expect(unfinished.lines.join('\n')).toContain('Try `peerboot boot-assets sign --help`');
    expect((await peerboot('--help')).status).toBe(0);
  });
});
