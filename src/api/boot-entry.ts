// What the signed catalogue says about a boot entry: what a machine can start beside disk images, from which files, and how.
import * as z from 'zod';

/** What a machine must be to start an entry. */
export const BOOT_FIRMWARES = ['bios', 'uefi-x64', 'uefi-arm64'] as const;
export type BootFirmware = (typeof BOOT_FIRMWARES)[number];

/** A path in a URL, in a script and on any disk: nothing in it has to be escaped anywhere. */
const NAME = '[A-Za-z0-9_][A-Za-z0-9._+~-]*';
export const EntryPath = z
  .string()
  .max(128)
  .regex(new RegExp(`^${NAME}(/${NAME})*$`), 'a path of letters, digits and ._+~-');

/**
 * Kernel parameters. iPXE knows no quoting: `$` expands, `#` begins a comment, and `||`, `&&` and a `;` alone separate
 * commands, so these have no place here. `{files}` stands for the address of the entry's files at the peer.
 */
export const CommandLine = z
  .string()
  .max(1500)
  .regex(/^[A-Za-z0-9 ._:/@()+,=;%*~^!?<>'"[\]{}-]*$/, 'printable ASCII without $ # & | \\ and `')
  .refine((text) => !/(^| );( |$)/.test(text), 'without a ; that stands alone');

export const EntryStart = z.discriminatedUnion('way', [
  /** In the order in which the kernel unpacks the initrds. */
  z.object({
    way: z.literal('linux'),
    kernel: EntryPath,
    initrds: z.array(EntryPath).max(8),
    cmdline: CommandLine,
  }),
  /** A UEFI program. */
  z.object({ way: z.literal('efi'), program: EntryPath, cmdline: CommandLine }),
  /** A disk or CD that iPXE reads over HTTP, sector by sector, as long as the firmware's services are used. */
  z.object({ way: z.literal('iso'), iso: EntryPath }),
  /** Windows PE: wimboot and the three files it starts from. */
  z.object({ way: z.literal('wimboot'), wimboot: EntryPath, bcd: EntryPath, sdi: EntryPath, wim: EntryPath }),
]);
export type EntryStart = z.infer<typeof EntryStart>;

/** Where a file lies in the entry's archive, in plain bytes. */
export const EntryFile = z.object({
  path: EntryPath,
  offset: z.number().int().nonnegative(),
  size: z.number().int().nonnegative(),
});
export type EntryFile = z.infer<typeof EntryFile>;

/** Every file of an entry is named in the catalogue, which every peer and agent loads. */
export const MOST_ENTRY_FILES = 64;

export const BootDescription = z
  .object({
    /** For people, on screens of ASCII. */
    title: z.string().min(1).max(60),
    firmwares: z.array(z.enum(BOOT_FIRMWARES)).min(1).max(BOOT_FIRMWARES.length),
    /** Shown among the tools. */
    tool: z.boolean(),
    start: EntryStart,
    files: z.array(EntryFile).min(1).max(MOST_ENTRY_FILES),
  })
  .refine(({ start, files }) => startFiles(start).every((path) => files.some((file) => file.path === path)), {
    message: 'a file that it starts from is not among its files',
  });
export type BootDescription = z.infer<typeof BootDescription>;

/** The files that are needed to start it, in the order in which they are loaded. */
export function startFiles(start: EntryStart): readonly string[] {
  switch (start.way) {
    case 'linux':
      return [start.kernel, ...start.initrds];
    case 'efi':
      return [start.program];
    case 'iso':
      return [start.iso];
    case 'wimboot':
      return [start.wimboot, start.bcd, start.sdi, start.wim];
  }
}
