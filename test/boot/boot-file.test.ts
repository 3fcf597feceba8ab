// What a file that a booting machine asks for is to it, as a table of names.
import { expect, it } from 'vitest';
import { roleOf } from '../../src/boot/boot-file.ts';

it.each([
  ['undionly.kpxe', false, 'nbp'],
  ['/boot/files/snponly.efi', false, 'nbp'],
  ['grubx64.efi', false, 'nbp'],
  ['/boot/start.ipxe', false, 'script'],
  ['/boot/script.ipxe?mac=52-54-00-12-34-56&uuid=1', false, 'script'],
  ['/grub/grub.cfg', false, 'script'],
  ['menu.IPXE', false, 'script'],
  ['autoexec.ipxe', false, 'optional'],
  ['/EFI/BOOT/revocations_sbat.efi', false, 'optional'],
  ['/grub/x86_64-efi/fs.lst', false, 'optional'],
  ['/grub/grub.cfg-01-52-54-00-12-34-56', false, 'optional'],
  ['/boot/files/vmlinuz', true, 'payload'],
  ['/boot/files/initramfs.img', true, 'payload'],
  ['/agent/check-in', true, 'agent'],
  ['/content/chunks/ab/abcd', true, 'agent'],
])('%s (after a script: %s) is %s', (file, scriptSeen, role) => {
  expect(roleOf(file, scriptSeen)).toBe(role);
});
