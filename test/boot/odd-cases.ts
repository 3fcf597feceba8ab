// Boot attempts of machines and servers that do what few do: renewals, offers without option 60, firmware that nobody knows.
import type { Ipv4 } from '../../src/base/addresses.ts';
import { loadsAgent, PEER, SCRIPT, STORE, type StoryCase, throughScript } from './boot-story.ts';

const RELAY = '10.77.9.1' as Ipv4;

export const ODD_CASES: readonly StoryCase[] = [
  {
    why: 'a ROM that begins with another xid before it had an address goes on with the same attempt',
    story: (s) =>
      s
        .discovers('uefi', { xid: 1 })
        .after(4)
        .discovers('uefi', { xid: 2 })
        .offersAddress()
        .requests()
        .acks(),
    verdicts: ['unknown'],
    fromCapture: true,
  },
  {
    why: 'a ROM that begins with another xid after it had an address was started anew',
    story: (s) =>
      s.leases('uefi', 'x.efi', { xid: 1 }).after(20).leases('uefi', 'x.efi', { xid: 2 }).after(41),
    verdicts: ['never-asked-4011', 'never-asked-4011'],
  },
  {
    why: 'so was one that had fetched, though its request for the address was not seen',
    story: (s) =>
      s
        .discovers('uefi', { xid: 1 })
        .offersBoot('x.efi', true)
        .acks()
        .tftp('x.efi', 'aborted')
        .discovers('uefi', { xid: 2 })
        .after(41),
    verdicts: ['nbp-aborted', 'no-address'],
  },
  {
    why: 'port 4011 is asked once, in vain',
    story: (s) => s.leases('uefi', 'x.efi').asks4011().after(41),
    verdicts: ['firewall'],
    says: '10.77.0.2 (port 4011)',
  },
  {
    why: 'what the loaded program asks of port 4011 is unanswered, whatever was fetched before',
    story: (s) =>
      s
        .leases('ipxe', 'undionly.kpxe')
        .tftp('undionly.kpxe', 'completed')
        .leases('ipxe', 'x', { xid: 7 })
        .after(1)
        .discovers('ipxe', { xid: 8 })
        .requests()
        .asks4011()
        .after(41),
    verdicts: ['firewall'],
    says: '10.77.0.2 (port 4011)',
  },
  {
    why: 'only port 4011 is asked, and nothing else is seen',
    story: (s) => s.asks4011().after(41),
    verdicts: ['relay-missing'],
  },
  {
    why: 'UEFI that may fetch at once and does not',
    story: (s) => s.leases('uefi', 'x.efi', { direct: true }).after(41),
    verdicts: ['firewall'],
  },
  {
    why: 'port 4011 is reached through a relay, and its answer not',
    story: (s) => s.leases('uefi', 'x.efi', { giaddr: RELAY }).asks4011().answers4011('x.efi').after(41),
    verdicts: ['firewall'],
  },
  {
    why: 'port 4011 is asked by one whose lease was not seen',
    story: (s) => s.discovers('uefi').offersAddress().offersBoot('x.efi').asks4011().after(41),
    verdicts: ['firewall'],
  },
  {
    why: 'a boot server that leaves option 60 out of its offer is one all the same',
    story: (s) => s.discovers('uefi').offersAddress().namesBoot('x.efi').requests().acks().after(41),
    verdicts: ['never-asked-4011'],
  },
  {
    why: 'an offer with an unreadable option 43, and with an empty name, is an offer',
    story: (s) => s.discovers('uefi').offersAddress().namesBoot('', true).requests().acks().after(41),
    verdicts: ['never-asked-4011'],
    says: 'boot server 10.77.0.2 answered',
  },
  {
    why: 'iPXE fetches what the claimant names',
    story: (s) =>
      s
        .discovers('ipxe')
        .offersAddress(STORE, 'PXEClient', 'wds.0')
        .offersBoot('http://10.77.0.2/start')
        .requests()
        .acks()
        .tftp('wds.0', 'aborted', STORE)
        .after(41),
    verdicts: ['other-dhcp-claims-option-60'],
  },
  {
    why: 'our port 4011 is asked beside a claimant, and our answer does not come',
    story: (s) =>
      s
        .discovers('uefi')
        .offersAddress(STORE, 'PXEClient')
        .offersBoot('x.efi')
        .requests()
        .acks()
        .asks4011()
        .after(41),
    verdicts: ['other-dhcp-claims-option-60'],
  },
  {
    why: 'an address that is renewed again and again without a word',
    story: (s) => s.discovers('bios').offersAddress().renews().after(2).renews().after(41),
    verdicts: ['no-address'],
    says: 'The DHCP server did not confirm',
  },
  {
    why: 'an NBP that iPXE loaded whole tells nothing of Secure Boot',
    story: (s) => s.leases('ipxe', 'x.efi').tftp('x.efi', 'completed').after(91),
    verdicts: ['unknown'],
  },
  {
    why: 'firmware of a kind that nobody knows',
    story: (s) => s.discovers('strange').offersAddress().requests().acks().after(41),
    verdicts: ['unknown'],
    says: 'report it with a capture',
  },
  {
    why: 'a signed kernel image that a script names, loaded and silent',
    story: (s) => throughScript(s).http('/boot/files/peerboot-x64.efi', 200).after(301),
    verdicts: ['unknown'],
    says: 'Kernel and agent were loaded',
  },
  {
    why: 'the loaded iPXE looks for its files at the DHCP server',
    story: (s) =>
      s
        .leases('bios', 'undionly.kpxe', { direct: true })
        .tftp('undionly.kpxe', 'completed')
        .leases('ipxe', 'http://10.77.0.2/start', { xid: 7 })
        .tftp('boot.ipxe', undefined, STORE)
        .after(41),
    verdicts: ['firewall'],
    says: 'looks for its files at the DHCP server 10.77.0.1',
  },
  {
    why: 'a system without a name that asks twice for its address, from the machine that was loaded',
    story: (s) =>
      throughScript(s)
        .http('/vmlinuz', 200)
        .http('/initrd.img', 200)
        .discovers('nameless', { xid: 11 })
        .after(2)
        .discovers('nameless', { xid: 11 })
        .renews()
        .after(2),
    verdicts: ['booted'],
    says: 'the loaded system asked for an address',
    fromCapture: true,
  },
  {
    why: 'a system without a name on a machine that loaded nothing',
    story: (s) => s.leases('uefi', 'x.efi').after(20).discovers('nameless', { xid: 11 }),
    verdicts: ['never-asked-4011'],
    says: 'an operating system on the machine',
  },
  {
    why: 'a file that grew was answered: it stopped half way',
    story: (s) =>
      s
        .leases('bios', 'a.kpxe', { direct: true })
        .tftp('a.kpxe')
        .progresses(4096)
        .tftpEnds('timed-out')
        .after(41),
    verdicts: ['nbp-aborted'],
  },
  {
    why: 'an agent that talks and never checks in here',
    story: (s) => loadsAgent(throughScript(s).told('image')).http('/agent/plan', 404).after(301),
    verdicts: ['unknown'],
    says: 'Kernel and agent were loaded',
  },
  {
    why: 'an INFORM, a DECLINE, a question of the doctor, and an ACK that gives nothing change nothing',
    story: (s) =>
      s
        .discovers('uefi')
        .offersAddress()
        .offersBoot('x.efi')
        .requests()
        .informs()
        .declines()
        .isAskedAboutByDoctor()
        .acks(STORE, '0.0.0.0' as Ipv4)
        .acks()
        .after(41),
    verdicts: ['never-asked-4011'],
  },
  {
    why: 'a refusal from port 4011 is no answer of it',
    story: (s) => s.leases('uefi', 'x.efi').asks4011().refuses4011().after(2).asks4011(PEER).after(41),
    verdicts: ['firewall'],
  },
  {
    why: 'a machine that is told nothing more than its script',
    story: (s) => s.leases('ipxe', 'http://10.77.0.2/boot/start.ipxe').http(SCRIPT, 200).after(301),
    verdicts: ['unknown'],
  },
];
