// Boot attempts that fail by what stands around the machine: relays, other DHCP servers, strays.
import type { Ipv4 } from '../../src/base/addresses.ts';
import { STORE, type StoryCase } from './boot-story.ts';

const RELAY = '10.77.9.1' as Ipv4;
const STRAY = '10.77.0.9' as Ipv4;

export const NETWORK_CASES: readonly StoryCase[] = [
  {
    why: 'a DHCP server claims to be the boot server',
    story: (s) =>
      s
        .discovers('uefi')
        .offersAddress(STORE, 'PXEClient', 'wds.efi')
        .offersBoot('snponly.efi')
        .requests()
        .acks()
        .after(41),
    verdicts: ['other-dhcp-claims-option-60'],
    says: '10.77.0.1',
  },
  {
    why: 'and its own 4011 is asked instead of ours',
    story: (s) =>
      s
        .discovers('uefi')
        .offersAddress(STORE, 'PXEClient')
        .offersBoot('snponly.efi')
        .requests()
        .acks()
        .asks4011(STORE)
        .after(41),
    verdicts: ['other-dhcp-claims-option-60'],
  },
  {
    why: 'a claim that the machine does not follow does no harm',
    story: (s) =>
      s
        .discovers('uefi')
        .offersAddress(STORE, 'PXEClient')
        .offersBoot('snponly.efi', true)
        .requests()
        .acks()
        .tftp('snponly.efi', 'aborted')
        .after(41),
    verdicts: ['nbp-aborted'],
  },
  {
    why: 'only its files are seen',
    story: (s) => s.tftp('undionly.kpxe', 'completed').after(91),
    verdicts: ['relay-missing'],
    says: 'ip helper-address',
  },
  {
    why: 'only port 4011 is seen',
    story: (s) => s.asks4011().answers4011('x.efi').tftp('x.efi', 'completed').after(91),
    verdicts: ['relay-missing'],
  },
  {
    why: 'a relay that brings no answers back',
    story: (s) => s.leases('uefi', 'x.efi', { giaddr: RELAY }).after(41),
    verdicts: ['relay-missing'],
    says: '10.77.9.1',
  },
  {
    why: 'a relay that takes its requests to the DHCP server only',
    story: (s) =>
      s
        .discovers('uefi', { giaddr: RELAY })
        .offersAddress()
        .after(4)
        .discovers('uefi', { giaddr: RELAY })
        .after(41),
    verdicts: ['relay-missing'],
    says: 'to no boot host',
  },
  {
    why: 'iPXE goes to the claimant',
    story: (s) =>
      s
        .discovers('ipxe')
        .offersAddress(STORE, 'PXEClient')
        .offersBoot('http://10.77.0.2/start')
        .requests()
        .acks()
        .asks4011(STORE)
        .after(41),
    verdicts: ['other-dhcp-claims-option-60'],
  },
  {
    why: 'a claim of PXE is nothing to HTTP Boot',
    story: (s) =>
      s
        .discovers('http')
        .offersAddress(STORE, 'PXEClient')
        .offersBoot('http://10.77.0.2/x.efi')
        .requests()
        .acks()
        .after(41),
    verdicts: ['firewall'],
  },
  {
    why: 'a DHCP server that names a boot file leads shim astray',
    story: (s) =>
      s
        .discovers('uefi')
        .offersAddress(STORE, undefined, 'old/pxelinux.0')
        .offersBoot('shimx64.efi', true)
        .requests()
        .acks()
        .tftp('shimx64.efi', 'completed')
        .tftp('old/grubx64.efi', undefined, STORE)
        .after(41),
    verdicts: ['firewall'],
    says: 'names a boot file of its own, old/pxelinux.0',
  },
  {
    why: 'a stray that offers and does not serve',
    story: (s) =>
      s
        .leases('bios', 'undionly.kpxe', { direct: true })
        .offersBoot('stray.0', true, STRAY)
        .tftp('stray.0', undefined, STRAY)
        .after(41),
    verdicts: ['firewall'],
    says: 'Several boot servers offered, and the machine followed 10.77.0.9',
  },
];
