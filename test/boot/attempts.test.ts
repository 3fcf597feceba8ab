// Boot attempts as stories: what is observed, and the verdict that it must end with.
import { describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { VERDICTS, type Verdict } from '../../src/boot/verdict.ts';
import { PEER, STORE, Story } from './boot-story.ts';

interface Case {
  readonly why: string;
  readonly story: (story: Story) => unknown;
  readonly verdicts: readonly Verdict[];
  /** A word of the last remedy, or of its evidence. */
  readonly says?: string;
  readonly fromCapture?: true;
}

const RELAY = '10.77.9.1' as Ipv4;
const STRAY = '10.77.0.9' as Ipv4;
const SCRIPT = '/boot/script.ipxe?mac=1';

/** The NBP runs as iPXE, which gets its script. */
const throughScript = (story: Story) =>
  story
    .leases('uefi', 'snponly.efi')
    .asks4011()
    .answers4011('snponly.efi')
    .tftp('snponly.efi', 'probed')
    .tftp('snponly.efi', 'completed')
    .after(3)
    .leases('ipxe', 'http://10.77.0.2:8067/boot/start.ipxe', { xid: 7 })
    .http('/boot/start.ipxe', 200)
    .http(SCRIPT, 200);

const CASES: readonly Case[] = [
  {
    why: 'the whole way to the agent',
    story: (s) =>
      throughScript(s)
        .told('image')
        .http('/boot/files/vmlinuz', 200)
        .http('/boot/files/initramfs.img', 200)
        .after(20)
        .checksIn(),
    verdicts: ['booted'],
    says: 'checked in',
  },
  {
    why: 'a machine that is told to boot its own disk',
    story: (s) => throughScript(s).told('local-boot'),
    verdicts: ['booted'],
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
    story: (s) =>
      throughScript(s)
        .told('image')
        .http('/boot/files/vmlinuz', 200)
        .http('/boot/files/initramfs.img', 200)
        .after(301),
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

describe('boot attempts', () => {
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

  it('tells nothing against a machine that has only just asked', () => {
    const story = new Story(false);
    story.leases('uefi', 'snponly.efi').after(1);
    expect(story.end()).toMatchObject([{ verdict: 'unknown', firmware: 'uefi-x64' }]);
    expect(story.ended[0]?.remedy).toContain('Nothing had gone wrong');
  });

  it('counts repetitions instead of listing them', () => {
    const story = new Story();
    for (let i = 0; i < 20; i++) story.discovers('bios').after(5);
    const [attempt] = story.end();
    expect(attempt?.evidence).toHaveLength(2);
    expect(attempt?.evidence[0]).toContain('(20 times, last at 95.0 s)');
  });

  it('tells ordinary machines nothing: an operating system that asks for an address is no attempt', () => {
    const story = new Story();
    story.discovers('windows').after(60).discovers('busybox', { number: 2 });
    expect(story.end()).toEqual([]);
  });

  it('keeps two machines apart', () => {
    const story = new Story();
    story.discovers('bios', { number: 1 }).discovers('bios', { number: 2 }).after(41);
    expect(story.ended.map(({ mac }) => mac)).toEqual(['52:54:00:77:00:01', '52:54:00:77:00:02']);
  });

  it('says when to wake it', () => {
    const story = new Story();
    expect(story.attempts.nextWake()).toBeUndefined();
    story.discovers('bios');
    const wake = story.attempts.nextWake();
    expect(wake).toBe(40_000);
    expect(story.attempts.step({ kind: 'wake' }, (wake ?? 0) - 1)).toEqual([]);
    expect(story.attempts.step({ kind: 'wake' }, wake ?? 0)).toHaveLength(1);
    expect(story.attempts.nextWake()).toBeUndefined();
  });

  it('a flood of forged machines ends each, and does not push out one that has an address', () => {
    const story = new Story();
    story.leases('uefi', 'x.efi', { direct: true });
    for (let number = 2; number < 5000; number++) story.discovers('bios', { number, xid: number });
    expect(story.attempts.size).toBeLessThanOrEqual(1025);
    expect(
      story.ended.every(({ verdict, remedy }) => verdict === 'unknown' && remedy.includes('More machines')),
    ).toBe(true);
    story.tftp('x.efi', 'aborted').after(41);
    expect(story.ended.filter(({ firmware }) => firmware === 'uefi-x64')).toMatchObject([
      { verdict: 'nbp-aborted' },
    ]);
    expect(story.end()).toHaveLength(4999);
  });

  it('knows the loaded system by the address that it gets', () => {
    const story = throughScript(new Story()).told('image').http('/boot/files/vmlinuz', 200);
    const other = '10.77.0.99' as Ipv4;
    story.discovers('busybox', { xid: 12 }).requests(STORE, other);
    story.tell({ kind: 'check-in', address: other, macs: [] });
    expect(story.ended).toMatchObject([{ verdict: 'booted' }]);
  });

  describe('at a peer beside others', () => {
    const OTHER = '10.77.0.3' as Ipv4;
    const here = (judgesUnanswered = true) =>
      new Story(true, { ours: () => [PEER], judgesUnanswered: () => judgesUnanswered });
    const verdicts = (story: Story) => story.end().map(({ verdict }) => verdict);

    it('judges the machines that it answered', () => {
      expect(verdicts(here().leases('uefi', 'x.efi').after(41))).toEqual(['never-asked-4011']);
    });

    it('that gives addresses itself is no rival of itself', () => {
      const itself = (story: Story) =>
        story.discovers('uefi').offersAddress(PEER, 'PXEClient', 'x.efi').requests(PEER).acks(PEER).after(41);
      expect(verdicts(itself(here()))).toEqual(['never-asked-4011']);
      expect(verdicts(itself(new Story(false)))).toEqual(['other-dhcp-claims-option-60']);
    });

    it('leaves those to others that they answered, and it did not', () => {
      const story = here()
        .discovers('uefi')
        .offersAddress()
        .offersBoot('x.efi', false, OTHER)
        .requests()
        .acks();
      expect(verdicts(story.after(41))).toEqual([]);
    });

    it('judges those that nobody answered, but not behind a relay, or deaf to offers', () => {
      const nobody = (story: Story, giaddr?: Ipv4) =>
        verdicts(
          story
            .discovers('uefi', giaddr === undefined ? {} : { giaddr })
            .requests()
            .after(41),
        );
      expect(nobody(here())).toEqual(['unknown']);
      expect(nobody(here(), RELAY)).toEqual([]);
      expect(nobody(here(false))).toEqual([]);
    });

    it('does not blame a firewall when the machine may have gone to another boot server', () => {
      const story = here().leases('uefi', 'x.efi').offersBoot('y.efi', false, OTHER).after(41);
      expect(verdicts(story)).toEqual(['unknown']);
      expect(story.ended[0]?.remedy).toContain('another boot server (10.77.0.3)');
    });

    it('judges a machine that comes to it half way, because the other one fell silent', () => {
      const story = here()
        .discovers('ipxe')
        .offersAddress()
        .offersBoot('http://x', false, OTHER)
        .requests()
        .acks();
      story.http(SCRIPT, 200).told('image').http('/boot/files/vmlinuz', 200).after(20).checksIn();
      expect(story.ended).toMatchObject([{ verdict: 'booted' }]);
    });

    it('takes the loaded system for a boot, though its agent may check in elsewhere', () => {
      const story = here()
        .leases('uefi', 'uki.efi')
        .asks4011()
        .answers4011('uki.efi')
        .tftp('uki.efi', 'completed');
      expect(verdicts(story.after(30).discovers('busybox', { xid: 8 }).after(301))).toEqual(['booted']);
    });
  });

  it('keeps a long attempt within bounds', () => {
    const story = new Story();
    story.leases('ipxe', 'http://10.77.0.2/start.ipxe').http('/start.ipxe', 200);
    for (let i = 0; i < 500; i++) story.http(`/boot/files/part-${i}`, 404).after(1);
    const [attempt] = story.after(400).end();
    expect(attempt?.verdict).toBe('nbp-aborted');
    expect(attempt?.evidence.length).toBeLessThan(60);
  });

  it('names who it was as far as anything tells', () => {
    const story = new Story();
    story.tftp('undionly.kpxe', 'completed', PEER).after(91);
    expect(story.ended[0]).toMatchObject({ mac: undefined, firmware: 'unknown' });
  });
});
