// Boot attempts as stories: what is observed, and the verdict that it must end with.
import { describe, expect, it } from 'vitest';
import { VERDICTS } from '../../src/boot/verdict.ts';
import { loadsAgent, SCRIPT, STORE, Story, type StoryCase, throughScript } from './boot-story.ts';
import { NETWORK_CASES } from './network-cases.ts';
import { ODD_CASES } from './odd-cases.ts';

const CASES: readonly StoryCase[] = [
  ...NETWORK_CASES,
  ...ODD_CASES,
  {
    why: 'the whole way to the agent',
    story: (s) => loadsAgent(throughScript(s).told('image')).after(20).checksIn(),
    verdicts: ['booted'],
    says: 'checked in',
  },
  {
    why: 'a machine that is told to boot its own disk',
    story: (s) => throughScript(s).told('local-boot'),
    verdicts: ['booted'],
  },
  {
    why: 'a machine that is told to start a boot entry',
    story: (s) => throughScript(s).told('boot-entry'),
    verdicts: ['booted'],
    says: 'starts a boot entry',
  },
  {
    why: 'a shell, from where nobody reports',
    story: (s) => loadsAgent(throughScript(s).told('shell')).after(301),
    verdicts: ['booted'],
    says: 'opens a shell',
  },
  {
    why: 'a shell whose system did not come whole',
    story: (s) => loadsAgent(throughScript(s).told('shell'), 404).after(301),
    verdicts: ['nbp-aborted'],
  },
  {
    why: 'a shell of which nothing was asked for',
    story: (s) => throughScript(s).told('shell').after(301),
    verdicts: ['unknown'],
  },
  {
    why: 'iPXE in the ROM, whose next boot is another attempt',
    story: (s) =>
      s
        .leases('ipxe', 'http://10.77.0.2/boot/start.ipxe')
        .http('/boot/start.ipxe', 200)
        .http(SCRIPT, 200)
        .told('wait')
        .after(60)
        .leases('ipxe', 'http://10.77.0.2/boot/start.ipxe', { xid: 9 })
        .http(SCRIPT, 200)
        .told('local-boot'),
    verdicts: ['unknown', 'booted'],
  },
  {
    why: 'an agent that is loaded and never reports',
    story: (s) => loadsAgent(throughScript(s).told('image')).after(301),
    verdicts: ['unknown'],
    says: "machine's own screen",
  },
  {
    why: 'in a capture the loaded system need only ask for an address',
    story: (s) =>
      throughScript(s)
        .http('/vmlinuz', 200)
        .http('/initrd.img', 200)
        .after(10)
        .discovers('busybox', { xid: 11 }),
    verdicts: ['booted'],
    fromCapture: true,
  },
  {
    why: 'a signed kernel image needs no script',
    story: (s) =>
      s
        .leases('http', 'http://10.77.0.2/uki.efi')
        .http('/uki.efi', 200, true, 'HEAD')
        .http('/uki.efi', 200)
        .after(30)
        .discovers('busybox', { xid: 11 }),
    verdicts: ['booted'],
    fromCapture: true,
  },
  {
    why: 'UEFI has all and keeps silent',
    story: (s) => s.leases('uefi', 'snponly.efi').after(41),
    verdicts: ['never-asked-4011'],
    says: 'UDP 4011',
  },
  {
    why: 'UEFI was answered in the other dialect when it asked again: it need not ask 4011',
    story: (s) =>
      s
        .discovers('uefi')
        .offersBoot('snponly.efi')
        .offersAddress()
        .after(4)
        .discovers('uefi')
        .offersBoot('snponly.efi', true)
        .requests()
        .acks()
        .after(41),
    verdicts: ['firewall'],
    says: 'UDP 67, 68, 69',
  },
  {
    why: 'a BIOS ROM need not ask 4011: then it is the way to the file that is closed',
    story: (s) => s.leases('bios', 'undionly.kpxe', { direct: true }).after(41),
    verdicts: ['firewall'],
  },
  {
    why: '4011 is asked in vain',
    story: (s) => s.leases('uefi', 'x.efi').asks4011().after(2).asks4011().after(41),
    verdicts: ['firewall'],
  },
  {
    why: '4011 answered, and no file asked for',
    story: (s) => s.leases('uefi', 'x.efi').asks4011().answers4011('x.efi').after(41),
    verdicts: ['firewall'],
  },
  {
    why: 'the file is asked for again and again',
    story: (s) =>
      s
        .leases('bios', 'a.kpxe', { direct: true })
        .tftp('a.kpxe')
        .after(1)
        .tftp('a.kpxe')
        .after(2)
        .tftp('a.kpxe')
        .after(41),
    verdicts: ['firewall'],
    says: '10.77.0.2 (TFTP)',
  },
  {
    why: 'what we send of the file never arrives',
    story: (s) => s.leases('bios', 'a.kpxe', { direct: true }).tftp('a.kpxe', 'timed-out').after(41),
    verdicts: ['firewall'],
  },
  {
    why: 'our offers do not arrive: UEFI hears a DHCP server and asks on',
    story: (s) =>
      s
        .discovers('uefi')
        .offersAddress()
        .offersBoot('x.efi')
        .after(4)
        .discovers('uefi')
        .offersAddress()
        .offersBoot('x.efi')
        .after(41),
    verdicts: ['firewall'],
  },
  {
    why: 'signed GRUB looks at the DHCP server',
    story: (s) =>
      s
        .leases('uefi', 'shimx64.efi', { direct: true })
        .tftp('shimx64.efi', 'completed')
        .tftp('grubx64.efi', 'completed')
        .tftp('/grub/grub.cfg', undefined, STORE)
        .after(41),
    verdicts: ['firewall'],
    says: 'as signed GRUB does',
  },
  {
    why: 'nobody offers an address',
    story: (s) =>
      s.discovers('uefi').offersBoot('x.efi').after(4).discovers('uefi').after(8).discovers('uefi').after(41),
    verdicts: ['no-address'],
  },
  {
    why: 'the address is refused',
    story: (s) => s.discovers('bios').offersAddress().requests().naks().after(41),
    verdicts: ['no-address'],
    says: 'did not confirm',
  },
  {
    why: 'the address is never confirmed',
    story: (s) => s.discovers('bios').offersAddress().requests().after(2).requests().after(41),
    verdicts: ['no-address'],
  },
  {
    why: 'the NBP breaks off',
    story: (s) => s.leases('bios', 'a.kpxe', { direct: true }).tftp('a.kpxe', 'aborted').after(41),
    verdicts: ['nbp-aborted'],
    says: 'broke off',
  },
  {
    why: 'the NBP is not there',
    story: (s) => s.leases('bios', 'a.kpxe', { direct: true }).tftp('a.kpxe', 'denied').after(41),
    verdicts: ['nbp-aborted'],
    says: 'does not have a.kpxe',
  },
  {
    why: 'by HTTP it breaks off too',
    story: (s) =>
      s
        .leases('http', 'http://10.77.0.2/x.efi')
        .http('/x.efi', 200, true, 'HEAD')
        .http('/x.efi', 200, false)
        .after(41),
    verdicts: ['nbp-aborted'],
  },
  {
    why: 'broken off and then taken whole is no failure',
    story: (s) =>
      throughScript(s.leases('uefi', 'snponly.efi').tftp('snponly.efi', 'aborted')).told('local-boot'),
    verdicts: ['booted'],
  },
  {
    why: 'only the size',
    story: (s) => s.leases('uefi', 'x.efi', { direct: true }).tftp('x.efi', 'probed').after(41),
    verdicts: ['size-probe-only'],
  },
  {
    why: 'only the size, by HEAD',
    story: (s) => s.leases('http', 'http://10.77.0.2/x.efi').http('/x.efi', 200, true, 'HEAD').after(41),
    verdicts: ['size-probe-only'],
  },
  {
    why: 'a whole NBP and then another way of booting',
    story: (s) =>
      s
        .leases('uefi', 'x.efi')
        .asks4011()
        .answers4011('x.efi')
        .tftp('x.efi', 'completed')
        .after(61)
        .discovers('http', { xid: 3 }),
    verdicts: ['secure-boot-refused', 'unknown'],
  },
  {
    why: 'a whole NBP and then silence',
    story: (s) => s.leases('uefi', 'x.efi', { direct: true }).tftp('x.efi', 'completed').after(91),
    verdicts: ['secure-boot-refused'],
  },
  {
    why: 'a whole NBP and then the system on the disk',
    story: (s) =>
      s
        .leases('uefi', 'x.efi', { direct: true })
        .tftp('x.efi', 'completed')
        .after(40)
        .discovers('windows', { xid: 5 }),
    verdicts: ['secure-boot-refused'],
  },
  {
    why: 'shim runs and refuses what it loads',
    story: (s) =>
      s
        .leases('http', 'http://10.77.0.2/shimx64.efi')
        .http('/shimx64.efi', 200)
        .http('/revocations_sku.efi', 404)
        .http('//grubx64.efi', 200)
        .after(91),
    verdicts: ['secure-boot-refused'],
    says: 'grubx64.efi',
  },
  {
    why: 'BIOS knows no Secure Boot',
    story: (s) => s.leases('bios', 'a.kpxe', { direct: true }).tftp('a.kpxe', 'completed').after(91),
    verdicts: ['unknown'],
  },
  {
    why: 'an old iPXE ROM that is given an NBP',
    story: (s) =>
      s
        .leases('ipxe', 'undionly.kpxe')
        .tftp('undionly.kpxe', 'completed')
        .leases('ipxe', 'http://10.77.0.2/boot/start.ipxe', { xid: 4 })
        .http(SCRIPT, 200)
        .told('local-boot'),
    verdicts: ['booted'],
  },
  {
    why: 'nobody offers a boot file',
    story: (s) => s.discovers('uefi').offersAddress().requests().acks().after(41),
    verdicts: ['unknown'],
    says: 'No boot server answered',
  },
  {
    why: 'the machine is switched off while it waits',
    story: (s) => throughScript(s).told('wait').after(301),
    verdicts: ['unknown'],
    says: 'approve',
  },
];

describe('verdicts', () => {
  it.each(CASES)('$why', ({ story: tell, verdicts, says, fromCapture }) => {
    const story = new Story(fromCapture !== true);
    tell(story);
    const attempts = story.end();
    expect(attempts.map(({ verdict }) => verdict)).toEqual(verdicts);
    const last = attempts.at(-1);
    if (says !== undefined) expect(`${last?.evidence.join(' ')} ${last?.remedy}`).toContain(says);
  });

  it('every verdict is reached', () => {
    expect(new Set(CASES.flatMap(({ verdicts }) => verdicts))).toEqual(new Set(VERDICTS));
  });
});
