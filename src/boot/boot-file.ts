// What a file that a booting machine asks for is to it, told by its name and by what came before.
import { ROUTES } from '../api/routes.ts';

/**
 * `nbp`: what the firmware loads, and what that loads in its place (shim's second stage). `optional`: asked for by habit, may be missing.
 * `script`: iPXE's or GRUB's. `payload`: what a script names: kernel, initramfs. `agent`: the running agent's own requests.
 */
export type FileRole = 'nbp' | 'optional' | 'script' | 'payload' | 'agent';

/** iPXE 2.0 looks for its script, shim for revocations and certificates, GRUB for lists of modules: none has to be there. */
const OPTIONAL =
  /(^|\/)(autoexec\.ipxe|revocations\w*\.efi|shim_certificate\w*\.efi|[^/]*\.lst|grub\.cfg-[^/]*)$/i;
const SCRIPT = /(\.ipxe|(^|\/)grub\.cfg)$/i;
const API = /^\/(agent|content|site|admin)\//;

export function roleOf(file: string, scriptSeen: boolean): FileRole {
  const path = file.split('?', 1)[0] as string;
  if (API.test(path)) return 'agent';
  if (OPTIONAL.test(path)) return 'optional';
  if (path === ROUTES.start || path === ROUTES.script || SCRIPT.test(path)) return 'script';
  return scriptSeen ? 'payload' : 'nbp';
}
