// One row of the firmware matrix: a machine with this firmware and card, from power-on to the agent or a proved disk.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KernelKind } from '../../boot-assets/base.ts';
import { type BootAssetsWish, ensureBootAssets } from '../../boot-assets/build.ts';
import type { Rung } from '../../src/api/agent.ts';
import type { Chain, ChainWord } from '../../src/boot/chain.ts';
import { until } from '../support/until.ts';
import { publishTree } from './content.ts';
import { smallImage } from './disks.ts';
import type { Firmware, Nic } from './firmware.ts';
import { type Lab, withLab } from './lab.ts';
import { signedGrub, signedIpxe } from './loaders.ts';
import { type LogLine, parseLine } from './peer.ts';
import { labKey, signedAssets } from './signed-assets.ts';
import { shownText } from './target.ts';

export interface BootCase {
  readonly name: string;
  readonly firmware: Firmware;
  readonly transport: 'tftp' | 'http';
  readonly nic: Nic;
  /** `ends`: `agent` (it has checked in), `disk` (imaged and proved), or `refused` by the firmware. */
  readonly ends: 'agent' | 'disk' | 'refused';
  readonly chain: ChainWord;
  /** How the machine knows our key: in its db, or as shim's machine-owner key. */
  readonly enrolled?: 'db' | 'mok';
  /** Who gives addresses: the store's own server, or, on a staging network, the peer itself (`--dhcp full`). */
  readonly addresses?: 'peer';
  /** What stops it, when that is known: it is run all the same, and the row shows what was seen. */
  readonly stopped?: string;
}

/** Seconds from power-on: to its first packet, its script, the agent's check-in, the written and proved disk. */
export interface BootSeconds {
  asked?: number;
  script?: number;
  agent?: number;
  disk?: number;
}

export interface BootRow {
  readonly case: string;
  readonly ok: boolean;
  readonly chain: Chain | undefined;
  readonly seconds: BootSeconds;
  /** What firmware was told to fetch, in order: port, kind of client, file or URL. */
  readonly given: readonly string[];
  /** Files that went out whole by TFTP. */
  readonly fetched: readonly string[];
  /** The doctor's, in order, without those of size probes. */
  readonly verdicts?: readonly { readonly verdict: string; readonly evidence: readonly string[] }[];
  /** The last that the technician reads, where it did not boot. */
  readonly screen?: string;
  readonly error?: string;
}

const MAC = '52:54:00:77:03:01';
const IMAGE = 'small';
const DISK_BYTES = 256 * 2 ** 20;
const LIMIT_MS = 300_000;
const MOMENTS: Readonly<Partial<Record<Rung, keyof BootSeconds>>> = {
  seen: 'asked',
  script: 'script',
  agent: 'agent',
  done: 'disk',
};

/** The cloud kernel knows virtio alone, and starts twice as fast. */
const kernelFor = ({ nic }: BootCase): KernelKind => (nic === 'virtio' ? 'cloud' : 'generic');

export async function runBootCase(one: BootCase, limitMs = LIMIT_MS): Promise<BootRow> {
  const published = await publishTree(await smallImage(), IMAGE, '1');
  const body = async (lab: Lab): Promise<BootRow> => {
    const { folder, certificate } = await assetsFor(one, readFileSync(published.root), lab);
    const cdn = await lab.startCdn(published.tree);
    const peer = await lab.startPeer({
      ...{ origins: [cdn.base], root: published.root, assets: folder, assign: IMAGE },
      extra: ['--chain', one.chain, ...(one.addresses === 'peer' ? ['--dhcp', 'full'] : [])],
    });
    const heard = { given: [] as string[], fetched: [] as string[], chains: [] as Chain[] };
    const verdicts: { verdict: string; evidence: readonly string[] }[] = [];
    const moments = new Map<keyof BootSeconds, number>();
    peer.process.log.listen((line) => {
      const fields = (line === undefined ? undefined : parseLine(line)) ?? {};
      if (fields.msg === 'tftp file sent') heard.fetched.push(String(fields.file));
      if (fields.mac !== MAC) return;
      if (fields.msg === 'answered boot request' && fields.client !== 'ipxe') {
        heard.given.push(`${fields.port} ${fields.client}: ${fields.file}`);
        if (typeof fields.chain === 'string') heard.chains.push(fields.chain as Chain);
      }
      if (isVerdict(fields)) verdicts.push({ verdict: String(fields.verdict), evidence: fields.evidence });
      const moment = MOMENTS[fields.rung as Rung];
      if (moment !== undefined && !moments.has(moment)) moments.set(moment, performance.now());
    });
    const target = await lab.powerOn({
      ...{ name: 'till-1', firmware: one.firmware, nic: one.nic, http: one.transport === 'http', mac: MAC },
      ...(one.firmware === 'bios' ? {} : { memoryMb: 768 }),
      diskBytes: DISK_BYTES,
      enrolled: { [one.enrolled === 'mok' ? 'machineOwner' : 'db']: one.enrolled && certificate },
    });
    const secondsOf = (at: number) => Math.round((at - target.poweredOnAt) / 100) / 10;
    const row = (ok: boolean, more: Partial<BootRow> = {}): BootRow => ({
      ...{ case: one.name, ok, chain: heard.chains.at(-1) },
      seconds: Object.fromEntries(Array.from(moments, ([moment, at]) => [moment, secondsOf(at)])),
      given: heard.given.filter((text, i) => text !== heard.given[i - 1]),
      ...{ fetched: heard.fetched, verdicts },
      ...more,
    });
    try {
      if (one.ends === 'refused') {
        await until(() => verdicts.length > 0, { timeoutMs: limitMs, what: 'the doctor’s verdict' });
        const refused = verdicts[0]?.verdict === 'secure-boot-refused';
        return row(refused, { screen: shownText(target.serial.lines) });
      }
      await peer.reached(MAC, 'agent', { timeoutMs: limitMs });
      if (one.ends === 'disk') await peer.reached(MAC, 'done', { timeoutMs: limitMs });
      return row(true);
    } catch (error) {
      if (one.stopped === undefined) await lab.keepEvidence();
      return row(false, {
        screen: shownText(target.serial.lines),
        error: error instanceof Error ? error.message : String(error),
      });
    }
  };
  return withLab(body, limitMs + 60_000, { dhcpServer: one.addresses !== 'peer' });
}

/** The folder that the boot host of this case serves, and the certificate that its machine shall know. */
async function assetsFor(
  one: BootCase,
  root: Uint8Array,
  lab: Lab,
): Promise<{ folder: string; certificate?: string }> {
  const wish: BootAssetsWish = {
    root,
    kernel: kernelFor(one),
    architectures: [one.firmware === 'arm64' ? 'arm64' : 'x64'],
  };
  if (one.chain === 'grub') return ensureBootAssets({ ...wish, nbps: await signedGrub(lab.folder) });
  if (one.enrolled === undefined && one.chain !== 'shim') return ensureBootAssets(wish);
  const nbps = one.chain === 'signed-ipxe' ? await signedIpxe(await labKey(), lab.folder) : {};
  return signedAssets({ ...wish, nbps }, join(lab.folder, 'assets'));
}

function isVerdict(fields: LogLine): fields is LogLine & { evidence: readonly string[] } {
  return (
    fields.verdict !== undefined && fields.verdict !== 'size-probe-only' && Array.isArray(fields.evidence)
  );
}
