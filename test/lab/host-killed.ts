// `npm run lab -- host-killed-during-<stage>`: two real boot hosts, and the one that serves an emulated machine loses its power.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBootAssets } from '../../boot-assets/build.ts';
import type { Rung } from '../../src/api/agent.ts';
import { ROUTES } from '../../src/api/routes.ts';
import { until } from '../support/until.ts';
import { slowWan, smallContent } from './agent-case.ts';
import { type Lab, withLab } from './lab.ts';
import { type LogLine, type Peer, parseLine } from './peer.ts';
import { run, start } from './process.ts';
import type { Firmware, Target } from './target.ts';

export const HOST_KILLED_STAGES = ['tftp', 'script', 'kernel', 'imaging'] as const;
export type HostKilledStage = (typeof HOST_KILLED_STAGES)[number];

export interface HostKilledRow {
  readonly case: string;
  readonly firmware: Firmware;
  readonly ok: boolean;
  /** Seconds since power-on: the host's death, when another one first heard of the machine, and its proved disk. */
  readonly seconds: { readonly killed?: number; readonly taken?: number; readonly disk?: number };
  /** Addresses: who died, and who finished. */
  readonly died?: string;
  readonly finished?: string;
  readonly error?: string;
}

const MAC = '52:54:00:77:04:01';
const LIMIT_MS = 420_000;
const DISK_BYTES = 256 * 2 ** 20;
/** What boot hosts must share to believe each other. */
const TOKEN = 'lab-token-of-the-store';

/** QEMU's BIOS has iPXE as its ROM, which goes to the script at once: only UEFI fetches an NBP by TFTP. */
const firmwareFor = (stage: HostKilledStage): Firmware => (stage === 'tftp' ? 'uefi' : 'bios');

export async function runHostKilled(stage: HostKilledStage): Promise<HostKilledRow> {
  const content = await smallContent();
  const firmware = firmwareFor(stage);
  const assets = await ensureBootAssets({ root: readFileSync(content.root), kernel: 'cloud' });
  const name = `host-killed-during-${stage}`;
  return withLab(async (lab) => {
    const cdn = await lab.startCdn(content.tree);
    if (stage === 'imaging') await slowWan(lab, 80);
    const common = { origins: [cdn.base], root: content.root, assets: assets.folder, assign: 'small' };
    const env = { PEERBOOT_ADMIN_TOKEN: TOKEN };
    const second = await lab.network.addSecondPeer();
    const hosts = await Promise.all([
      lab.startPeer({ ...common, env }),
      lab.startPeer({ ...common, env, place: second, state: join(lab.folder, 'state-2') }),
    ]);
    await Promise.all(hosts.map((host) => seesAnother(host, hosts)));
    const target = await lab.powerOn({
      ...{ name: 'till-1', firmware, mac: MAC, diskBytes: DISK_BYTES },
      ...(firmware === 'bios' ? {} : { memoryMb: 768 }),
    });
    const sincePower = () => Math.round((performance.now() - target.poweredOnAt) / 100) / 10;
    const seconds: { killed?: number; taken?: number; disk?: number } = {};
    let died: Peer | undefined;
    try {
      const server = await Promise.any(hosts.map((host) => answers(host).then(() => host)));
      const other = hosts.find((host) => host !== server) as Peer;
      await moment(stage, lab, server, target);
      died = server;
      const from = other.process.log.lines.length;
      await losePower(server);
      seconds.killed = sincePower();
      await logged(
        other,
        (fields) => fields.mac === MAC && fields.rung !== undefined,
        'it comes to the other',
        from,
      );
      seconds.taken = sincePower();
      await other.reached(MAC, 'done', { timeoutMs: LIMIT_MS });
      seconds.disk = sincePower();
      const addresses = { died: server.place.address, finished: other.place.address };
      return { case: name, firmware, ok: true, seconds, ...addresses };
    } catch (error) {
      await lab.keepEvidence();
      const what = error instanceof Error ? error.message : String(error);
      return {
        case: name,
        firmware,
        ok: false,
        seconds,
        ...(died === undefined ? {} : { died: died.place.address }),
        error: what,
      };
    }
  }, LIMIT_MS + 60_000);
}

function logged(peer: Peer, fits: (fields: LogLine) => boolean, what: string, from = 0): Promise<LogLine> {
  const match = (line: string) => {
    const fields = parseLine(line);
    return fields !== undefined && fits(fields) ? fields : undefined;
  };
  return peer.process.log.waitFor(match, { timeoutMs: LIMIT_MS, what, from });
}

/** Its scripts name the other: both are in one site, and know each other for boot hosts. */
async function seesAnother({ base, place }: Peer, others: readonly Peer[]): Promise<void> {
  const script = () =>
    run('ip', ['netns', 'exec', place.namespace, 'curl', '-sS', '--max-time', '5', base + ROUTES.start]);
  const bases = others.filter((one) => one.base !== base).map((one) => one.base);
  await until(async () => includesAll(await script(), bases), {
    ...{ timeoutMs: 20_000, everyMs: 200 },
    what: `${place.address} to know the other boot host`,
  });
}

function includesAll(text: string, words: readonly string[]): boolean {
  return words.every((word) => text.includes(word));
}

const answers = (peer: Peer) =>
  logged(peer, ({ msg, mac }) => msg === 'answered boot request' && mac === MAC, 'the machine is answered');
const reaches = (peer: Peer, rung: Rung) => peer.reached(MAC, rung, { timeoutMs: LIMIT_MS });

/** Resolves in the midst of what the stage is called after. */
async function moment(stage: HostKilledStage, lab: Lab, server: Peer, target: Target): Promise<void> {
  const { address } = server.place;
  switch (stage) {
    case 'tftp':
      // 200 blocks would be over before anybody could pull a plug.
      await slowLan(server, '1mbit');
      return packets(lab, `udp and src host ${address} and greater 1000`, 40);
    case 'script':
      // A script of 3 kB takes two seconds: the request has come, and its answer is on the way.
      await slowLan(server, '16kbit');
      await reaches(server, 'script');
      return;
    case 'kernel':
      return packets(lab, `tcp and src host ${address} and src port 8067 and greater 1000`, 3000);
    case 'imaging':
      await target.serial.waitFor(
        (line) => (Number(/^peerboot: imaging +(\d+)%/.exec(line)?.[1] ?? 0) >= 20 ? line : undefined),
        { timeoutMs: LIMIT_MS, what: 'a fifth of the image is written' },
      );
  }
}

/** Resolves when so many packets of this kind were on the store's switch. */
async function packets(lab: Lab, filter: string, count: number): Promise<void> {
  const words = ['-i', 'br0', '-n', '-q', '--immediate-mode', '-c', String(count), '-w', '/dev/null', filter];
  const counting = start('tcpdump', words, { namespace: lab.network.switchNamespace });
  await counting.exited;
}

function slowLan({ place }: Peer, rate: string): Promise<string> {
  const shape = ['root', 'tbf', 'rate', rate, 'burst', '3kb', 'latency', '5s'];
  return run('ip', ['netns', 'exec', place.namespace, 'tc', 'qdisc', 'add', 'dev', 'eth0', ...shape]);
}

/** The cable first: a process that is killed still has a system that says goodbye for it. */
async function losePower(peer: Peer): Promise<void> {
  await run('ip', ['-n', peer.place.namespace, 'link', 'set', 'eth0', 'down']);
  await peer.stop('SIGKILL');
}
