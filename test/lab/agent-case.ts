// Frame of the cases that are about the agent: a small image, the agent booted directly, a peer and its CDN.
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBootAssets } from '../../boot-assets/build.ts';
import { type PublishedTree, publishInto, publishTree } from './content.ts';
import { smallImage } from './disks.ts';
import { type Lab, withLab } from './lab.ts';
import { ADDRESSES } from './network.ts';
import { run } from './process.ts';
import type { Target, TargetOptions } from './target.ts';

export const IMAGE = 'small';
export const MAC = '52:54:00:77:01:01';
export const CASE_LIMIT_MS = 420_000;
const DISK_BYTES = 256 * 2 ** 20;

export interface SmallContent extends PublishedTree {
  readonly image: string;
  readonly assets: string;
}

export async function smallContent(): Promise<SmallContent> {
  const image = await smallImage();
  const published = await publishTree(image, IMAGE, '1');
  const assets = await ensureBootAssets({ root: readFileSync(published.root), kernel: 'cloud' });
  return { ...published, image, assets: assets.folder };
}

/** A copy of a published tree that a case may damage. */
export function copyTree(lab: Lab, content: PublishedTree): string {
  const tree = join(lab.folder, 'tree');
  cpSync(content.tree, tree, { recursive: true });
  return tree;
}

/** The content beside another image, in a tree of this case's own. */
export async function withImage(
  lab: Lab,
  content: SmallContent,
  image: { readonly name: string; readonly bytes: Uint8Array },
): Promise<SmallContent> {
  const tree = copyTree(lab, content);
  const path = join(lab.folder, `${image.name}.raw`);
  writeFileSync(path, image.bytes);
  await publishInto({ image: path, name: image.name, version: '1', tree, keys: content.keys });
  return { ...content, tree };
}

/** A slow line from head office, so that something can happen while the image is on its way. */
export async function slowWan(lab: Lab, megabitsPerSecond: number): Promise<void> {
  await run('ip', [
    ...['netns', 'exec', lab.network.cdnNamespace],
    ...[
      'tc',
      'qdisc',
      'add',
      'dev',
      'eth0',
      'root',
      'tbf',
      'rate',
      `${megabitsPerSecond}mbit`,
      'burst',
      '128kb',
      'latency',
      '500ms',
    ],
  ]);
}

/**
 * Powers a machine on straight into kernel and agent: the way there is proved by the stories. With `enrolled`, a certificate, it
 * enforces Secure Boot and goes by UEFI HTTP Boot into the agent as one program, when the peer has `--chain uki` and signed assets.
 */
export function bootAgent(
  lab: Lab,
  content: SmallContent,
  options: { disk?: string; diskBytes?: number; enrolled?: string } = {},
): Promise<Target> {
  const direct = {
    kernel: join(content.assets, 'vmlinuz'),
    initramfs: join(content.assets, 'initramfs.img'),
    commandLine: `peerboot.peer=http://${ADDRESSES.peer}:8067 console=tty0 console=ttyS0,115200 quiet`,
  };
  const { enrolled } = options;
  const way: Pick<TargetOptions, 'firmware' | 'http' | 'enrolled' | 'memoryMb' | 'direct'> =
    enrolled === undefined
      ? { firmware: 'bios', direct }
      : { firmware: 'secureboot', http: true, enrolled: { db: enrolled }, memoryMb: 768 };
  return lab.powerOn({
    ...{ name: 'till-1', mac: MAC, diskBytes: options.diskBytes ?? DISK_BYTES },
    ...(options.disk === undefined ? {} : { disk: options.disk }),
    ...way,
  });
}

export { withLab };
