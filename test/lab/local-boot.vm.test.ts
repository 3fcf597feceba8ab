// A machine nobody assigned an image to keeps its system: it boots its local disk after the countdown.
import { constants, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ensureImage } from '../../images/build.ts';
import { type LabContent, prepareContent } from './content.ts';
import { LOCAL_MARKER, localBootDisk } from './disks.ts';
import { withLab } from './lab.ts';

const LIMIT_MS = 300_000;
let content: LabContent;
beforeAll(async () => {
  content = await prepareContent((message) => console.log(message));
});

describe('an unknown machine', () => {
  it('boots its local disk on BIOS', { timeout: LIMIT_MS }, () =>
    withLab(async (lab) => {
      const peer = await lab.startPeer({ origins: [], root: content.root, assets: content.assets });
      const disk = localBootDisk(join(lab.folder, 'local.raw'));
      const mac = '52:54:00:77:03:01';
      const target = await lab.powerOn({
        name: 'till-1',
        firmware: 'bios',
        mac,
        disk,
        diskBytes: 0,
        networkFirst: true,
      });
      await peer.reached(mac, 'script', { timeoutMs: LIMIT_MS });
      await target.serial.waitFor((line) => (line.includes(LOCAL_MARKER) ? line : undefined), {
        timeoutMs: LIMIT_MS,
        what: 'the local disk boots',
      });
      expect(peer.process.log.lines.some((line) => line.includes('"rung":"agent"'))).toBe(false);
    }),
  );

  it('boots its local disk on UEFI', { timeout: LIMIT_MS }, () =>
    withLab(async (lab) => {
      const peer = await lab.startPeer({ origins: [], root: content.root, assets: content.assets });
      const image = await ensureImage({ version: '1' });
      const disk = join(lab.folder, 'local.raw');
      copyFileSync(image.path, disk, constants.COPYFILE_FICLONE);
      const mac = '52:54:00:77:03:02';
      const target = await lab.powerOn({
        name: 'till-1',
        firmware: 'uefi',
        mac,
        disk,
        diskBytes: 0,
        networkFirst: true,
      });
      await peer.reached(mac, 'script', { timeoutMs: LIMIT_MS });
      await target.serial.waitFor((line) => (line.includes('PEERBOOT-READY') ? line : undefined), {
        timeoutMs: LIMIT_MS,
        what: 'the local disk boots',
      });
    }),
  );
});
