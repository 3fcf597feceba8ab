// One boot entry of each way to start, for tests.
import type { EntryStart } from '../../src/api/boot-entry.ts';

export const STARTS = {
  linux: {
    way: 'linux',
    kernel: 'live/vmlinuz',
    initrds: ['live/initrd.img', 'more.img'],
    cmdline: 'boot=live fetch={files}/live/root.squashfs quiet --- -x',
  },
  plain: { way: 'linux', kernel: 'memtest64.bin', initrds: [], cmdline: '' },
  efi: { way: 'efi', program: 'tool.efi', cmdline: 'a=1' },
  iso: { way: 'iso', iso: 'tool.iso' },
  wimboot: {
    way: 'wimboot',
    wimboot: 'wimboot',
    bcd: 'Boot/BCD',
    sdi: 'Boot/boot.sdi',
    wim: 'sources/boot.wim',
  },
} as const satisfies Record<string, EntryStart>;
