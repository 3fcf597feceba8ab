// Disk images as qemu-img writes them, read without it: every form gives the same bytes, or is refused by name.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { isPeerbootError } from '../../src/base/errors.ts';
import { randomInt, seededRandom } from '../../src/base/random.ts';
import { type ImageFile, openImage } from '../../src/io/image-file.ts';
import { diskBytes } from '../support/image.ts';
import { publishInto, reassemble } from '../support/publish.ts';

const folder = mkdtempSync(join(tmpdir(), 'peerboot-image-file-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const DISK = diskBytes(9_000_448, 77);
const raw = join(folder, 'disk.raw');
writeFileSync(raw, DISK);

function qemuImg(...words: string[]): void {
  execFileSync('qemu-img', words, { stdio: ['ignore', 'ignore', 'inherit'] });
}

function convert(name: string, ...words: string[]): string {
  const path = join(folder, name);
  qemuImg('convert', '-f', 'raw', '-O', 'qcow2', ...words, raw, path);
  return path;
}

/** Reads it all in odd portions, so that reads begin and end within clusters. */
function readAll(image: ImageFile, portion = 300_032): Uint8Array {
  const disk = new Uint8Array(image.imageBytes).fill(0xee);
  for (let at = 0; at < disk.length; at += portion) image.read(disk.subarray(at, at + portion), at);
  return disk;
}

function expectDisk(path: string, disk = DISK): void {
  const image = openImage(path);
  try {
    expect(image.imageBytes).toBe(disk.length);
    expect(Buffer.compare(readAll(image), disk)).toBe(0);
  } finally {
    image.close();
  }
}

describe('a disk comes back from', () => {
  it.each([
    ['raw', []],
    ['qcow2', []],
    ['qcow2 version 2', ['-o', 'compat=0.10']],
    ['qcow2 with clusters of 512 bytes', ['-o', 'cluster_size=512']],
    ['qcow2 with clusters of 2 MiB', ['-o', 'cluster_size=2M']],
    ['qcow2, compressed', ['-c']],
    ['qcow2 version 2, compressed', ['-c', '-o', 'compat=0.10']],
    ['qcow2, compressed in clusters of 4 KiB', ['-c', '-o', 'cluster_size=4k']],
    ['qcow2, compressed with zstd', ['-c', '-o', 'compression_type=zstd']],
    ['qcow2 with everything allocated', ['-o', 'preallocation=full', '-S', '0']],
  ])('%s', (what, words) => {
    expectDisk(what === 'raw' ? raw : convert(`${what.replaceAll(' ', '-')}.qcow2`, ...words));
  });

  it('qcow2 with clusters that were written, then zeroed and discarded', () => {
    const path = convert('zeroed.qcow2');
    const zero = (from: number, length: number, how: string) =>
      execFileSync('qemu-io', ['-f', 'qcow2', '-c', `${how} ${from} ${length}`, path], { stdio: 'ignore' });
    zero(1_048_576, 524_288, 'write -z');
    zero(4_194_304, 1_048_576, 'discard');
    const disk = DISK.slice();
    disk.fill(0, 1_048_576, 1_048_576 + 524_288);
    disk.fill(0, 4_194_304, 4_194_304 + 1_048_576);
    expectDisk(path, disk);
  });

  it('qcow2 with a snapshot, as it is now', () => {
    const path = convert('snapshot.qcow2');
    qemuImg('snapshot', '-c', 'before', path);
    execFileSync('qemu-io', ['-f', 'qcow2', '-c', 'write -P 0x5a 65536 4096', path], { stdio: 'ignore' });
    const disk = DISK.slice();
    disk.fill(0x5a, 65_536, 65_536 + 4096);
    expectDisk(path, disk);
  });
});

it('raw and qcow2 of the same disk are the same published image', async () => {
  const [a, b] = [join(folder, 'a'), join(folder, 'b')].map((path) => {
    execFileSync('mkdir', [path]);
    return path;
  }) as [string, string];
  const fromRaw = await publishInto(a, raw);
  const fromQcow2 = await publishInto(b, convert('published.qcow2', '-c'));
  expect(fromQcow2.manifest).toEqual(fromRaw.manifest);
  expect(Buffer.compare(await reassemble(join(b, 'tree'), fromQcow2.manifest), DISK)).toBe(0);
});

describe('refused with PB-IMAGE-UNREADABLE:', () => {
  const refusal = (path: string): string => {
    try {
      const image = openImage(path);
      readAll(image);
    } catch (error) {
      if (isPeerbootError(error, 'PB-IMAGE-UNREADABLE')) return error.message;
      throw error;
    }
    throw new Error('it was read');
  };
  const file = (name: string, bytes: Uint8Array | string): string => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };

  it('a backing file', () => {
    const path = join(folder, 'overlay.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', '-b', raw, '-F', 'raw', path);
    expect(refusal(path)).toMatch(/backing file/);
  });
  it('an external data file', () => {
    const path = convert('external.qcow2', '-o', `data_file=${join(folder, 'external.data')}`);
    expect(refusal(path)).toMatch(/another file/);
  });
  it('extended L2 entries', () => {
    const path = convert('extended.qcow2', '-o', 'extended_l2=on,cluster_size=128k');
    expect(refusal(path)).toMatch(/not supported/);
  });
  it('encryption', () => {
    const path = join(folder, 'luks.qcow2');
    qemuImg(
      ...['create', '-q', '-f', 'qcow2', '--object', 'secret,id=s,data=x'],
      ...['-o', 'encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10', path, '1M'],
    );
    expect(refusal(path)).toMatch(/encrypted/);
  });
  it('a file that was cut off', () => {
    const whole = readFileSync(convert('whole.qcow2'));
    expect(refusal(file('cut.qcow2', whole.subarray(0, whole.length / 2)))).toMatch(/cut off|ends within/);
  });
  it.each(['vmdk', 'vhdx', 'vdi', 'vpc'])('%s', (format) => {
    const path = join(folder, `foreign.${format}`);
    qemuImg('convert', '-f', 'raw', '-O', format, raw, path);
    expect(refusal(path)).toMatch(/is a (VMDK|VHDX|VDI|VHD) image/);
  });
  it('a compressed raw disk', () => {
    expect(refusal(file('disk.xz', Buffer.from('fd377a585a000004', 'hex')))).toMatch(/compressed \(xz\)/);
  });
  it('no whole sectors, nothing at all, no file', () => {
    expect(refusal(file('odd', 'abc'))).toMatch(/3 bytes/);
    expect(refusal(file('empty', ''))).toMatch(/0 bytes/);
    expect(refusal(join(folder, 'absent'))).toMatch(/cannot be opened/);
    expect(refusal(folder)).toMatch(/neither a file nor a block device/);
  });
});

it('a mutated qcow2 file is read or refused, and never anything else', () => {
  const small = join(folder, 'small.raw');
  const sound = join(folder, 'small.qcow2');
  writeFileSync(small, DISK.subarray(0, 1_048_576));
  qemuImg('convert', '-f', 'raw', '-O', 'qcow2', '-c', '-o', 'cluster_size=4k', small, sound);
  const whole = readFileSync(sound);
  const path = join(folder, 'mutant.qcow2');
  const random = seededRandom(3);
  const seen = { read: 0, refused: 0 };
  for (let round = 0; round < 400; round++) {
    const bytes = new Uint8Array(whole);
    // Headers and tables, where a wrong byte matters, come first in the file.
    const reach = round % 2 === 0 ? 128 : 24_000;
    for (let times = 0; times < 4; times++) bytes[randomInt(random, reach)] = randomInt(random, 256);
    writeFileSync(path, bytes);
    try {
      const image = openImage(path);
      try {
        image.read(new Uint8Array(Math.min(image.imageBytes, 1_048_576)), 0);
        seen.read++;
      } finally {
        image.close();
      }
    } catch (error) {
      if (!isPeerbootError(error, 'PB-IMAGE-UNREADABLE')) throw error;
      seen.refused++;
    }
  }
  expect(seen.read).toBeGreaterThan(20);
  expect(seen.refused).toBeGreaterThan(20);
});
