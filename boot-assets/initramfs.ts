// Puts the agent's initramfs together: what lies where in the target's first file system.
import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import { fromText } from '../src/base/bytes.ts';
import type { DebianArchitecture } from '../tools/debian.ts';
import { run } from '../tools/run.ts';
import { type CpioEntry, cpio } from './cpio.ts';
import { chooseModules, kernelVersion } from './modules.ts';

/** Processors that an agent is built for, as Node calls them. */
export type Architecture = 'x64' | 'arm64';
/** The same as Debian calls them. */
export const DEBIAN_NAMES: Readonly<Record<Architecture, DebianArchitecture>> = {
  x64: 'amd64',
  arm64: 'arm64',
};

export interface Ingredients {
  readonly architecture: Architecture;
  /** Folders of unpacked Debian packages. */
  readonly kernel: string;
  readonly busybox: string;
  /** The same version of busybox for this host's processor, which tells its applets. */
  readonly hostBusybox: string;
  readonly libraries: readonly string[];
  /** Path of Node's program, its symbols taken off where the host can do that. */
  readonly node: string;
  /** An empty folder to work in. */
  readonly scratch: string;
}

/** What Node is linked with, all from libc6, libgcc-s1 and libstdc++6. */
const LIBRARIES = ['libc', 'libdl', 'libgcc_s', 'libm', 'libpthread', 'libresolv', 'libstdc++'];
/** Where Debian keeps libraries, and where every program expects its loader (the processors' ABIs). */
const ABI = {
  x64: {
    libraries: 'lib/x86_64-linux-gnu',
    loader: 'ld-linux-x86-64.so.2',
    link: 'lib64',
    linkTo: 'lib/x86_64-linux-gnu',
  },
  arm64: {
    libraries: 'lib/aarch64-linux-gnu',
    loader: 'ld-linux-aarch64.so.1',
    link: 'lib/ld-linux-aarch64.so.1',
    linkTo: 'aarch64-linux-gnu/ld-linux-aarch64.so.1',
  },
} as const;
/** Empty in the archive: mounted over, or written to, later. */
const FOLDERS = ['dev', 'etc', 'mnt', 'proc', 'root', 'run', 'sys', 'tmp', 'usr', 'var'];

export interface FrontParts {
  readonly agent: Uint8Array;
  /** The organisation's TUF root. */
  readonly root: Uint8Array | undefined;
  /** A folder with firmware for NICs that do not work without (`rtl_nic/…`, `bnx2/…`). */
  readonly firmware: string | undefined;
  /** The agent takes no clock for right that is earlier than this. */
  readonly modifiedSeconds: number;
}

/** The small archive of what differs by release and organisation. */
export function frontArchive({ agent, root, firmware, modifiedSeconds }: FrontParts): Uint8Array {
  const files = [file('peerboot/agent.mjs', agent, false)];
  if (root !== undefined) files.push(file('peerboot/root.json', root, false));
  if (firmware !== undefined) {
    for (const entry of readdirSync(firmware, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile()) continue;
      files.push(file(`lib/firmware/${relative(firmware, path)}`, readFileSync(path), false));
    }
  }
  return cpio([...foldersOf(files), ...files], modifiedSeconds);
}

/** 10 takes five seconds for 110 MB; 19 takes three minutes for a tenth less. */
const ZSTD_LEVEL = 10;

/** One zstd frame, which kernels since 5.9 unpack themselves; on one thread, so that the same goes in and comes out. */
export function pack(archive: Uint8Array): Uint8Array {
  return zstdCompressSync(archive, { params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } });
}

/** The big archive, not yet compressed: Node with its libraries, busybox, drivers, init. */
export async function systemArchive(from: Ingredients): Promise<Uint8Array> {
  const busybox = join(from.busybox, 'bin/busybox');
  const applets = (await run(join(from.hostBusybox, 'bin/busybox'), ['--list'])).trim().split('\n');
  const files: CpioEntry[] = [
    file('init', readFileSync(new URL('./init.sh', import.meta.url)), true),
    file('bin/busybox', readFileSync(busybox), true),
    file('bin/node', readFileSync(from.node), true),
    file('etc/mdev.conf', fromText('$MODALIAS=.* 0:0 660 @modprobe -q -b "$MODALIAS"\n'), false),
    ...applets.filter((name) => name !== 'busybox').map((name) => link(`bin/${name}`, 'busybox')),
    // The kernel calls /sbin/modprobe for what it needs; scripts look in /usr/bin.
    ...['sbin', 'usr/bin', 'usr/sbin'].map((path) => link(path, path.startsWith('usr/') ? '../bin' : 'bin')),
    link(ABI[from.architecture].link, ABI[from.architecture].linkTo),
    link('etc/mtab', '/proc/self/mounts'),
    // The kernel opens it before our first process has mounted anything.
    { kind: 'character-device', path: 'dev/console', major: 5, minor: 1 },
    ...libraries(from),
    ...(await modules(from)),
  ];
  const folders = new Set([...FOLDERS, ...foldersOf(files).map(({ path }) => path)]);
  return cpio([...Array.from(folders, (path): CpioEntry => ({ kind: 'folder', path })), ...files]);
}

function libraries({ architecture, libraries: packages }: Ingredients): CpioEntry[] {
  const abi = ABI[architecture];
  const homes = packages.flatMap((folder) =>
    [abi.libraries, `usr/${abi.libraries}`].map((path) => join(folder, path)),
  );
  const found = homes.flatMap((home) => listed(home).map((name) => ({ name, path: join(home, name) })));
  return [
    ...LIBRARIES.map((name) => new RegExp(`^${name.replaceAll('+', '\\+')}\\.so\\.\\d+$`)),
    new RegExp(`^${abi.loader.replaceAll('.', '\\.')}$`),
  ].map((pattern) => {
    const one = found.find(({ name }) => pattern.test(name));
    if (one === undefined) throw new Error(`no library like ${pattern.source}`);
    return file(`${abi.libraries}/${one.name}`, readFileSync(one.path), true);
  });
}

/** Modules as the kernel's maker signed them (a locked-down kernel takes no others), with indexes of just these. */
async function modules(from: Ingredients): Promise<CpioEntry[]> {
  const version = kernelVersion(from.kernel);
  const source = join(from.kernel, 'lib/modules', version);
  await run('depmod', ['-b', from.kernel, version]);
  const chosen = chooseModules(source);
  const target = join(from.scratch, 'modules/lib/modules', version);
  for (const path of [...chosen, 'modules.builtin', 'modules.builtin.modinfo', 'modules.order']) {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    cpSync(join(source, path), join(target, path));
  }
  await run('depmod', ['-b', join(from.scratch, 'modules'), version]);
  const indexes = ['modules.dep', 'modules.alias', 'modules.symbols', 'modules.builtin'];
  return [...chosen, ...indexes].map((path) =>
    file(`lib/modules/${version}/${path}`, readFileSync(join(target, path)), false),
  );
}

/** Every folder that these files lie in. */
function foldersOf(files: readonly CpioEntry[]): CpioEntry[] {
  const paths = new Set<string>();
  for (const entry of files) {
    for (let path = dirname(entry.path); path !== '.'; path = dirname(path)) paths.add(path);
  }
  return Array.from(paths, (path) => ({ kind: 'folder', path }));
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function file(path: string, bytes: Uint8Array, executable: boolean): CpioEntry {
  return { kind: 'file', path, bytes, executable };
}

function link(path: string, to: string): CpioEntry {
  return { kind: 'link', path, to };
}
