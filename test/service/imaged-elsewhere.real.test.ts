// Two boot hosts over real HTTP: what one imaged, the other knows at the next script, also after both were restarted or one died.
import { afterEach, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemClock, systemTimers } from '../../src/io/clock.ts';
import { askImaged } from '../../src/io/order-proof.ts';
import { type BootHost, createElsewhere } from '../../src/service/imaged-elsewhere.ts';
import { type MachineStore, memoryMachineStore } from '../../src/service/machine-store.ts';
import { checkIn, report, type TestPeer, testPeer } from './peer.ts';

const SCRIPT =
  '/boot/script.ipxe?mac=52-54-00-12-34-56&uuid=4c4c4544-0042-3010-8052-b9c04f4e3332&serial=SN-1';
const ALL = {
  machine: '*',
  target: { kind: 'image', image: 'debian', disk: { allowNonBlank: true } },
} as const;

const running: TestPeer[] = [];
afterEach(() => Promise.all(running.splice(0).map(({ http }) => http.stop())));

interface Host {
  readonly peer: TestPeer;
  readonly base: string;
  readonly reach: BootHost;
}

async function host(id: string, others: () => readonly Host[], store: MachineStore): Promise<Host> {
  const elsewhere = createElsewhere({
    store,
    hosts: () => others().map(({ reach }) => reach),
    ask: (host, since) => askImaged(host, since, undefined),
    clock: systemClock,
    timers: systemTimers,
    log: silentLog,
  });
  const peer = testPeer({ machineStore: store, registry: { elsewhere } });
  running.push(peer);
  const { port } = await peer.http.start();
  peer.assignments.put(ALL);
  const reach = { id, address: '127.0.0.1' as Ipv4, httpPort: port };
  return { peer, base: `http://127.0.0.1:${port}`, reach };
}

async function post(base: string, path: string, body: object) {
  const answer = await fetch(base + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return answer.json() as Promise<{ machine: string; plan: { kind: string } }>;
}
const scriptOf = async ({ base }: Host) => (await fetch(base + SCRIPT)).text();

it('the second host sends the machine to its disk, also when the first has died since and it was restarted itself', async () => {
  let one: Host | undefined;
  const [oneStore, twoStore] = [memoryMachineStore(), memoryMachineStore()];
  const others = () => (one === undefined ? [] : [one]);
  const two = await host('two', others, twoStore);
  one = await host('one', () => [two], oneStore);
  expect(await scriptOf(two)).toContain('vmlinuz');
  const { machine, plan } = await post(one.base, '/agent/v1/check-in', checkIn());
  expect(plan.kind).toBe('image');
  await post(one.base, '/agent/v1/progress', report(machine, 'imaging', { wiped: true, disk: 'vda' }));
  await post(one.base, '/agent/v1/progress', report(machine, 'done'));
  expect(await scriptOf(two)).toContain('another boot host of this site imaged it');
  await one.peer.http.stop();
  // Asking the dead one costs nothing but a refused connection.
  expect(await scriptOf(two)).not.toContain('vmlinuz');
  one = undefined;
  const again = await host('two', others, twoStore);
  expect(await scriptOf(again)).not.toContain('vmlinuz');
});

it('a host that does not answer holds no machine up for long', async () => {
  const silent = await host('silent', () => [], memoryMachineStore());
  let asked = 0;
  silent.peer.http.app.server.removeAllListeners('request');
  silent.peer.http.app.server.on('request', () => {
    asked += 1;
  });
  const two = await host('two', () => [silent], memoryMachineStore());
  const begun = performance.now();
  expect(await scriptOf(two)).toContain('vmlinuz');
  expect(asked).toBeGreaterThan(0);
  expect(performance.now() - begun).toBeLessThan(5_000);
});
