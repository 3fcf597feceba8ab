// What happens to a machine when things go wrong around it: dead origin, killed peer, corrupt chunk, wrong disk.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseReceipt, RECEIPT_OFFSET } from '../../src/imaging/receipt.ts';
import { bootDisk, program } from '../support/boot-disk.ts';
import { until } from '../support/until.ts';
import {
  bootAgent,
  CASE_LIMIT_MS,
  copyTree,
  IMAGE,
  MAC,
  type SmallContent,
  slowWan,
  smallContent,
  withImage,
  withLab,
} from './agent-case.ts';
import { usedDisk } from './disks.ts';
import type { Cdn } from './parts.ts';
import { signedAssets } from './signed-assets.ts';

const MIB = 2 ** 20;
let content: SmallContent;
beforeAll(async () => {
  content = await smallContent();
});

const chunkRequests = (cdn: Cdn) => cdn.requests().filter((request) => request.path.startsWith('/chunks/'));

/** The image's own bytes lie on the disk, both read from outside the machine (GPT and its copy aside). */
function expectImageOn(disk: string): void {
  const [written, wanted] = [readFileSync(disk), readFileSync(content.image)];
  expect(written.subarray(MIB, 95 * MIB).equals(wanted.subarray(MIB, 95 * MIB))).toBe(true);
}

/** Serial lines of the agent that tell how far it is, as percent of the image. */
function imagedPercent(line: string): number | undefined {
  const match = /^peerboot: imaging +(\d+)%/.exec(line);
  return match === null ? undefined : Number(match[1]);
}

describe.concurrent('sources', () => {
  it('goes on at the second origin when the first one dies mid-image', () =>
    withLab(async (lab) => {
      await slowWan(lab, 80);
      const first = await lab.startCdn(content.tree);
      const second = await lab.startCdn(content.tree, { port: 8080 });
      const peer = await lab.startPeer({ ...content, origins: [first.base, second.base], assign: IMAGE });
      const target = await bootAgent(lab, content);
      await until(() => chunkRequests(first).length >= 5, {
        timeoutMs: CASE_LIMIT_MS,
        what: 'chunks from the first origin',
      });
      await first.stop();
      await peer.reached(MAC, 'done', { timeoutMs: CASE_LIMIT_MS });
      expect(chunkRequests(second).length).toBeGreaterThan(0);
      await target.stop();
      expectImageOn(join(lab.folder, 'till-1.raw'));
    }));

  it('never writes a corrupt chunk, says so, and goes on once the origin is mended', () =>
    withLab(async (lab) => {
      const tree = copyTree(lab, content);
      const chunk = largestChunk(tree);
      const right = readFileSync(chunk);
      const wrong = Buffer.from(right);
      wrong[wrong.length >> 1] = (wrong[wrong.length >> 1] as number) ^ 0xff;
      writeFileSync(chunk, wrong);
      const cdn = await lab.startCdn(tree);
      const peer = await lab.startPeer({ ...content, origins: [cdn.base], assign: IMAGE });
      const target = await bootAgent(lab, content);
      await peer.process.log.waitFor((line) => (line.includes('PB-CHUNK-CORRUPT') ? line : undefined), {
        timeoutMs: CASE_LIMIT_MS,
        what: 'the peer names the corrupt chunk',
      });
      await target.serial.waitFor((line) => (/PB-CHUNK-|PB-SOURCE-/.test(line) ? line : undefined), {
        timeoutMs: CASE_LIMIT_MS,
        what: 'the screen names the cause',
      });
      writeFileSync(chunk, right);
      await peer.reached(MAC, 'done', { timeoutMs: CASE_LIMIT_MS });
      await target.stop();
      expectImageOn(join(lab.folder, 'till-1.raw'));
    }));
});

/** The stored file with the most bytes: surely a chunk of the image, not a table. */
function largestChunk(tree: string): string {
  const files = readdirSync(join(tree, 'chunks'), { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const sized = files
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, size: readFileSync(path).length }));
  return sized.sort((a, b) => b.size - a.size)[0]?.path ?? '';
}

describe.concurrent('the peer', () => {
  it('is killed and restarted mid-image: the same machine finishes, nothing verified is fetched again', () =>
    withLab(async (lab) => {
      await slowWan(lab, 80);
      const cdn = await lab.startCdn(content.tree);
      const start = () => lab.startPeer({ ...content, origins: [cdn.base], assign: IMAGE });
      const before = await start();
      const target = await bootAgent(lab, content);
      await target.serial.waitFor((line) => ((imagedPercent(line) ?? 0) >= 20 ? line : undefined), {
        timeoutMs: CASE_LIMIT_MS,
        what: 'a fifth of the image is written',
      });
      await before.stop('SIGKILL');
      const after = await start();
      const done = await after.reached(MAC, 'done', { timeoutMs: CASE_LIMIT_MS });
      expect(done.refetchedChunks).toBe(0);
      // A chunk that was on its way when the peer died may be asked for again; a kept one never.
      const whole = chunkRequests(cdn).filter((request) => request.status === 200 && request.bytes > 0);
      expect(whole.length - new Set(whole.map((request) => request.path)).size).toBeLessThanOrEqual(8);
      await target.stop();
      expectImageOn(join(lab.folder, 'till-1.raw'));
    }));
});

describe.concurrent('the disk', () => {
  it('would not start with Secure Boot enforcing, and is too small for another image: refused, nothing written', () =>
    withLab(async (lab) => {
      const unsigned = await bootDisk({ table: 'gpt', programs: { 'BOOTX64 EFI': program(0) } });
      const both = await withImage(lab, content, { name: 'unsigned', bytes: unsigned });
      const cdn = await lab.startCdn(both.tree);
      const wish = { root: readFileSync(content.root), kernel: 'cloud' } as const;
      const { folder, certificate } = await signedAssets(wish, join(lab.folder, 'assets'));
      const host = { ...both, assets: folder, origins: [cdn.base], assign: 'unsigned' };
      const peer = await lab.startPeer({ ...host, extra: ['--chain', 'uki'] });
      const target = await bootAgent(lab, content, { diskBytes: 32 * MIB, enrolled: certificate });
      const refused = await peer.reached(MAC, 'failed', { timeoutMs: CASE_LIMIT_MS });
      expect(refused.code).toBe('PB-IMAGE-UNSIGNED');
      const from = peer.process.log.lines.length;
      await peer.command('assign', MAC, IMAGE);
      const failed = await peer.reached(MAC, 'failed', { timeoutMs: CASE_LIMIT_MS, from });
      expect(failed.code).toBe('PB-DISK-TOO-SMALL');
      // The program names no peer: it has found this one by itself, without a script.
      expect(await peer.machines()).toMatchObject([{ chain: 'uki', boot: { verdict: 'booted' } }]);
      await target.serial.waitFor((line) => (line.includes('PB-DISK-TOO-SMALL') ? line : undefined), {
        timeoutMs: CASE_LIMIT_MS,
        what: 'the screen names the cause',
      });
      await target.stop();
      expect(readFileSync(join(lab.folder, 'till-1.raw')).every((byte) => byte === 0)).toBe(true);
    }));

  it('is not blank: approved by code, refused, then allowed by the administrator, and imaged without a restart', () =>
    withLab(async (lab) => {
      const cdn = await lab.startCdn(content.tree);
      const peer = await lab.startPeer({ ...content, origins: [cdn.base], extra: ['--unknown', 'wait'] });
      const disk = await usedDisk(join(lab.folder, 'used.raw'), 256 * MIB);
      const untouched = readFileSync(disk);
      const target = await bootAgent(lab, content, { disk });
      const code = await target.serial.waitFor((line) => /^peerboot: wait code ([A-Z]{8})/.exec(line)?.[1], {
        timeoutMs: CASE_LIMIT_MS,
        what: 'the screen shows a code',
      });
      expect(await peer.command('machines', '--waiting')).toContain(`${code.slice(0, 4)} ${code.slice(4)}`);
      expect(await peer.command('approve', code, '--name', 'till-{store}-{nn}')).toContain('serial TILL-1');
      const failed = await peer.reached(MAC, 'failed', { timeoutMs: CASE_LIMIT_MS });
      expect(failed.code).toBe('PB-DISK-NOT-BLANK');
      expect(readFileSync(disk).equals(untouched)).toBe(true);
      await peer.command('assign', MAC, IMAGE, '--allow-non-blank');
      await peer.reached(MAC, 'done', { timeoutMs: CASE_LIMIT_MS, from: peer.process.log.lines.length });
      await target.stop();
      expectImageOn(disk);
      // The new system finds its name in the gap before the first partition.
      const receipt = parseReceipt(readFileSync(disk).subarray(RECEIPT_OFFSET));
      expect(receipt).toMatchObject({ image: `${IMAGE}@1`, name: 'till-store-1-01' });
    }));
});
