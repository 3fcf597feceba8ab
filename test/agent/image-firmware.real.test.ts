// The real agent and an image that says on which firmware it boots.
import { afterAll, afterEach, expect, it } from 'vitest';
import { equalBytes, isAllZero } from '../../src/base/bytes.ts';
import { until } from '../support/until.ts';
import { gptImage, removeTrees, type SignedTree, signedTree } from './content.ts';
import { type LabPeer, startLabPeer } from './lab-peer.ts';
import { closeDiskThreads, startTarget, type TestTargetOptions } from './target.ts';

const plain = gptImage(4 * 2 ** 20, 9);
const peers: LabPeer[] = [];
afterEach(() => Promise.all(peers.splice(0).map((peer) => peer.close())));
afterAll(async () => {
  await closeDiskThreads();
  removeTrees();
});

async function targetOf(signed: SignedTree, options: TestTargetOptions = {}) {
  const image = { name: 'small', version: '1' };
  const plan = { kind: 'image', image, disk: { allowNonBlank: false }, finish: 'reboot' } as const;
  const peer = await startLabPeer({ tree: signed.tree, plan });
  peers.push(peer);
  return { peer, target: startTarget(peer, signed, options) };
}

it.each([
  [
    'for firmware of another kind',
    { firmwares: ['bios', 'uefi-arm64'] },
    'PB-IMAGE-FIRMWARE',
    'small 1 boots on bios and uefi-arm64, and this machine is uefi-x64',
  ],
  [
    'with an unsigned program where Secure Boot is enforced',
    { firmwares: ['bios', 'uefi-x64'], unsigned: ['uefi-x64'] },
    'PB-IMAGE-UNSIGNED',
    'The boot program of small 1 is not signed, and this machine enforces Secure Boot',
  ],
])(
  'refuses one %s before anything is written, and tells the boot host',
  async (_, publishing, code, what) => {
    const { peer, target } = await targetOf(await signedTree(plain, publishing), { secureBoot: true });
    await until(() => peer.reports.some(({ failure }) => failure?.code === code), {
      timeoutMs: 20_000,
      what: 'the boot host hears of it',
    });
    expect(target.screens.at(-1)?.failure?.what).toBe(what);
    expect(isAllZero(target.disk())).toBe(true);
    peer.plan = { kind: 'local-boot' };
    await target.over;
  },
);

it.each([
  ['for several kinds, of which its own is one', ['uefi-arm64'], true],
  ['with an unsigned program where Secure Boot is off', ['uefi-x64'], false],
])('takes one %s', async (_, unsigned, secureBoot) => {
  const signed = await signedTree(plain, { firmwares: ['bios', 'uefi-x64', 'uefi-arm64'], unsigned });
  const { target } = await targetOf(signed, { secureBoot });
  await target.over;
  expect(equalBytes(target.disk(), signed.image.plain)).toBe(true);
});
