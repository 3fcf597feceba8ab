// Golden verdicts: beside each x.pcap lies x.verdict.txt, what the doctor says of it.
// `UPDATE_GOLDENS=1 vitest run test/boot/verdicts.test.ts` rewrites them.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { replay } from '../../src/boot/replay.ts';
import type { Attempt, Verdict } from '../../src/boot/verdict.ts';
import { readCapture } from '../../src/capture/file.ts';

const folder = fileURLToPath(new URL('../fixtures/pcaps/', import.meta.url));

/**
 * What each capture can prove. Most were cut right after what they were made for: there nothing had gone wrong yet, and `unknown`
 * is the honest verdict.
 */
const VERDICTS: Readonly<Record<string, readonly Verdict[]>> = {
  // GET of the NBP, which then looks for autoexec.ipxe: cut.
  'arm64-aavmf-httpboot-virtio': ['unknown'],
  'arm64-aavmf-pxe-virtio': ['booted'],
  'bios-iperom-e1000-direct-script': ['booted'],
  'bios-iperom-virtio-chain-undionly2': ['booted'],
  'bios-iperom-virtio-net-pci-direct-script': ['booted'],
  // Its script has just been sent: cut.
  'bios-rom-dnsmasq-proxy': ['unknown'],
  'story-bios-node': ['booted'],
  'story-uefi-node': ['booted'],
  // 4011 answered, the NBP runs: cut.
  'uefi-ovmf-dnsmasq-proxy': ['unknown'],
  'uefi-ovmf-httpboot-virtio': ['unknown'],
  'uefi-ovmf-pxe-virtio-opt43direct': ['unknown'],
  'uefi-ovmf-pxe-virtio-snponly': ['booted'],
  // Shim asks for GRUB: cut.
  'uefi-secureboot-httpboot-shim-grub': ['unknown'],
  // GRUB asks the DHCP server, which has no TFTP, a hundred times.
  'uefi-secureboot-pxe-shim-grub': ['firewall'],
  'uefi-secureboot-pxe-siaddr-peer': ['booted'],
  // The signed kernel image asks for an address from inside its initramfs.
  'uefi-secureboot-uki-4011': ['booted'],
  // The image is on its way: cut.
  'uefi-secureboot-uki-httpboot': ['unknown'],
  'uefi-secureboot-uki-opt43': ['unknown'],
};

function attemptsOf(name: string): Attempt[] {
  const capture = readCapture(readFileSync(join(folder, `${name}.pcap`)));
  if (capture instanceof Error) throw capture;
  return replay(capture);
}

describe('verdicts on the captures', () => {
  const captures = readdirSync(folder).flatMap((name) => (name.endsWith('.pcap') ? [name.slice(0, -5)] : []));

  it('every capture has one', () => expect(captures.toSorted()).toEqual(Object.keys(VERDICTS).toSorted()));

  it.each(captures)('%s', (name) => {
    const attempts = attemptsOf(name);
    expect(attempts.map(({ verdict }) => verdict)).toEqual(VERDICTS[name]);
    const text = attempts
      .map(({ mac, firmware, verdict, evidence, remedy }) =>
        [`${mac} ${firmware}: ${verdict}`, ...evidence.map((one) => `  ${one}`), `→ ${remedy}`, ''].join(
          '\n',
        ),
      )
      .join('\n');
    const golden = join(folder, `${name}.verdict.txt`);
    if (process.env.UPDATE_GOLDENS === '1') writeFileSync(golden, text);
    expect(text).toBe(readFileSync(golden, 'utf8'));
  });
});
