// Three bare machines in one store at once, one switched on late, one powered off half way and on again: one copy over the WAN.
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type SmallContent, slowWan, smallContent, withLab } from './agent-case.ts';
import { followFeeders } from './feeders.ts';
import type { Lab } from './lab.ts';
import { ADDRESSES } from './network.ts';
import type { Target } from './target.ts';

const LIMIT_MS = 500_000;
const WAN_MEGABITS = 8;
const DISK_BYTES = 256 * 2 ** 20;

let content: SmallContent;
beforeAll(async () => {
  content = await smallContent();
});

const macOf = (number: number) => `52:54:00:77:03:0${number}`;

/** Straight into kernel and agent: the way there is proved by the stories. */
function powerOn(lab: Lab, number: number): Promise<Target> {
  return lab.powerOn({
    name: `till-${number}`,
    firmware: 'bios',
    mac: macOf(number),
    diskBytes: DISK_BYTES,
    direct: {
      kernel: join(content.assets, 'vmlinuz'),
      initramfs: join(content.assets, 'initramfs.img'),
      commandLine: `peerboot.peer=http://${ADDRESSES.peer}:8067 console=tty0 console=ttyS0,115200 quiet`,
    },
  });
}

describe('three machines of one store', () => {
  it('are imaged from one copy, though one comes late and one loses its power half way', () =>
    withLab(async (lab) => {
      // So slow that machines which start half a minute apart under emulation still meet.
      await slowWan(lab, WAN_MEGABITS);
      const cdn = await lab.startCdn(content.tree);
      const peer = await lab.startPeer({
        origins: [cdn.base],
        root: content.root,
        assets: content.assets,
        assign: 'small',
      });
      const fed: string[] = [];
      const names = new Map([1, 2, 3].map((number) => [macOf(number), `till-${number}`]));
      const stopFollowing = followFeeders(peer, names, ({ target, feeder }) =>
        fed.push(`${target} by ${feeder}`),
      );
      const isDone = (number: number, from = 0) =>
        peer.reached(macOf(number), 'done', { timeoutMs: LIMIT_MS, from });
      const halfWay = (target: Target) =>
        target.serial.waitFor((line) => (/imaging +[2-9]\d%/.test(line) ? line : undefined), {
          timeoutMs: LIMIT_MS,
          what: `${target.name} is half way`,
        });
      try {
        const [, second] = await Promise.all([powerOn(lab, 1), powerOn(lab, 2)]);
        const first = isDone(1);
        // The third is switched on when the others are at work already.
        await halfWay(second);
        const third = powerOn(lab, 3).then(() => isDone(3));
        await second.stop();
        const from = peer.process.log.lines.length;
        await powerOn(lab, 2);
        await Promise.all([first, isDone(2, from), third]);
        console.log(fed.join(', '));
        // Two per cent, and the catalogue.
        expect(cdn.bytesServed()).toBeLessThan(content.storedBytes * 1.02 + 64 * 1024);
      } finally {
        stopFollowing();
      }
    }, LIMIT_MS));
});
