// The checks of `doctor`, cheapest first: this host, then what the network answers.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { ROUTES } from '../api/routes.ts';
import { ANY_ADDRESS, type Ipv4 } from '../base/addresses.ts';
import { digestHex } from '../base/digest.ts';
import type { ErrorCode } from '../base/error-table.ts';
import { isPeerbootError, PeerbootError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { systemTimers } from '../io/clock.ts';
import type { Config } from '../io/config-keys.ts';
import { digestOf } from '../io/hash.ts';
import { chooseInterfaces, type HostInterface } from '../io/interfaces.ts';
import { loadNamedFiles, PROVENANCE_FILE } from '../io/named-files.ts';
import { pinnedRoot } from '../io/trust-keeper.ts';
import { openUdp } from '../io/udp.ts';
import { type AnsweringServer, probeServers } from '../service/dhcp-probe.ts';
import type { Finding } from './doctor.ts';

const NEEDED_FILES = ['undionly.kpxe', 'snponly.efi', 'vmlinuz', 'initramfs.img'];
const PROBE_MS = 3_000;
const MOST_CLOCK_ERROR_MS = 5 * 60_000;

export async function* hostFindings(config: Config): AsyncGenerator<Finding> {
  const addresses: Ipv4[] = [];
  yield await finding('interfaces', () => {
    const found = chooseInterfaces(config.interfaces);
    addresses.push(...found.map(({ address }) => address));
    return found.map(({ name, address }) => `${name} ${address}`).join(', ');
  });
  const running = await peerRuns(config.httpPort);
  for (const [port, use] of [
    [67, 'DHCP'],
    [4011, 'PXE'],
    [69, 'TFTP'],
  ] as const) {
    yield await finding(`port ${port}/udp`, () =>
      running ? 'the running peer has it' : udpIsFree(port, use, addresses),
    );
  }
  yield await finding(`port ${config.httpPort}/tcp`, () =>
    running ? 'the running peer has it' : tcpIsFree(config.httpPort),
  );
  yield await finding('boot assets', () => assetsAreWhole(config.assetsDir));
  yield await finding('trust root', () => rootIsCarried(config));
}

export async function* networkFindings(config: Config): AsyncGenerator<Finding> {
  if (config.origins.length === 0) {
    yield { check: 'origins', status: 'ok', what: 'none configured: only what is held is served' };
  }
  for (const origin of config.origins) {
    yield await finding(`origin ${origin}`, async () => {
      const { checkOrigin } = await import('./origin-check.ts');
      const set = await checkOrigin(origin, config);
      return `${set.images.length} images, catalogue ${set.versions.timestamp}, valid until ${new Date(set.expires.wallMs).toISOString().slice(0, 10)}`;
    });
  }
  if (config.origins.length > 0) yield await finding('clock', () => clockAgrees(config.origins));
  let interfaces: readonly HostInterface[];
  try {
    interfaces = chooseInterfaces(config.interfaces);
  } catch (error) {
    // Already told among the findings of this host.
    if (!isPeerbootError(error)) throw error;
    return;
  }
  for (const one of interfaces)
    yield await finding(`DHCP server at ${one.name}`, () => dhcpServerIsThere(one));
}

/** What a check returns is its `ok`; a PeerbootError is a `fail`, unless it is a `Doubt`. */
async function finding(check: string, examine: () => string | Promise<string>): Promise<Finding> {
  try {
    return { check, status: 'ok', what: await examine() };
  } catch (error) {
    if (!isPeerbootError(error)) throw error;
    const { code, message: what, remedy } = error;
    return { check, status: error instanceof Doubt ? 'warn' : 'fail', what, code, remedy };
  }
}

/** Something that may be meant so, or that could not be found out. */
class Doubt extends PeerbootError {}

const doubt = (code: ErrorCode, what: string) => new Doubt(code, what);

async function peerRuns(httpPort: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${httpPort}${ROUTES.live}`, {
      signal: AbortSignal.timeout(2_000),
    });
    return ((await answer.json()) as { live?: unknown }).live === true;
  } catch {
    // Nobody there, or somebody else: the ports are then examined one by one.
    return false;
  }
}

/** Tried on every address that would be opened: on one of them alone another program may sit. */
async function udpIsFree(port: number, use: string, addresses: readonly Ipv4[]): Promise<string> {
  const holders = new Set<string>();
  for (const address of [ANY_ADDRESS, ...addresses]) {
    const socket = await openUdp({ local: { address, port }, onDatagram: () => {}, onError: () => {} });
    await socket.close();
    for (const holder of socket.sharedWith) holders.add(holder);
  }
  if (holders.size === 0) return `free for ${use}`;
  const what = `${[...holders].join(', ')} also holds UDP ${port}`;
  // A DHCP server on this very host may share port 67: both hear the same broadcasts.
  if (port === 67) throw doubt('PB-PORT-IN-USE', what);
  throw new PeerbootError('PB-PORT-IN-USE', what);
}

function tcpIsFree(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const code = cause.code === 'EACCES' ? 'PB-PORT-DENIED' : 'PB-PORT-IN-USE';
      reject(new PeerbootError(code, `TCP port ${port}: ${cause.message}`, { cause }));
    });
    server.listen(port, '0.0.0.0', () => server.close(() => resolve('free for HTTP')));
  });
}

async function assetsAreWhole(folder: string): Promise<string> {
  const files = await loadNamedFiles(folder, silentLog);
  await files.close();
  const missing = NEEDED_FILES.filter((name) => files.get(name) === undefined);
  if (missing.length > 0)
    throw new PeerbootError('PB-ASSETS-MISSING', `${folder} lacks ${missing.join(', ')}`);
  return `${files.list().length} files in ${folder}, as they were built`;
}

/** Peer and agent must trust the same publisher: a machine would fetch everything and then refuse the catalogue. */
function rootIsCarried(config: Config): string {
  const pinned = digestHex(digestOf(pinnedRoot(config.stateDir, config.trustRoot)));
  const carried = carriedRoot(config.assetsDir);
  const short = pinned.slice(0, 16);
  if (carried === undefined) return `${short}…; the boot assets do not say which one the agent carries`;
  if (carried === null)
    throw new PeerbootError('PB-ASSETS-UNTRUSTING', 'the agent in the boot assets carries no root');
  if (carried === pinned) return `${short}…, the same in peer and agent`;
  throw new PeerbootError(
    'PB-ASSETS-UNTRUSTING',
    `the peer trusts ${short}…, the agent in the boot assets ${carried.slice(0, 16)}…`,
  );
}

/** SHA-256 in hexadecimal; null: the agent carries none; undefined: nobody wrote it down. */
function carriedRoot(assetsDir: string): string | null | undefined {
  try {
    const provenance = JSON.parse(readFileSync(join(assetsDir, PROVENANCE_FILE), 'utf8')) as {
      trustRoot?: string | null;
    };
    return provenance.trustRoot;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Catalogues expire by this host's clock, so it is compared with the `Date` of the origins' answers. */
async function clockAgrees(origins: readonly string[]): Promise<string> {
  for (const origin of origins) {
    try {
      const answer = await fetch(origin, {
        method: 'HEAD',
        redirect: 'manual',
        signal: AbortSignal.timeout(5_000),
      });
      const theirs = Date.parse(answer.headers.get('date') ?? '');
      if (Number.isNaN(theirs)) continue;
      const apartMs = Math.abs(Date.now() - theirs);
      if (apartMs <= MOST_CLOCK_ERROR_MS) return `agrees with ${origin}`;
      throw doubt('PB-CLOCK-DOUBTFUL', `${Math.round(apartMs / 60_000)} minutes apart from ${origin}`);
    } catch (error) {
      if (isPeerbootError(error)) throw error;
      // Not reachable: told by the check of the origin itself.
    }
  }
  throw doubt('PB-CLOCK-DOUBTFUL', 'no origin tells the time');
}

async function dhcpServerIsThere({ address, mac }: HostInterface): Promise<string> {
  if (mac === undefined) return 'not asked: the interface has no MAC address';
  let answering: readonly AnsweringServer[];
  try {
    const random = { next: Math.random };
    answering = await probeServers({
      openUdp,
      address,
      mac,
      timers: systemTimers,
      random,
      listenMs: PROBE_MS,
    });
  } catch (error) {
    if (!isPeerbootError(error)) throw error;
    throw doubt(error.code, `could not ask: ${error.message}`);
  }
  const servers = answering.filter((one) => one.givesAddress);
  const rival = servers.find(({ vendorClass }) => vendorClass?.startsWith('PXEClient') === true);
  if (rival !== undefined) {
    throw new PeerbootError('PB-DHCP-COMPETES', `${rival.address} itself answers as PXEClient (option 60)`);
  }
  const sends = servers.find(({ file }) => file !== undefined);
  if (sends !== undefined) {
    throw doubt('PB-DHCP-COMPETES', `${sends.address} names a boot file itself: ${sends.file}`);
  }
  if (servers.length === 0)
    throw doubt('PB-DHCP-SILENT', `nobody offered an address within ${PROBE_MS / 1000} s`);
  const others = answering.filter((one) => !one.givesAddress && one.address !== address);
  return [
    ...servers.map((one) => `${one.address} hands out addresses`),
    ...others.map((one) => `${one.address} answers PXE too`),
  ].join(', ');
}
