// `node boot-assets/measure.ts [generic|cloud]…`: how long kernel and agent take to start in an emulated machine.
import { spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { KERNELS, type KernelKind } from './base.ts';
import { ensureBootAssets } from './recipe.ts';

/** Seconds since the virtual machine was switched on, and of processor time that its emulation had used by then. */
interface Moment {
  readonly what: string;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

const STAGES = [
  { what: 'kernel starts', sign: /Linux version/ },
  { what: 'first process', sign: /Run \/init as init process/ },
  { what: 'agent speaks', sign: /Run \/init[\s\S]*peerboot/i },
];
const TIMEOUT_MS = 180_000;
const CLOCK_TICKS = 100;

/** The kernel comes from the host, as a network boot's last step would hand it over: no firmware, no download. */
function measure(folder: string): Promise<readonly Moment[]> {
  const machine = spawn('qemu-system-x86_64', [
    ...['-machine', 'q35,graphics=off', '-nodefaults', '-accel', 'tcg,thread=multi', '-m', '512'],
    ...['-display', 'none', '-serial', 'stdio', '-netdev', 'user,id=n'],
    ...['-device', 'virtio-net-pci,netdev=n,romfile=', '-device', 'virtio-rng-pci'],
    ...['-kernel', join(folder, 'vmlinuz'), '-initrd', join(folder, 'initramfs.img')],
    ...['-append', 'console=tty0 console=ttyS0,115200 peerboot.peer=http://10.0.2.2:9'],
  ]);
  const startedMs = performance.now();
  const moments: Moment[] = [];
  return new Promise((resolve, reject) => {
    let said = '';
    const timer = setTimeout(() => {
      machine.kill();
      reject(
        new Error(`the agent was silent for ${TIMEOUT_MS / 1000} s; the machine said:\n${said.slice(-2000)}`),
      );
    }, TIMEOUT_MS);
    machine.on('error', reject);
    machine.stdout.on('data', (data: Buffer) => {
      said += data.toString('latin1');
      for (let next = STAGES[moments.length]; next?.sign.test(said); next = STAGES[moments.length]) {
        const seconds = (performance.now() - startedMs) / 1000;
        moments.push({ what: next.what, seconds, cpuSeconds: cpuSeconds(machine.pid) });
      }
      if (moments.length < STAGES.length) return;
      clearTimeout(timer);
      machine.kill();
      resolve(moments);
    });
  });
}

/** User and system time from /proc (proc_pid_stat(5), fields 14 and 15, counted after the name's bracket). */
function cpuSeconds(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
}

const named = process.argv.slice(2).filter((word): word is KernelKind => Object.hasOwn(KERNELS, word));
for (const kernel of named.length > 0 ? named : (Object.keys(KERNELS) as KernelKind[])) {
  const { folder } = await ensureBootAssets({ kernel, progress: (line) => console.error(line) });
  const size = (name: string) => `${(statSync(join(folder, name)).size / 1e6).toFixed(1)} MB`;
  console.log(`${kernel}: kernel ${size('vmlinuz')}, initramfs ${size('initramfs.img')}`);
  for (const { what, seconds, cpuSeconds: cpu } of await measure(folder)) {
    console.log(`  ${what.padEnd(14)} ${seconds.toFixed(1).padStart(6)} s  processor ${cpu.toFixed(1)} s`);
  }
}
