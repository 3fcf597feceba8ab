// A machine nobody assigned an image to keeps its system: it boots its local disk after the countdown.
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type SmallContent, smallContent } from './agent-case.ts';
import { withLab } from './lab.ts';
import { biosLocalDisk, LOCAL_MARKER, uefiLocalDisk } from './local-disks.ts';

const LIMIT_MS = 300_000;
let content: SmallContent;
beforeAll(async () => {
  content = await smallContent();
});

describe.concurrent('an unknown machine', () => {
  const cases = [
    { firmware: 'bios', makeDisk: biosLocalDisk },
    { firmware: 'uefi', makeDisk: uefiLocalDisk },
  ] as const;
  for (const { firmware, makeDisk } of cases) {
    it(`boots its local disk on ${firmware}`, () =>
      withLab(async (lab) => {
        const peer = await lab.startPeer({ origins: [], root: content.root, assets: content.assets });
        const disk = await makeDisk(join(lab.folder, 'local.raw'));
        const mac = '52:54:00:77:03:01';
        const target = await lab.powerOn({
          name: 'till-1',
          firmware,
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
      }));
  }
});
