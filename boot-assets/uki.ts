// The agent as one program of UEFI (a unified kernel image): kernel, initramfs and command line proved together.
import { fromText, toText } from '../src/base/bytes.ts';
import { readSections, withSections } from '../src/boot/pe.ts';

export interface UkiParts {
  /** systemd's stub for this processor. */
  readonly stub: Uint8Array;
  readonly kernel: Uint8Array;
  readonly initramfs: Uint8Array;
  readonly commandLine: string;
  readonly version: string;
}

/**
 * Raised when a release must never be booted again: shim then refuses images of a lower generation, once the new one
 * is in its revocations (shim's SBAT.md).
 */
const SBAT_GENERATION = 1;

/**
 * The same parts give the same bytes. There is always a command line inside: without one the stub would take its
 * options from whoever starts it, with one it ignores them while Secure Boot is on.
 */
export function unifiedKernelImage({ stub, kernel, initramfs, commandLine, version }: UkiParts): Uint8Array {
  const theirs = toText(readSections(stub).find(({ name }) => name === '.sbat')?.bytes ?? new Uint8Array(0));
  const ours = `peerboot,${SBAT_GENERATION},Peerboot,peerboot,${version},README.md\n`;
  const release = `ID=peerboot\nNAME=Peerboot\nPRETTY_NAME="Peerboot agent ${version}"\nVERSION_ID=${version}\n`;
  return withSections(stub, [
    { name: '.sbat', bytes: fromText(theirs.replace(/\0+$/, '') + ours) },
    { name: '.osrel', bytes: fromText(release) },
    { name: '.cmdline', bytes: fromText(commandLine) },
    { name: '.initrd', bytes: initramfs },
    { name: '.linux', bytes: kernel },
  ]);
}
