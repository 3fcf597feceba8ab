// Imaging one virtual machine end to end, beside what people script themselves: nginx and busybox `wget | dd`.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cpio } from '../boot-assets/cpio.ts';
import { ensureImage } from '../images/build.ts';
import { fromText } from '../src/base/bytes.ts';
import { type LabContent, prepareContent } from '../test/lab/content.ts';
import { type Lab, openLab } from '../test/lab/lab.ts';
import { ADDRESSES } from '../test/lab/network.ts';
import type { Bench, BenchRow } from './bench.ts';

const LIMIT_MS = 420_000;
const DISK_BYTES = 2 ** 30;
const RIVAL_PORT = 8080;

/** The rival's whole program. It runs in our kernel and initramfs, so that both start alike; it proves nothing. */
const RIVAL_INIT = `#!/bin/sh
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
before=
for pass in 1 2 3 4 5; do
  now=$(find /sys/devices -name modalias -exec cat {} + 2>/dev/null | sort -u)
  [ "$now" = "$before" ] && break
  echo "$now" | xargs modprobe -a -b -q 2>/dev/null
  before=$now
done
ip link set eth0 up
udhcpc -i eth0 -n -q -s /lease.sh
echo RIVAL-BEGINS > /dev/ttyS0
wget -q -O - http://${ADDRESSES.peer}:${RIVAL_PORT}/image.raw | dd of=/dev/vda bs=1M iflag=fullblock conv=fsync
echo RIVAL-WRITTEN > /dev/ttyS0
sleep 1000
`;
const RIVAL_LEASE = '#!/bin/sh\n[ "$1" = bound ] && ip addr add $ip/$mask dev $interface\n';

interface Times {
  /** Power-on to the first byte asked for, seconds. */
  readonly begins: number;
  readonly written: number;
  readonly proved: number | undefined;
}

const seconds = (since: number) => (performance.now() - since) / 1000;
const COMMAND_LINE = `peerboot.peer=http://${ADDRESSES.peer}:8067 console=tty0 console=ttyS0,115200 quiet`;

async function ours(lab: Lab, content: LabContent): Promise<Times> {
  const cdn = await lab.startCdn(content.tree);
  const { root, assets, image } = content;
  const peer = await lab.startPeer({ origins: [cdn.base], root, assets, assign: image });
  const mac = '52:54:00:77:09:01';
  const target = await lab.powerOn({
    name: 'ours',
    firmware: 'bios',
    mac,
    diskBytes: DISK_BYTES,
    direct: {
      kernel: join(assets, 'vmlinuz'),
      initramfs: join(assets, 'initramfs.img'),
      commandLine: COMMAND_LINE,
    },
  });
  await peer.reached(mac, 'imaging', { timeoutMs: LIMIT_MS });
  const begins = seconds(target.poweredOnAt);
  await peer.reached(mac, 'verifying', { timeoutMs: LIMIT_MS });
  const written = seconds(target.poweredOnAt);
  await peer.reached(mac, 'done', { timeoutMs: LIMIT_MS });
  return { begins, written, proved: seconds(target.poweredOnAt) };
}

async function rival(lab: Lab, content: LabContent, folder: string): Promise<Times> {
  const tree = join(folder, 'rival');
  mkdirSync(tree);
  copyFileSync((await ensureImage({ version: '1' })).path, join(tree, 'image.raw'));
  await lab.startCdn(tree, {
    port: RIVAL_PORT,
    address: ADDRESSES.peer,
    namespace: lab.network.peerNamespace,
  });
  const initramfs = join(folder, 'rival.img');
  const own = cpio([
    { kind: 'file', path: 'init', bytes: fromText(RIVAL_INIT), executable: true },
    { kind: 'file', path: 'lease.sh', bytes: fromText(RIVAL_LEASE), executable: true },
  ]);
  // A later archive's files replace those of an earlier one; a plain archive begins at a multiple of four.
  const base = readFileSync(join(content.assets, 'initramfs.img'));
  writeFileSync(initramfs, Buffer.concat([base, Buffer.alloc(-base.length & 3), own]));
  const target = await lab.powerOn({
    name: 'rival',
    firmware: 'bios',
    mac: '52:54:00:77:09:02',
    diskBytes: DISK_BYTES,
    direct: { kernel: join(content.assets, 'vmlinuz'), initramfs, commandLine: COMMAND_LINE },
  });
  const said = async (marker: string) => {
    await target.serial.waitFor((line) => (line.includes(marker) ? line : undefined), {
      timeoutMs: LIMIT_MS,
      what: `the rival says ${marker}`,
    });
    return seconds(target.poweredOnAt);
  };
  const begins = await said('RIVAL-BEGINS');
  return { begins, written: await said('RIVAL-WRITTEN'), proved: undefined };
}

/** One machine at a time, each in a lab of its own. */
async function alone(body: (lab: Lab) => Promise<Times>): Promise<Times> {
  const lab = await openLab();
  try {
    return await body(lab);
  } finally {
    await lab.close();
  }
}

function row(work: string, a: number, b: number): BenchRow {
  return { work, ours: a, rival: b, rivalName: 'nginx + wget | dd', unit: 's', ratio: a / b };
}

export const bench: Bench = {
  name: 'imaging',
  about:
    'one virtual machine imaged with Debian 12 (512 MiB), beside nginx and busybox wget | dd of the raw file',
  async run({ folder, progress }) {
    const content = await prepareContent(progress);
    progress('imaging with Peerboot');
    const a = await alone((lab) => ours(lab, content));
    progress('imaging with nginx and wget | dd');
    const b = await alone((lab) => rival(lab, content, folder));
    return [
      row('power-on to the first byte', a.begins, b.begins),
      row('first byte to all written', a.written - a.begins, b.written - b.begins),
      row(
        'first byte to all written and proved (the rival proves nothing)',
        (a.proved ?? 0) - a.begins,
        b.written - b.begins,
      ),
      row('power-on to done', a.proved ?? 0, b.written),
    ];
  },
};
