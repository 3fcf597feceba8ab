// One row of the firmware matrix: a machine with this firmware and card, from power-on to the agent or a proved disk.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KernelKind } from '../../boot-assets/base.ts';
import { ensureBootAssets } from '../../boot-assets/build.ts';
import type { Architecture } from '../../boot-assets/initramfs.ts';
import type { Chain, ChainWord } from '../../src/boot/chain.ts';
import { publishTree } from './content.ts';
import { smallImage } from './disks.ts';
import type { Firmware, Nic } from './firmware.ts';
import { type Lab, withLab } from './lab.ts';
import { parseLine } from './peer.ts';
import { signedAssets } from './signed-assets.ts';

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
  /** What stops it, when that is known: then the row shows this instead of failing. */
  readonly stopped?: string;
}

export interface BootRow {
  readonly case: string;
  readonly ok: boolean;
  readonly chain: Chain | undefined;
  readonly seconds: { readonly asked?: number; readonly agent?: number; readonly disk?: number };
  /** Files and URLs that the peer handed to the firmware, in order. */
  readonly given: readonly string[];
  readonly fetched: readonly string[];
  readonly verdict?: string | undefined;
  readonly error?: string;
}

const MAC = '52:54:00:77:03:01';
const IMAGE = 'small';
const DISK_BYTES = 256 * 2 ** 20;
const LIMIT_MS = 300_000;

/** The cloud kernel knows virtio alone, and starts twice as fast. */
const kernelFor = ({ nic }: BootCase): KernelKind => (nic === 'virtio' ? 'cloud' : 'generic');

export async function runBootCase(one: BootCase, limitMs = LIMIT_MS): Promise<BootRow> {
  const published = await publishTree(await smallImage(), IMAGE, '1');
  const root = readFileSync(published.root);
  const architectures: Architecture[] = [one.firmware === 'arm64' ? 'arm64' : 'x64'];
  return withLab(async (lab) => {
    const wish = { root, kernel: kernelFor(one), architectures };
    const signed =
      one.enrolled === undefined && one.chain !== 'shim'
        ? undefined
        : await signedAssets(wish, join(lab.folder, 'assets'));
    const assets = signed?.folder ?? (await ensureBootAssets(wish)).folder;
    const cdn = await lab.startCdn(published.tree);
    const peer = await lab.startPeer({
      ...{ origins: [cdn.base], root: published.root, assets, assign: IMAGE },
      extra: ['--chain', one.chain],
    });
    const given: string[] = [];
    const fetched: string[] = [];
    const chains: Chain[] = [];
    peer.process.log.listen((line) => {
      const fields = line === undefined ? undefined : parseLine(line);
      if (fields?.msg === 'answered boot request' && fields.client !== 'ipxe') {
        given.push(`${fields.port} ${fields.client}: ${fields.file}`);
        if (typeof fields.chain === 'string') chains.push(fields.chain as Chain);
      }
      if (fields?.msg === 'tftp file sent') fetched.push(String(fields.file));
    });
    const target = await lab.powerOn({
      ...{ name: 'till-1', firmware: one.firmware, nic: one.nic, http: one.transport === 'http', mac: MAC },
      ...(one.firmware === 'bios' ? {} : { memoryMb: 768 }),
      diskBytes: DISK_BYTES,
      enrolled:
        signed === undefined || one.enrolled === undefined
          ? {}
          : one.enrolled === 'db'
            ? { db: signed.certificate }
            : { machineOwner: signed.certificate },
    });
    const sincePower = () => Math.round((performance.now() - target.poweredOnAt) / 100) / 10;
    const seconds: { asked?: number; agent?: number; disk?: number } = {};
    const row = (ok: boolean, more: Partial<BootRow> = {}): BootRow => ({
      ...{ case: one.name, ok, chain: chains.at(-1), seconds },
      given: given.filter((text, i) => text !== given[i - 1]),
      fetched,
      ...more,
    });
    try {
      await peer.reached(MAC, 'seen', { timeoutMs: limitMs });
      seconds.asked = sincePower();
      if (one.ends === 'refused') {
        const verdict = await refusal(lab, peer, limitMs);
        return row(verdict === 'secure-boot-refused', { verdict });
      }
      await peer.reached(MAC, 'agent', { timeoutMs: limitMs });
      seconds.agent = sincePower();
      if (one.ends === 'disk') {
        await peer.reached(MAC, 'done', { timeoutMs: limitMs });
        seconds.disk = sincePower();
      }
      return row(true);
    } catch (error) {
      if (one.stopped === undefined) await lab.keepEvidence();
      return row(false, { error: error instanceof Error ? error.message : String(error) });
    }
  }, limitMs + 60_000);
}

/** What the doctor says of the machine once its firmware has turned away. */
async function refusal(
  lab: Lab,
  peer: Awaited<ReturnType<Lab['startPeer']>>,
  timeoutMs: number,
): Promise<string | undefined> {
  void lab;
  const line = await peer.process.log.waitFor(
    (text) => {
      const fields = parseLine(text);
      return fields?.verdict !== undefined && fields.verdict !== 'size-probe' ? fields : undefined;
    },
    { timeoutMs, what: 'the doctor’s verdict' },
  );
  return String(line.verdict);
}
