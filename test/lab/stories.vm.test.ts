// The whole story, power-on to the login of the new system, on BIOS and UEFI at once in one store.
import { beforeAll, describe, expect, it } from 'vitest';
import { type LabContent, prepareContent } from './content.ts';
import { withLab } from './lab.ts';
import { followStory, STORY_LIMIT_MS } from './story.ts';

let content: LabContent;
beforeAll(async () => {
  content = await prepareContent(() => {});
});

describe('a bare machine is imaged from an ordinary endpoint, and boots', () => {
  it('BIOS and UEFI together, one copy over the WAN', () =>
    withLab(async (lab) => {
      const cdn = await lab.startCdn(content.tree);
      const peer = await lab.startPeer({
        origins: [cdn.base],
        root: content.root,
        assets: content.assets,
        assign: content.image,
      });
      const machines = [
        { name: 'till-bios', firmware: 'bios', mac: '52:54:00:77:02:01' },
        { name: 'till-uefi', firmware: 'uefi', mac: '52:54:00:77:02:02' },
      ] as const;
      const targets = await Promise.all(
        machines.map((machine) => lab.powerOn({ ...machine, diskBytes: 2 ** 30 })),
      );
      const stories = await Promise.all(targets.map((target) => followStory(target, peer)));
      console.log(JSON.stringify(stories));
      expect(stories.every((story) => story.ready)).toBe(true);
      // The whole image once for the site, plus the signed catalogue: a few kilobytes.
      expect(cdn.bytesServed()).toBeLessThan(content.storedBytes + 256 * 1024);
    }, STORY_LIMIT_MS));
});
