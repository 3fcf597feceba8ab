// What `npm run setup` says and does: nothing when all is there; else the packages, or the one command to run.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../tools/cache.ts';
import { HOST_NEEDS, PURPOSES } from '../../tools/host-packages.ts';

const scratch = mkdtempSync(join(tmpdir(), 'peerboot-setup-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Runs setup in a mount namespace of its own, prepared by shell commands: the host stays as it is. */
function setup(words: string, prepare = ':') {
  const script = `${prepare} && exec "$0" tools/setup.ts ${words}`;
  const result = spawnSync('unshare', ['--mount', 'sh', '-c', script, process.execPath], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return { status: result.status, out: result.stdout, err: result.stderr };
}

const hideOvmf = 'mount -t tmpfs none /usr/share/OVMF';
function otherSystem(text: string): string {
  const file = join(scratch, 'os-release');
  writeFileSync(file, text);
  return `mount --bind ${file} /etc/os-release`;
}

describe('setup', () => {
  it('says nothing when nothing is missing', () => {
    expect(setup('--for demo')).toEqual({ status: 0, out: '', err: '' });
  });

  it('only reports with --check, and names program and package', () => {
    const { status, out } = setup('--for demo --check', hideOvmf);
    expect(status).toBe(1);
    expect(out).toBe('missing: /usr/share/OVMF/OVMF_CODE_4M.fd (Debian package ovmf)\n');
    expect(setup('--for demo --check').status).toBe(0);
  });

  it('prints the one command on a system that is not Debian’s kin, and touches nothing', () => {
    const { status, out, err } = setup('--for demo', `${hideOvmf} && ${otherSystem('ID=fedora\n')}`);
    expect(status).toBe(1);
    expect(out).toBe('');
    expect(err).toContain('PB-HOST-INCOMPLETE');
    expect(err).toContain('apt-get install -y --no-install-recommends ovmf');
  });

  it('does not take an unknown purpose for another', () => {
    const { status, err } = setup('--for fun');
    expect(status).toBe(2);
    expect(err).toContain(PURPOSES.join('|'));
  });
});

describe('the list of packages', () => {
  it('names each program once, for known purposes', () => {
    const names = HOST_NEEDS.map((need) => need.needs);
    expect(new Set(names).size).toBe(names.length);
    expect(HOST_NEEDS.filter((need) => need.purposes.length === 0)).toEqual([]);
  });

  it('gives tests and benchmarks all that the demo has', () => {
    const lacking = HOST_NEEDS.filter(
      ({ purposes }) =>
        purposes.includes('demo') && !(purposes.includes('test') && purposes.includes('bench')),
    );
    expect(lacking).toEqual([]);
  });

  it('knows every service that its packages bring, so that none is left running', () => {
    // Part of every Debian system, long before us.
    const ofTheSystem = ['e2fsprogs', 'kmod', 'iproute2'];
    const services = (debianPackage: string) => {
      const files = spawnSync('dpkg', ['-L', debianPackage], { encoding: 'utf8' }).stdout;
      const found = files.matchAll(
        /^(?:\/lib\/systemd\/system\/([\w-]+)\.service|\/etc\/init\.d\/([\w-]+))$/gm,
      );
      return [...new Set(Array.from(found, (match) => match[1] ?? match[2] ?? ''))];
    };
    for (const need of HOST_NEEDS.filter((one) => !ofTheSystem.includes(one.debianPackage))) {
      // nginx's lies in a package that nginx-light depends on: so ours may name more than its own package brings.
      expect(need.services ?? [], need.debianPackage).toEqual(
        expect.arrayContaining(services(need.debianPackage)),
      );
    }
  });
});
