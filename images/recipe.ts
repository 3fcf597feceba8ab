// What makes one image: its name, version and packages, and the identifiers that follow from them.
import { createHash } from 'node:crypto';
import type { DebianArchitecture } from '../tools/debian.ts';

export interface ImageWish {
  /** Name in the catalogue and in the ready marker. */
  readonly name?: string;
  readonly version?: string;
  /** `amd64` when not said: a minimal Debian. `arm64`: Debian's kernel and BusyBox (see images/README.md). */
  readonly architecture?: DebianArchitecture;
  /** Debian packages beyond the minimal system; `amd64` alone. */
  readonly packages?: readonly string[];
  readonly progress?: (line: string) => void;
}

export interface ImageRecipe {
  readonly name: string;
  readonly version: string;
  readonly architecture: DebianArchitecture;
  readonly diskMib: number;
  readonly packages: readonly string[];
  /** Seconds since 1970 that files are dated at the latest. */
  readonly epoch: number;
  readonly ids: {
    readonly disk: string;
    readonly biosPartition: string;
    readonly espPartition: string;
    readonly rootPartition: string;
    readonly rootFileSystem: string;
    readonly hashSeed: string;
    /** Eight hexadecimal digits. */
    readonly espFileSystem: string;
  };
}

const DEFAULTS: Readonly<Record<DebianArchitecture, { name: string; diskMib: number }>> = {
  amd64: { name: 'debian-12', diskMib: 512 },
  arm64: { name: 'busybox-arm64', diskMib: 128 },
};

const EPOCH = Date.UTC(2026, 0, 1) / 1000;

/** The same wish gives the same identifiers, so that a rebuilt image shares its slices with the first. */
export function imageRecipe(wish: ImageWish): ImageRecipe {
  const architecture = wish.architecture ?? 'amd64';
  const { name: defaultName, diskMib } = DEFAULTS[architecture];
  const name = wish.name ?? defaultName;
  const id = (what: string) => uuidFrom(`${name} ${what}`);
  return {
    name,
    version: wish.version ?? '1',
    architecture,
    diskMib,
    packages: [...(wish.packages ?? [])].sort(),
    epoch: EPOCH,
    ids: {
      disk: id('disk'),
      biosPartition: id('bios partition'),
      espPartition: id('esp partition'),
      rootPartition: id('root partition'),
      rootFileSystem: id('root file system'),
      hashSeed: id('hash seed'),
      espFileSystem: id('esp file system').slice(0, 8),
    },
  };
}

/** A UUID of version 8 (RFC 9562 §5.8: made as we like), here from SHA-256. */
function uuidFrom(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
