// The boot assets as built from Debian's packages: whole, provable, and the same each time.
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureBase } from '../../boot-assets/base.ts';
import { type BootAssets, ensureBootAssets } from '../../boot-assets/recipe.ts';
import { run } from '../../tools/run.ts';

const scratch = mkdtempSync(join(tmpdir(), 'peerboot-assets-'));
const ROOT = Buffer.from('{"signed":{"_type":"root"}}');
const quiet = () => {};
let assets: BootAssets;
let unpacked: string;

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

beforeAll(async () => {
  assets = await ensureBootAssets({ root: ROOT, kernel: 'cloud' });
  unpacked = join(scratch, 'initramfs');
  mkdirSync(unpacked);
  // zstd joins the frames, as the kernel does; cpio stops at each trailer, so it is called until nothing is left.
  const image = join(assets.folder, 'initramfs.img');
  await run('sh', ['-c', 'zstd -dc "$1" | (cpio -idm --quiet && cpio -idm --quiet)', 'sh', image], {
    cwd: unpacked,
  });
}, 300_000);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('boot assets', () => {
  it('hold every file that a boot host serves, and nothing else', () => {
    expect(readdirSync(assets.folder).sort()).toEqual([
      'initramfs.img',
      'ipxe.efi',
      'peerboot-x64.efi',
      'provenance.json',
      'snponly.efi',
      'undionly.kpxe',
      'vmlinuz',
    ]);
  });

  it('are what provenance.json says, which names no host', () => {
    for (const file of assets.provenance.files) {
      const bytes = readFileSync(join(assets.folder, file.name));
      expect([file.sizeBytes, file.sha256]).toEqual([bytes.length, sha256(bytes)]);
      expect(file.version).not.toBe('');
    }
    expect(assets.provenance.trustRoot).toBe(sha256(ROOT));
    expect(readFileSync(join(assets.folder, 'provenance.json'), 'utf8')).not.toMatch(/:\/\//);
  });

  it('carry agent, trust root, Node with all its libraries, and drivers with their index', async () => {
    expect(readFileSync(join(unpacked, 'peerboot/root.json'))).toEqual(ROOT);
    expect(existsSync(join(unpacked, 'peerboot/agent.mjs'))).toBe(true);
    const loader = join(unpacked, 'lib64/ld-linux-x86-64.so.2');
    const libraries = ['--inhibit-cache', '--library-path', join(unpacked, 'lib/x86_64-linux-gnu')];
    const says = await run(loader, [...libraries, join(unpacked, 'bin/node'), '--version']);
    expect(says.trim()).toMatch(/^v24\./);
    const [version = ''] = readdirSync(join(unpacked, 'lib/modules'));
    const index = readFileSync(join(unpacked, 'lib/modules', version, 'modules.dep'), 'utf8');
    expect(index).toContain('/virtio_net.ko: ');
    for (const [, path] of index.matchAll(/^(\S+):/gm)) {
      expect(existsSync(join(unpacked, 'lib/modules', version, path ?? '')), path).toBe(true);
    }
  });

  it('hold kernel, initramfs and command line as one program, which others read as we wrote it', async () => {
    const uki = join(assets.folder, 'peerboot-x64.efi');
    const section = async (name: string) => {
      const path = join(scratch, name);
      await run('objcopy', ['-O', 'binary', `--only-section=${name}`, uki, path]);
      return readFileSync(path);
    };
    expect(sha256(await section('.linux'))).toBe(sha256(readFileSync(join(assets.folder, 'vmlinuz'))));
    expect(sha256(await section('.initrd'))).toBe(sha256(readFileSync(join(assets.folder, 'initramfs.img'))));
    expect((await section('.cmdline')).toString()).not.toContain('peerboot.peer');
    expect((await section('.sbat')).toString()).toMatch(/^sbat,1,[\s\S]*\npeerboot,1,/);
  });

  it('take an iPXE of the user’s own, and say whose it is', async () => {
    const path = join(scratch, 'mine.efi');
    writeFileSync(path, 'my own iPXE');
    const own = await ensureBootAssets({ root: ROOT, kernel: 'cloud', nbps: { 'snponly.efi': path } });
    expect(readFileSync(join(own.folder, 'snponly.efi'), 'utf8')).toBe('my own iPXE');
    expect(own.provenance.files.find((file) => file.name === 'snponly.efi')?.origin).toBe('user-supplied');
    expect(own.folder).not.toBe(assets.folder);
    // Debian's stays what it was: the files of two builds are the same file where they are equal.
    expect(readFileSync(join(assets.folder, 'snponly.efi'), 'utf8')).not.toBe('my own iPXE');
    rmSync(own.folder, { recursive: true });
  });

  it('lay firmware of the user’s own where drivers look for it', async () => {
    const firmware = join(scratch, 'firmware');
    mkdirSync(join(firmware, 'rtl_nic'), { recursive: true });
    writeFileSync(join(firmware, 'rtl_nic/rtl8125b-2.fw'), 'firmware');
    const own = await ensureBootAssets({ root: ROOT, kernel: 'cloud', firmware });
    const image = join(own.folder, 'initramfs.img');
    const names = await run('sh', ['-c', 'zstd -dc "$1" | cpio -it --quiet', 'sh', image]);
    expect(names.split('\n')).toEqual(
      expect.arrayContaining(['lib/firmware', 'lib/firmware/rtl_nic/rtl8125b-2.fw', 'peerboot/root.json']),
    );
    const origins = own.provenance.ingredients.map(({ origin }) => origin);
    expect(origins).toContain('user-supplied firmware rtl_nic/rtl8125b-2.fw');
    rmSync(own.folder, { recursive: true });
  });

  it('come out the same when built again', async () => {
    const first = await ensureBase({ kernel: 'cloud', progress: quiet });
    const second = await ensureBase({ kernel: 'cloud', progress: quiet, again: `test ${process.pid}` });
    try {
      expect(second.folder).not.toBe(first.folder);
      for (const name of readdirSync(first.folder)) {
        const [a, b] = [first, second].map(({ folder }) => sha256(readFileSync(join(folder, name))));
        expect(b, name).toBe(a);
      }
    } finally {
      rmSync(second.folder, { recursive: true });
    }
  });
});
