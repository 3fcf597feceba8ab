// Two Debian root disks built from scratch with ten packages of difference: a golden image of this month and the next.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CACHE = fileURLToPath(new URL('../../.cache/bench/image-pair', import.meta.url));

/** A till's system, more or less: kernel, init, network, SSH, Python. */
const BASE = [
  'linux-image-amd64',
  'systemd-sysv',
  'udev',
  'openssh-server',
  'python3',
  'ca-certificates',
  'curl',
  'nftables',
  'perl',
  'locales',
];
const TEN_MORE = [
  'git',
  'htop',
  'jq',
  'lsof',
  'nginx-light',
  'rsync',
  'sqlite3',
  'strace',
  'tcpdump',
  'tmux',
];

export interface ImagePair {
  /** Raw ext4 file systems of 2 GiB, sparse. */
  readonly first: string;
  readonly second: string;
}

/** Builds the pair once (some two minutes, as root, with mmdebstrap) and keeps it in `.cache/bench`. */
export function imagePair(progress: (message: string) => void): ImagePair {
  const build = (name: string, packages: readonly string[]): string => {
    const image = join(CACHE, `${name}.img`);
    if (existsSync(image)) return image;
    mkdirSync(CACHE, { recursive: true });
    progress(`building ${name}.img with mmdebstrap (once)`);
    const root = join(CACHE, `${name}.root`);
    const draft = `${image}.draft`;
    for (const left of [root, draft]) rmSync(left, { recursive: true, force: true });
    const run = (command: string, ...words: string[]) =>
      execFileSync(command, words, { stdio: ['ignore', 'ignore', 'inherit'] });
    run(
      'mmdebstrap',
      '--quiet',
      '--mode=root',
      '--variant=minbase',
      `--include=${packages.join(',')}`,
      'bookworm',
      root,
    );
    // -d numbers inodes and places blocks anew: nothing of the other image's layout is carried over.
    run('mkfs.ext4', '-q', '-d', root, draft, '2G');
    rmSync(root, { recursive: true });
    renameSync(draft, image);
    return image;
  };
  return { first: build('first', BASE), second: build('second', [...BASE, ...TEN_MORE]) };
}
