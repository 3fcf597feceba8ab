// Which drivers are chosen from a kernel: the wanted ones, and whatever these cannot do without.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { chooseModules, kernelVersion } from '../../boot-assets/modules.ts';

const folder = mkdtempSync(join(tmpdir(), 'peerboot-modules-'));
afterAll(() => rmSync(folder, { recursive: true }));

function kernel(dependencies: Record<string, string>, softDependencies = ''): string {
  const home = mkdtempSync(join(folder, 'kernel-'));
  const lines = Object.entries(dependencies).map(([path, others]) => `${path}: ${others}`.trimEnd());
  writeFileSync(join(home, 'modules.dep'), `${lines.join('\n')}\n`);
  writeFileSync(join(home, 'modules.softdep'), `# Soft dependencies\n${softDependencies}`);
  return home;
}

const NET = 'kernel/drivers/net';

it('takes whole folders and single modules, and leaves the rest', () => {
  const home = kernel({
    [`${NET}/ethernet/intel/e1000e/e1000e.ko`]: '',
    [`${NET}/ethernet/mellanox/mlx5/core/mlx5_core.ko`]: '',
    [`${NET}/virtio_net.ko`]: '',
    [`${NET}/virtio_net_other.ko`]: '',
    'kernel/sound/core/snd.ko': '',
  });
  expect(chooseModules(home)).toEqual([`${NET}/ethernet/intel/e1000e/e1000e.ko`, `${NET}/virtio_net.ko`]);
});

it('takes what a wanted module depends on, however far away', () => {
  const home = kernel({
    [`${NET}/virtio_net.ko`]: 'kernel/net/core/failover.ko',
    'kernel/net/core/failover.ko': 'kernel/lib/deep.ko',
    'kernel/lib/deep.ko': '',
  });
  expect(chooseModules(home)).toEqual([
    `${NET}/virtio_net.ko`,
    'kernel/lib/deep.ko',
    'kernel/net/core/failover.ko',
  ]);
});

it('takes soft dependencies too, written with dashes or underscores, and survives a circle', () => {
  const home = kernel(
    {
      [`${NET}/ethernet/realtek/r8169.ko`]: '',
      'kernel/lib/some-phy.ko': `${NET}/ethernet/realtek/r8169.ko`,
    },
    'softdep r8169 pre: some_phy absent\nsoftdep unknown pre: some_phy\n',
  );
  expect(chooseModules(home)).toEqual([`${NET}/ethernet/realtek/r8169.ko`, 'kernel/lib/some-phy.ko']);
});

it('wants just one kernel in a package', () => {
  const home = mkdtempSync(join(folder, 'package-'));
  mkdirSync(join(home, 'lib/modules/6.1.0-1-amd64'), { recursive: true });
  expect(kernelVersion(home)).toBe('6.1.0-1-amd64');
  mkdirSync(join(home, 'lib/modules/6.1.0-2-amd64'));
  expect(() => kernelVersion(home)).toThrow('not one kernel');
});
