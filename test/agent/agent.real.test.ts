// The real agent against a real content tree over HTTP, writing to a file: the whole way, and every way to go wrong.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Plan } from '../../src/api/agent.ts';
import { chunkPath } from '../../src/api/routes.ts';
import { equalBytes, isAllZero } from '../../src/base/bytes.ts';
import { parseReceipt, RECEIPT_OFFSET } from '../../src/imaging/receipt.ts';
import { until } from '../support/until.ts';
import { addImage, gptImage, removeTrees, type SignedTree, signedTree } from './content.ts';
import { type LabPeer, startLabPeer } from './lab-peer.ts';
import { closeDiskThreads, startTarget, type TestTarget } from './target.ts';

const MIB = 2 ** 20;
const IMAGE_BYTES = 24 * MIB;

let signed: SignedTree;
const peers: LabPeer[] = [];
beforeAll(async () => {
  signed = await signedTree(gptImage(IMAGE_BYTES));
});
afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
});
afterAll(async () => {
  await closeDiskThreads();
  removeTrees();
});

const image: Extract<Plan, { kind: 'image' }> = {
  kind: 'image',
  image: { name: 'small', version: '1' },
  disk: { allowNonBlank: false },
  finish: 'reboot',
};

async function peerOf(
  tree: SignedTree,
  plan: Plan = image,
  sources: readonly string[] = [],
): Promise<LabPeer> {
  const peer = await startLabPeer({ tree: tree.tree, plan, sources });
  peers.push(peer);
  return peer;
}

/** An image with room for a receipt, the boot host that serves it, and another one that has it, too. */
async function twoHosts(): Promise<{ own: SignedTree; other: LabPeer; peer: LabPeer }> {
  const plain = gptImage(IMAGE_BYTES, 8);
  plain.fill(0, RECEIPT_OFFSET, RECEIPT_OFFSET + 512);
  const own = await signedTree(plain);
  const other = await peerOf(own, { ...image, ticket: 'ghi.jkl' });
  const peer = await peerOf(own, { ...image, ticket: 'abc.def' }, [`${other.base}/content`]);
  return { own, other, peer };
}

const failure = (target: TestTarget) => target.screens.at(-1)?.failure?.code;
const fails = (target: TestTarget, code: string) =>
  until(() => failure(target) === code, {
    timeoutMs: 20_000,
    what: `${code} on the screen, not ${JSON.stringify(target.screens.at(-1))}`,
  });
/** Chunks that came whole more than once. */
const sentTwice = (peer: LabPeer) => peer.sent.length - new Set(peer.sent).size;

describe('the whole way', () => {
  it('writes the image bit for bit, proves it, sets the boot entry, says done and restarts', async () => {
    const peer = await peerOf(signed);
    const target = startTarget(peer, signed);
    await target.over;
    expect(equalBytes(target.disk(), signed.image.plain)).toBe(true);
    expect(target.left).toEqual(['reboot']);
    expect(target.entries).toEqual(['Peerboot small']);
    expect([...new Set(target.screens.map((screen) => screen.step))]).toEqual([
      'network',
      'check-in',
      'prepare',
      'imaging',
      'verifying',
      'done',
      'leave',
    ]);
    expect(peer.reports.at(-1)).toMatchObject({
      rung: 'done',
      refetchedChunks: 0,
      disk: expect.stringMatching(/^vd/),
    });
    expect(peer.reports.at(-1)?.fetchedBytes).toBe(signed.image.manifest.storedBytes);
    expect(sentTwice(peer)).toBe(0);
  });

  it('carries the ticket in its reports, leaves a receipt on the disk, and tells of it at its next start', async () => {
    const plain = gptImage(IMAGE_BYTES, 7);
    // As every partitioner leaves it; the other images have noise there, which stays theirs.
    plain.fill(0, RECEIPT_OFFSET, RECEIPT_OFFSET + 512);
    const own = await signedTree(plain);
    const peer = await peerOf(own, { ...image, ticket: 'abcd.secret', name: 'till-07' });
    const target = startTarget(peer, own);
    await target.over;
    const receipt = { ticket: 'abcd', machine: 'till-1', image: 'small@1', name: 'till-07' };
    const disk = target.disk();
    expect(parseReceipt(disk.subarray(RECEIPT_OFFSET))).toEqual(receipt);
    expect(Buffer.from(disk).includes('secret')).toBe(false);
    // All else is the image's, bit for bit.
    disk.fill(0, RECEIPT_OFFSET, RECEIPT_OFFSET + 512);
    expect(equalBytes(disk, own.image.plain)).toBe(true);
    const wiped = peer.reports.findIndex((report) => report.wiped === true);
    expect(wiped).toBeGreaterThanOrEqual(0);
    expect(peer.reports.slice(wiped).every((report) => report.ticket === 'abcd.secret')).toBe(true);
    const next = await peerOf(signed, { kind: 'local-boot' });
    await startTarget(next, signed, { content: target.disk() }).over;
    expect(next.checkIns[0]?.disks[0]?.content.receipt).toEqual(receipt);
  });

  it('shows the code while it waits to be approved, and goes on when it is', async () => {
    const peer = await peerOf(signed, {
      kind: 'wait',
      retryAfterMs: 50,
      reason: 'not yet',
      code: 'BCDFGHJK',
    });
    const target = startTarget(peer, signed);
    const shown = () => target.screens.at(-1)?.approval;
    await until(() => shown() !== undefined, { timeoutMs: 10_000, what: 'the code' });
    expect(shown()).toEqual({ code: 'BCDFGHJK', page: `${peer.base}/approve` });
    peer.plan = image;
    await target.over;
    expect(shown()).toBeUndefined();
    expect(equalBytes(target.disk(), signed.image.plain)).toBe(true);
  });

  it('fits the partition table to a larger disk that held other data, and zeros what the image has empty', async () => {
    const noise = new Uint8Array(IMAGE_BYTES * 2).map((_, i) => (i * 31) & 0xff);
    const peer = await peerOf(signed, { ...image, disk: { allowNonBlank: true } });
    const target = startTarget(peer, signed, { diskBytes: noise.length, content: noise });
    await target.over;
    const disk = target.disk();
    // All but MBR, header and the old backup is the image's.
    expect(equalBytes(disk.subarray(1024, IMAGE_BYTES), signed.image.plain.subarray(1024))).toBe(true);
    expect(execFileSync('sgdisk', ['-v', target.diskPath], { encoding: 'utf8' })).toMatch(
      /No problems found/,
    );
  });

  it('restarts into local boot when told so, and waits when told so', async () => {
    const peer = await peerOf(signed, { kind: 'wait', retryAfterMs: 50, reason: 'no image yet' });
    const target = startTarget(peer, signed);
    await until(() => peer.checkIns.length >= 3, { timeoutMs: 10_000, what: 'asks again and again' });
    expect(target.screens.at(-1)).toMatchObject({ step: 'wait', note: 'no image yet' });
    peer.plan = { kind: 'local-boot' };
    await target.over;
    expect(target.left).toEqual(['reboot']);
    expect(isAllZero(target.disk())).toBe(true);
  });
});

describe('sources', () => {
  it('goes on where it was when the peer dies mid-way and returns: nothing is fetched twice', async () => {
    const peer = await peerOf(signed);
    const dead = Promise.withResolvers<void>();
    peer.beforeChunk = async (count) => {
      if (count === 12) await peer.kill().then(dead.resolve);
    };
    const target = startTarget(peer, signed);
    await dead.promise;
    await until(() => /PB-SOURCE-FAILED/.test(target.screens.at(-1)?.note ?? ''), {
      timeoutMs: 20_000,
      what: 'the screen says that the peer is gone',
    });
    const before = new Set(peer.sent);
    peer.beforeChunk = () => {};
    await peer.revive();
    await target.over;
    expect(equalBytes(target.disk(), signed.image.plain)).toBe(true);
    expect(peer.reports.at(-1)).toMatchObject({ rung: 'done', refetchedChunks: 0 });
    expect(before.size).toBeGreaterThan(5);
    expect(sentTwice(peer)).toBe(0);
  });

  it('goes on when its boot host dies for good, and tells another one, under whose ticket it finishes', async () => {
    const { own, other, peer } = await twoHosts();
    peer.beforeChunk = async (count) => {
      if (count === 12) await peer.kill();
    };
    // Else a fast machine is finished before it misses anybody.
    other.beforeChunk = async () => {
      await until(() => other.reports.length > 0, { timeoutMs: 20_000, what: 'a report to the other host' });
    };
    const target = startTarget(peer, own, { others: [other] });
    await target.over;
    expect(target.left).toEqual(['reboot']);
    expect(peer.reports.some(({ rung }) => rung === 'done')).toBe(false);
    expect(other.checkIns.at(0)?.ticket).toBe('abc.def');
    expect(other.reports.some(({ rung }) => rung !== 'done')).toBe(true);
    expect(other.reports.at(-1)).toMatchObject({ rung: 'done', ticket: 'ghi.jkl' });
    expect(other.checkIns).toHaveLength(1);
  });

  it('shows another boot host its finished disk when its own dies before it hears of that', async () => {
    const { own, other, peer } = await twoHosts();
    const others: LabPeer[] = [];
    peer.beforeChunk = async (count) => {
      if (count === 12) await peer.kill();
    };
    const target = startTarget(peer, own, { others });
    await until(() => target.screens.at(-1)?.step === 'done', { timeoutMs: 20_000, what: 'a sealed disk' });
    others.push(other);
    await target.over;
    expect(target.left).toEqual(['reboot']);
    expect(other.checkIns.at(-1)?.disks[0]?.content.receipt).toMatchObject({ ticket: 'abc' });
  });

  it('takes the next source of the check-in when the peer has no content', async () => {
    const other = await peerOf(signed);
    const empty = { ...signed, tree: join(signed.folder, 'nothing') };
    const peer = await peerOf(empty, image, [`${other.base}/content`]);
    const target = startTarget(peer, signed);
    await target.over;
    expect(equalBytes(target.disk(), signed.image.plain)).toBe(true);
    expect(target.screens.some((screen) => screen.source === `${other.base}/content`)).toBe(true);
  });

  it('never writes a corrupt chunk, says so, and goes on when the source is mended', async () => {
    const own = await signedTree(gptImage(IMAGE_BYTES, 2));
    const chunk = join(own.tree, chunkPath(own.image.chunks.digest(7)));
    const right = readFileSync(chunk);
    const wrong = Buffer.from(right);
    wrong[right.length >> 1] = (right[right.length >> 1] as number) ^ 1;
    writeFileSync(chunk, wrong);
    const peer = await peerOf(own);
    const target = startTarget(peer, own);
    await until(() => /PB-CHUNK-CORRUPT/.test(target.screens.at(-1)?.note ?? ''), {
      timeoutMs: 20_000,
      what: 'the screen names the corrupt chunk',
    });
    const [first] = own.image.slices.byChunk(own.image.chunks.rows).rowsOf(7);
    const slice = own.image.slices.row(first ?? 0);
    expect(isAllZero(target.disk().subarray(slice.offset, slice.offset + slice.length))).toBe(true);
    writeFileSync(chunk, right);
    await target.over;
    expect(equalBytes(target.disk(), own.image.plain)).toBe(true);
    expect(sentTwice(peer)).toBeGreaterThan(0);
  });
});

describe('trust', () => {
  it('refuses a catalogue that another publisher signed, and writes nothing', async () => {
    const forger = await signedTree(gptImage(IMAGE_BYTES, 3));
    const peer = await peerOf(forger);
    const target = startTarget(peer, forger, { root: signed.root });
    await fails(target, 'PB-TRUST-FORGED');
    expect(isAllZero(target.disk())).toBe(true);
    await until(() => peer.reports.some((report) => report.failure?.code === 'PB-TRUST-FORGED'), {
      timeoutMs: 10_000,
      what: 'the peer hears of it',
    });
    peer.plan = { kind: 'local-boot' };
    await target.over;
  });

  it('refuses an image that the catalogue does not have', async () => {
    const peer = await peerOf(signed, { ...image, image: { name: 'small', version: '9' } });
    const target = startTarget(peer, signed);
    await fails(target, 'PB-IMAGE-UNKNOWN');
    peer.plan = image;
    await target.over;
    expect(equalBytes(target.disk(), signed.image.plain)).toBe(true);
  });
});

describe('a signed image that contradicts itself', () => {
  const rows = Math.floor(IMAGE_BYTES / 60_000);
  it.each([
    ['in its middle', rows >> 1],
    ['in its first sectors', 0],
  ])('%s is not blamed on the disk, and never made bootable', async (_where, around) => {
    const plain = gptImage(IMAGE_BYTES, 6);
    // The next row that is not all zero.
    const start = around * 60_000 + plain.subarray(around * 60_000).findIndex((byte) => byte !== 0);
    const broken = await signedTree(plain, { wrongRow: Math.floor(start / 60_000) });
    const peer = await peerOf(broken);
    const target = startTarget(peer, broken);
    await fails(target, 'PB-IMAGE-INCONSISTENT');
    expect(isAllZero(target.disk().subarray(0, MIB))).toBe(true);
    peer.plan = { kind: 'local-boot' };
    await target.over;
  });
});

describe('the disk', () => {
  it('too small: refused on the screen and at the peer, nothing written', async () => {
    const peer = await peerOf(signed);
    const target = startTarget(peer, signed, { diskBytes: 16 * MIB });
    await fails(target, 'PB-DISK-TOO-SMALL');
    await until(() => peer.reports.at(-1)?.failure?.code === 'PB-DISK-TOO-SMALL', {
      timeoutMs: 10_000,
      what: 'reported',
    });
    expect(isAllZero(target.disk())).toBe(true);
    peer.plan = { kind: 'local-boot' };
    await target.over;
  });

  it('not blank: refused, untouched, then written without a restart once that is allowed', async () => {
    const old = gptImage(IMAGE_BYTES, 9);
    const peer = await peerOf(signed);
    const target = startTarget(peer, signed, { content: old });
    await fails(target, 'PB-DISK-NOT-BLANK');
    await until(() => peer.checkIns.length > 3, { timeoutMs: 10_000, what: 'keeps asking' });
    expect(failure(target)).toBe('PB-DISK-NOT-BLANK');
    expect(equalBytes(target.disk(), old)).toBe(true);
    peer.plan = { ...image, disk: { allowNonBlank: true } };
    await target.over;
    expect(equalBytes(target.disk(), signed.image.plain)).toBe(true);
    expect(peer.reports.at(-1)?.rung).toBe('done');
  });

  it('that keeps other bytes than were written is found out when read back, and never made bootable', async () => {
    const peer = await peerOf(signed);
    const target = startTarget(peer, signed, {
      disturb: (disk) => ({
        ...disk,
        async flush() {
          // One bit in the middle of the image turns over on its way.
          const at = IMAGE_BYTES / 2;
          const [byte] = await disk.read(at, 1);
          await disk.write(at, Uint8Array.of((byte as number) ^ 4));
          await disk.flush();
        },
      }),
    });
    await fails(target, 'PB-DISK-READ-BACK');
    expect(isAllZero(target.disk().subarray(0, MIB))).toBe(true);
    peer.plan = { kind: 'local-boot' };
    await target.over;
  });

  it('looks blank at both ends until all is proved', async () => {
    const peer = await peerOf(signed);
    const half = Promise.withResolvers<void>();
    peer.beforeChunk = (count) => (count === 20 ? half.resolve() : undefined);
    const target = startTarget(peer, signed);
    await half.promise;
    const disk = target.disk();
    expect(isAllZero(disk.subarray(0, MIB))).toBe(true);
    expect(isAllZero(disk.subarray(-MIB))).toBe(true);
    await target.over;
  });
});

describe('a plan that changes on the way', () => {
  /** Changes the plan at the tenth chunk and asks the agent to check in; resolves when it has. */
  function changePlan(peer: LabPeer, plan: Plan): Promise<void> {
    const asked = Promise.withResolvers<void>();
    peer.beforeChunk = async (count) => {
      if (count !== 10) return;
      peer.plan = plan;
      peer.next = 'restart';
      await until(() => peer.checkIns.length === 2, { timeoutMs: 10_000, what: 'checks in again' });
      asked.resolve();
    };
    return asked.promise;
  }

  it('to local boot, as a peer says that was restarted and has forgotten: what was begun is finished', async () => {
    const peer = await peerOf(signed);
    const changed = changePlan(peer, { kind: 'local-boot' });
    const target = startTarget(peer, signed);
    await changed;
    await target.over;
    expect(equalBytes(target.disk(), signed.image.plain)).toBe(true);
  });

  it('to another image: that one is written instead', async () => {
    const both = await signedTree(gptImage(IMAGE_BYTES, 4));
    const other = await addImage(both.folder, gptImage(IMAGE_BYTES, 5), 'other', '1');
    const peer = await peerOf(both);
    const changed = changePlan(peer, { ...image, image: { name: 'other', version: '1' } });
    const target = startTarget(peer, both);
    await changed;
    await target.over;
    expect(equalBytes(target.disk(), other.plain)).toBe(true);
    expect(target.entries).toEqual(['Peerboot other']);
  });
});
