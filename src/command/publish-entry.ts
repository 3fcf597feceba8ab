// What makes files a boot entry: from the flags of `peerboot publish --kind boot-entry` and the files themselves to its description.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import {
  BootDescription,
  type BootFirmware,
  type EntryFile,
  type EntryStart,
  MOST_ENTRY_FILES,
} from '../api/boot-entry.ts';
import { PeerbootError } from '../base/errors.ts';
import { decidingFile, entryFirmwares, HEAD_BYTES } from '../boot/entry-program.ts';
import { safeText } from '../boot/script-parts.ts';
import { ROOT_PATH } from '../chunk/archive.ts';
import { fileSpans } from '../chunk/archive-spans.ts';
import { scanFolder } from '../io/folder-scan.ts';
import { driveFirmwares } from '../service/drive-firmwares.ts';

export const BOOT_WORDS = ['linux', 'efi', 'iso', 'wimboot', 'memtest'] as const;

export interface EntryFlags {
  readonly boot?: (typeof BOOT_WORDS)[number];
  readonly title?: string;
  readonly tool?: boolean;
  readonly firmware?: BootFirmware[];
  readonly kernel?: string;
  readonly initrd?: string[];
  readonly cmdline?: string;
  readonly program?: string;
  readonly iso?: string;
  readonly wimboot?: string;
  readonly bcd?: string;
  readonly sdi?: string;
  readonly wim?: string;
}

/** Throws PB-BOOT-ENTRY-INVALID, and what scanning a folder throws. */
export async function describeEntry(path: string, name: string, flags: EntryFlags): Promise<BootDescription> {
  const scan = scanFolder(path);
  const isFolder = scan.entries[0]?.entry.path === ROOT_PATH;
  const files: EntryFile[] = fileSpans(scan.entries.map(({ entry }) => entry));
  const first = files[0]?.path;
  if (files.length > MOST_ENTRY_FILES) {
    throw invalid(
      `${path} has ${files.length} files, an entry has ${MOST_ENTRY_FILES} at most: name what is needed`,
    );
  }
  const start = startOf(flags, isFolder ? undefined : first);
  const title = flags.title ?? (flags.boot === 'memtest' ? 'Memory test' : name);
  if (safeText(title) !== title)
    throw invalid(`${JSON.stringify(title)} has letters that boot screens cannot show`);
  const fileOf = (file: string) => (isFolder ? join(scan.root, file) : scan.root);
  const firmwares = flags.firmware ?? (await firmwaresFrom(start, fileOf));
  const tool = flags.tool === true || flags.boot === 'memtest';
  const padded = files.map((file) => (isInitrd(start, file) ? wholeWords(file) : file));
  const described = BootDescription.safeParse({ title, firmwares, tool, start, files: padded });
  if (described.success) return described.data;
  const [issue] = described.error.issues;
  throw invalid(`${issue?.path.join('.')}: ${issue?.message}`);
}

function isInitrd(start: EntryStart, { path }: EntryFile): boolean {
  return start.way === 'linux' && start.initrds.includes(path);
}

/**
 * Linux's UEFI stub puts several initrds one after the other as they are, and then takes no archive that does not begin at
 * a multiple of four. What follows a file in its archive is zeros, which the kernel skips.
 */
function wholeWords(file: EntryFile): EntryFile {
  return { ...file, size: Math.ceil(file.size / 4) * 4 };
}

/** `only`: the one file that was given in the place of a folder. */
function startOf(flags: EntryFlags, only: string | undefined): EntryStart {
  const { boot, cmdline = '', initrd = [] } = flags;
  const file = (flag: 'kernel' | 'program' | 'iso' | 'wimboot' | 'bcd' | 'sdi' | 'wim'): string => {
    const named = flags[flag] ?? only;
    if (named === undefined) throw invalid(`--boot ${boot} needs --${flag}`);
    return named;
  };
  if (boot === undefined) throw invalid(`say how it is started: --boot ${BOOT_WORDS.join(', ')}`);
  switch (boot) {
    case 'linux':
      return { way: 'linux', kernel: file('kernel'), initrds: initrd, cmdline };
    case 'efi':
      return { way: 'efi', program: file('program'), cmdline };
    case 'iso':
      return { way: 'iso', iso: file('iso') };
    case 'wimboot':
      return {
        way: 'wimboot',
        wimboot: file('wimboot'),
        bcd: file('bcd'),
        sdi: file('sdi'),
        wim: file('wim'),
      };
    case 'memtest':
      // memtest86+ comes as a program for UEFI, and in the form of a Linux kernel, which most often is one, too.
      if (flags.program !== undefined) return { way: 'efi', program: flags.program, cmdline };
      return { way: 'linux', kernel: file('kernel'), initrds: [], cmdline };
  }
}

async function firmwaresFrom(
  start: EntryStart,
  fileOf: (path: string) => string,
): Promise<readonly BootFirmware[]> {
  const name = start.way === 'iso' ? start.iso : decidingFile(start);
  const { firmwares, why = 'nothing in it boots that is known here' } = await reading(fileOf(name), (file) =>
    start.way === 'iso'
      ? driveFirmwares(async (offset, length) => file.read(offset, length), file.sizeBytes)
      : { firmwares: entryFirmwares(start, file.read(0, HEAD_BYTES)) },
  );
  if (firmwares.length > 0) return firmwares;
  throw invalid(`${name}: ${why}; say with --firmware what can start it`);
}

interface OpenFile {
  readonly sizeBytes: number;
  /** Fewer bytes at its end. */
  read(offset: number, length: number): Uint8Array;
}

async function reading<T>(path: string, use: (file: OpenFile) => T | Promise<T>): Promise<T> {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    const from = fd;
    return await use({
      sizeBytes: fstatSync(fd).size,
      read(offset, length) {
        const bytes = new Uint8Array(length);
        return bytes.subarray(0, readSync(from, bytes, 0, length, offset));
      },
    });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    throw invalid(`${path} cannot be read: ${(cause as Error).message}`);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function invalid(what: string): PeerbootError {
  return new PeerbootError('PB-BOOT-ENTRY-INVALID', what);
}
