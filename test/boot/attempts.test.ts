// Where boot attempts begin and end, what is kept of them, and what a peer leaves to others.
import { describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { PEER, SCRIPT, STORE, Story, throughScript } from './boot-story.ts';

const RELAY = '10.77.9.1' as Ipv4;

describe('boot attempts', () => {
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

  it('a program that is long on its way by HTTP is not given up meanwhile', () => {
    const path = '/boot/files/peerboot-x64.efi';
    const story = new Story();
    story.leases('http', `http://${PEER}:8067${path}`).http(path, 200, true, 'HEAD').http(path).after(100);
    expect(story.ended).toEqual([]);
    expect(story.end()).toHaveLength(1);
  });

  it('keeps two machines apart', () => {
    const story = new Story();
    story.discovers('bios', { number: 1 }).discovers('bios', { number: 2 }).after(41);
    expect(story.ended.map(({ mac }) => mac)).toEqual(['52:54:00:77:00:01', '52:54:00:77:00:02']);
  });

  it('tells those that a capture cuts off in the order in which they began', () => {
    const story = new Story();
    story.leases('uefi', 'snponly.efi').after(1).discovers('bios', { number: 2 }).after(1);
    expect(story.end().map(({ mac }) => mac)).toEqual(['52:54:00:77:00:01', '52:54:00:77:00:02']);
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

    it('judges the machines that asked its port 4011, though its offer was not seen', () => {
      const story = here().discovers('uefi').offersAddress().requests().acks().asks4011();
      expect(verdicts(story.after(41))).toEqual(['firewall']);
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

  it('is woken for the one that has been silent for longest', () => {
    const story = new Story();
    story.discovers('bios', { number: 1 }).after(5).discovers('bios', { number: 2 });
    expect(story.attempts.nextWake()).toBe(40_000);
  });

  it('hears nothing of agents, scripts and transfers that belong to no attempt', () => {
    const story = new Story();
    const other = { address: '10.77.0.99' as Ipv4, port: 2001 };
    story.checksIn().told('image').tftpEnds('completed');
    story.tell({ kind: 'check-in', address: undefined, macs: [] });
    expect(story.end()).toEqual([]);
    // An end of what nobody saw begin, by a machine that is known.
    story.discovers('uefi').requests().tftpEnds('aborted');
    story.tell({ kind: 'http-answer', client: other, server: PEER, status: 200 });
    expect(story.end()).toMatchObject([{ verdict: 'unknown' }]);
  });

  it('knows a machine by its GUID where the firmware tells no MAC, and by what is there where it tells neither', () => {
    const guid = Uint8Array.from({ length: 16 }, (_, i) => i);
    for (const [chaddr, uuid] of [
      [guid, '03020100-0504-0706-0809-0a0b0c0d0e0f'],
      [Uint8Array.of(1, 2, 3, 4), undefined],
    ] as const) {
      const story = new Story();
      story.leases('uefi', 'x.efi', { chaddr, direct: true }).tftp('x.efi', 'aborted').after(41);
      expect(story.ended).toMatchObject([{ mac: undefined, uuid, verdict: 'nbp-aborted' }]);
    }
  });

  it('gives an address to the machine that had it last, and keeps few of each', () => {
    const story = new Story();
    const address = (number: number) => `10.77.1.${number}` as Ipv4;
    story.discovers('uefi', { number: 1 }).requests(STORE, address(1)).acks(STORE, address(1));
    for (let number = 2; number <= 6; number++) story.requests(STORE, address(number));
    // The first address is forgotten: a transfer there is a stranger's.
    story.tell({
      kind: 'tftp-request',
      client: { address: address(1), port: 2000 },
      server: PEER,
      file: 'a.efi',
    });
    expect(story.attempts.size).toBe(2);
    // Another machine is given the last one; the end of the first attempt leaves it that.
    story.discovers('bios', { number: 2 }).requests(STORE, address(6)).acks(STORE, address(6));
    story.discovers('windows', { number: 1 });
    story.tell({ kind: 'told', address: address(6), plan: 'local-boot' });
    expect(story.ended.map(({ firmware, verdict }) => [firmware, verdict])).toEqual([
      ['uefi-x64', 'unknown'],
      ['bios', 'booted'],
    ]);
  });

  it('keeps of many rounds the first and the last', () => {
    const story = new Story();
    for (let xid = 1; xid <= 20; xid++) {
      story.leases('ipxe', 'x.efi', { xid }).tftp('x.efi', 'completed').after(1);
    }
    expect(story.after(91).ended).toMatchObject([{ verdict: 'unknown', firmware: 'uefi-x64-ipxe' }]);
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
