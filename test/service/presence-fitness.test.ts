// Fit to serve or not: what the kernel's and NetworkManager's files say, and that a border load does not flap.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { readMachineCondition } from '../../src/io/fitness.ts';
import { createFitness, type MachineCondition, unfitReasons } from '../../src/service/fitness.ts';

const root = mkdtempSync(join(tmpdir(), 'peerboot-fitness-'));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;

/** A folder of these files: path → content. */
function folder(files: Readonly<Record<string, string>>): string {
  const path = join(root, String(folders++));
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true });
    writeFileSync(join(path, name), `${content}\n`);
  }
  return path;
}

const NONE = { devices: join(root, 'none'), profiles: [] };

describe('condition of this machine', () => {
  it.each<[string, Record<string, string>, boolean | undefined]>([
    ['a till without batteries', {}, undefined],
    ['mains only', { 'AC/type': 'Mains', 'AC/online': '1' }, false],
    [
      'a laptop on mains',
      { 'AC/type': 'Mains', 'AC/online': '1', 'BAT0/type': 'Battery', 'BAT0/status': 'Charging' },
      false,
    ],
    [
      'a laptop unplugged',
      { 'AC/type': 'Mains', 'AC/online': '0', 'BAT0/type': 'Battery', 'BAT0/status': 'Discharging' },
      true,
    ],
    [
      'charged by USB',
      { 'ucsi/type': 'USB', 'ucsi/online': '1', 'BAT0/type': 'Battery', 'BAT0/status': 'Discharging' },
      false,
    ],
    [
      'a wireless mouse',
      { 'hid/type': 'Battery', 'hid/scope': 'Device', 'hid/status': 'Discharging' },
      undefined,
    ],
  ])('%s', async (_, files, expected) => {
    const found = await readMachineCondition({ powerFolder: folder(files), networkManager: NONE });
    expect(found.onBattery).toBe(expected);
  });

  it('is metered when the profile that is up says so, or the configuration', async () => {
    const devices = folder({ '2': '[device]\nmanaged=true\nconnection-uuid=u-2' });
    const look = (profile: string) =>
      readMachineCondition({
        powerFolder: join(root, 'none'),
        networkManager: { devices, profiles: [folder({ 'a.nmconnection': profile })] },
      });
    expect((await look('[connection]\nuuid=u-2\nmetered=1')).metered).toBe(true);
    expect((await look('[connection]\nuuid=u-1\nmetered=1')).metered).toBe(false);
    expect((await readMachineCondition({ networkManager: NONE })).metered).toBeUndefined();
    expect((await readMachineCondition({ networkManager: NONE, metered: true })).metered).toBe(true);
  });

  it('counts the load by processor', async () => {
    const found = await readMachineCondition({ networkManager: NONE, load: () => 6, processors: () => 4 });
    expect(found.loadPerProcessor).toBe(1.5);
  });
});

describe('fitness', () => {
  const fine: MachineCondition = { onBattery: false, metered: undefined, loadPerProcessor: 0.2 };

  it('is busy from 2 on, until below 1.2', () => {
    const loads = [1.9, 2, 1.5, 1.3, 1.1, 1.5];
    let reasons = unfitReasons(fine, []);
    const busy = loads.map((loadPerProcessor) => {
      reasons = unfitReasons({ ...fine, loadPerProcessor }, reasons);
      return reasons.includes('busy');
    });
    expect(busy).toEqual([false, true, true, true, false, false]);
  });

  it('looks again and again, tells of changes only, and survives a failure to look', async () => {
    const found: (MachineCondition | Error)[] = [
      fine,
      { ...fine, onBattery: true, metered: true },
      new Error('gone'),
      { ...fine, onBattery: true, metered: true },
      fine,
    ];
    const told: string[] = [];
    let tick: () => void = () => {};
    let looked: () => void = () => {};
    const fitness = createFitness({
      read: async () => {
        const next = found.shift();
        if (next === undefined || next instanceof Error) throw next;
        return next;
      },
      timers: {
        after(_, wake) {
          tick = wake;
          looked();
          return () => {};
        },
      },
      log: silentLog,
      onChange: () => told.push(fitness.reasons().join()),
    });
    await fitness.start();
    while (found.length > 0) {
      const done = new Promise<void>((resolve) => {
        looked = resolve;
      });
      tick();
      await done;
    }
    expect(told).toEqual(['battery,metered', '']);
    fitness.stop();
  });
});
