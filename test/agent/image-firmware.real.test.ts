// The real agent and an image that says on which firmware it boots.
import { afterAll, afterEach, expect, it } from 'vitest';
import { equalBytes, isAllZero } from '../../src/base/bytes.ts';
import { until } from '../support/until.ts';
import { gptImage, removeTrees, type SignedTree, signedTree } from './content.ts';
import { type LabPeer, startLabPeer } from './lab-peer.ts';
import { closeDiskThreads, startTarget } from './target.ts';

const plain = gptImage(4 * 2 ** 20, 9);
const peers: LabPeer[] = [];
afterEach(() => Promise.all(peers.splice(0).map((peer) => peer.close())));
afterAll(async () => {
  await closeDiskThreads();
  removeTrees();
});

async function targetOf(signed: SignedTree) {
  const image = { name: 'small', version: '1' };
  const plan = { kind: 'image', image, disk: { allowNonBlank: false }, finish: 'reboot' } as const;
  const peer = await startLabPeer({ tree: signed.tree, plan });
  peers.push(peer);
  return { peer, target: startTarget(peer, signed) };
}

it('refuses one for firmware of another kind before anything is written, and tells the boot host', async () => {
  const { peer, target } = await targetOf(await signedTree(plain, { firmwares: ['bios', 'uefi-arm64'] }));
  await until(() => peer.reports.some(({ failure }) => failure?.code === 'PB-IMAGE-FIRMWARE'), {
    timeoutMs: 20_000,
    what: 'the boot host hears of it',
  });
  expect(target.screens.at(-1)?.failure?.what).toBe(
    'small 1 boots on bios and uefi-arm64, and this machine is uefi-x64',
  );
  expect(isAllZero(target.disk())).toBe(true);
  peer.plan = { kind: 'local-boot' };
  await target.over;
});

it('takes one for several kinds, of which its own is one', async () => {
  const signed = await signedTree(plain, { firmwares: ['bios', 'uefi-x64'] });
  const { target } = await targetOf(signed);
  await target.over;
  expect(equalBytes(target.disk(), signed.image.plain)).toBe(true);
});
